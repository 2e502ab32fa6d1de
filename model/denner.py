"""Segmentation and registration learned together on slices of a pair, 2.5D.

Source: Denner et al. 2020, arXiv 2004.03675: a fully convolutional DenseNet sees the slices of both time points as
channels (early fusion) and learns a deformable registration beside the segmentation; the slices of all three
orientations go through one network, and their predictions are averaged. Ours: growth and depth by plan, InstanceNorm,
Dice with cross-entropy in place of the asymmetric loss, one orientation per training step, training in both temporal
directions.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from model.blocks import LEAK, Features
from model.network import Batch, Logits, NetworkSize, PairNetwork, Scan, Segmentation

Slices = Float[Tensor, "slice _channel _height _width"]
Field = Float[Tensor, "slice 2 _height _width"]

ORIENTATIONS = (2, 3, 4)
"""Axes of (batch, channel, depth, height, width) that slices are cut across."""

SIMILARITY_WEIGHT, SMOOTHNESS_WEIGHT = 0.5, 0.1


class DennerConfig(NetworkSize):
    """A 2D DenseNet: one dense block per resolution on the way down, one at the bottom, one per resolution up."""

    variant: Literal["denner"] = "denner"
    first: int = 32
    """Channels of the first convolution."""
    growth: int = 12
    layers: tuple[int, ...] = (4, 4, 4, 4, 4)
    """Layers of each dense block, finest first, the bottom last."""


class DenseBlock(nn.Module):
    """Each layer sees the input and what all layers before it gave; gives the new channels."""

    def __init__(self, inputs: int, growth: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_layer(inputs + n * growth, growth) for n in range(layers))

    def forward(self, x: Slices) -> Slices:
        found: list[Tensor] = []
        for layer in self.layers:
            found.append(layer(torch.cat((x, *found), dim=1)))
        return torch.cat(found, dim=1)


class SliceDenseNet(nn.Module):
    """Features of each slice at full resolution."""

    def __init__(self, config: DennerConfig) -> None:
        super().__init__()
        *sides, bottom = config.layers
        self.first = nn.Conv2d(2 * config.modalities, config.first, 3, padding=1)
        self.down, self.halve = nn.ModuleList(), nn.ModuleList()
        width, skips = config.first, []
        for layers in sides:
            self.down.append(DenseBlock(width, config.growth, layers))
            width += config.growth * layers
            skips.append(width)
            self.halve.append(nn.Sequential(_layer(width, width, kernel=1), nn.MaxPool2d(2)))
        self.bottom = DenseBlock(width, config.growth, bottom)
        self.upsample, self.up = nn.ModuleList(), nn.ModuleList()
        width = config.growth * bottom
        for layers, skip in zip(reversed(sides), reversed(skips), strict=True):
            self.upsample.append(nn.ConvTranspose2d(width, width, 2, 2))
            self.up.append(DenseBlock(width + skip, config.growth, layers))
            width = config.growth * layers
        self.outputs = width
        self.stride = 2 ** len(sides)

    def forward(self, x: Slices) -> Slices:
        x = self.first(x)
        skips = []
        for block, halve in zip(self.down, self.halve, strict=True):
            x = torch.cat((x, block(x)), dim=1)
            skips.append(x)
            x = halve(x)
        x = self.bottom(x)
        for upsample, block, skip in zip(self.upsample, self.up, reversed(skips), strict=True):
            x = block(torch.cat((upsample(x), skip), dim=1))
        return x


class DennerNetwork(PairNetwork):
    """Slices of both scans in, logits of the current scan out; while training a displacement field, too."""

    config: DennerConfig

    def __init__(self, config: DennerConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = SliceDenseNet(config)
        self.segmentation_head = nn.Conv2d(self.backbone.outputs, config.classes, 1)
        self.field_head = nn.Conv2d(self.backbone.outputs, 2, 3, padding=1)

    def encode(self, scan: Scan) -> list[Features]:
        return [scan]

    def decode(self, current: list[Features], prior: list[Features]) -> list[Logits]:
        maps = [self._orientation(current[0], prior[0], axis) for axis in ORIENTATIONS]
        return [torch.stack(maps).mean(dim=0)]

    def loss(self, batch: Batch, segmentation: Segmentation) -> Float[Tensor, ""]:
        axis = ORIENTATIONS[int(torch.randint(len(ORIENTATIONS), ()))]
        there, back = (self._loss(one, axis, segmentation) for one in (batch, batch.turned()))
        return torch.stack((there, back)).mean()

    def _loss(self, batch: Batch, axis: int, segmentation: Segmentation) -> Tensor:
        fixed, moving = slices_of(batch.current, axis), slices_of(batch.prior, axis)
        features = self._features(fixed, moving)
        logits = volume_of(self.segmentation_head(features), axis, len(batch.current))
        field = self.field_head(features).float()
        similarity = functional.mse_loss(warped(moving.float(), field), fixed.float())
        segmented = segmentation([logits], batch.target, batch.territories)
        return segmented + SIMILARITY_WEIGHT * similarity + SMOOTHNESS_WEIGHT * roughness(field)

    def _orientation(self, current: Scan, prior: Scan, axis: int) -> Logits:
        features = self._features(slices_of(current, axis), slices_of(prior, axis))
        return volume_of(self.segmentation_head(features), axis, len(current))

    def _features(self, fixed: Slices, moving: Slices) -> Slices:
        """Padded with zeros to what the halving needs, and cut again; zero for slices that show nothing.

        On an empty slice every InstanceNorm multiplies rounding errors by 300: in bf16 the gradient overflowed.
        """
        height, width = fixed.shape[2:]
        stride = self.backbone.stride
        padded = functional.pad(torch.cat((fixed, moving), dim=1), (0, -width % stride, 0, -height % stride))
        seen = padded.flatten(1).any(dim=1)
        seen[0] |= ~seen.any()  # a batch without slices has no shape
        found: Tensor = self.backbone(padded[seen])
        features = found.new_zeros((len(padded), *found.shape[1:]))
        features[seen] = found
        return features[:, :, :height, :width]


def slices_of(scan: Scan, axis: int) -> Slices:
    """Every slice across the axis, as a batch."""
    moved = scan.movedim(axis, 1)  # (batch, slice, channel, height, width)
    return moved.reshape(-1, *moved.shape[2:])


def volume_of(slices: Slices, axis: int, batch: int) -> Features:
    """The inverse of `slices_of`."""
    return slices.reshape(batch, -1, *slices.shape[1:]).movedim(1, axis)


def warped(image: Slices, field: Field) -> Slices:
    """The image seen through a displacement: at each pixel the value found `field` (rows, columns) pixels away."""
    height, width = image.shape[2:]
    rows, columns = torch.meshgrid(
        torch.arange(height, device=image.device), torch.arange(width, device=image.device), indexing="ij"
    )
    at_x = (columns + field[:, 1]) * (2 / max(width - 1, 1)) - 1
    at_y = (rows + field[:, 0]) * (2 / max(height - 1, 1)) - 1
    return functional.grid_sample(image, torch.stack((at_x, at_y), dim=-1), align_corners=True)


def roughness(field: Field) -> Float[Tensor, ""]:
    """Mean square of the differences between neighbouring displacements."""
    return field.diff(dim=2).square().mean() + field.diff(dim=3).square().mean()


def _layer(inputs: int, outputs: int, *, kernel: int = 3) -> nn.Module:
    return nn.Sequential(
        nn.InstanceNorm2d(inputs, affine=True),
        nn.LeakyReLU(LEAK, inplace=False),
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2),
    )
