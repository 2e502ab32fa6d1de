"""The U-Nets: one encoder and one decoder, and three ways to use a prior scan.

current --encoder--> skips --+
                             +--merge on every skip--> decoder --> logits of the current scan
prior ----encoder--> skips --+
"""

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import model_validator
from torch import nn

from model.blocks import ConvStage, Features, ResidualStage, Triple, join
from model.difference_weighting import DifferenceWeighting
from model.network import Logits, NetworkSize, PairNetwork, Scan

Variant = Literal["difference-weighting", "concat", "single"]


class UNetConfig(NetworkSize):
    """The architecture, as nnU-Net's plans state it; every tuple has one entry per stage."""

    variant: Variant
    features: tuple[int, ...]
    kernels: tuple[Triple, ...]
    strides: tuple[Triple, ...]
    encoder_convs: tuple[int, ...]
    """Convolutions per stage, or residual blocks per stage where `residual`."""
    decoder_convs: tuple[int, ...]
    """One entry fewer than stages, coarsest decoder stage first."""
    residual: bool = False
    bias: bool = True

    @model_validator(mode="after")
    def _stages_agree(self) -> "UNetConfig":
        stages = len(self.features)
        lengths = (len(self.kernels), len(self.strides), len(self.encoder_convs), len(self.decoder_convs) + 1)
        if set(lengths) != {stages}:
            raise ValueError(f"features: {stages} stages, but kernels, strides, convs state {lengths}")
        return self


class Encoder(nn.Module):
    """Features of one scan at every resolution, finest first."""

    def __init__(self, config: UNetConfig, channels: int) -> None:
        super().__init__()
        self.stem = None
        if config.residual:
            self.stem = ConvStage(channels, config.features[0], convs=1, kernel=config.kernels[0], bias=config.bias)
            channels = config.features[0]
        inputs = (channels, *config.features[:-1])
        rows = zip(inputs, config.features, config.encoder_convs, config.kernels, config.strides, strict=True)
        self.stages = nn.ModuleList(_stage(config, *row) for row in rows)

    def forward(self, x: Features) -> list[Features]:
        if self.stem is not None:
            x = self.stem(x)
        skips = []
        for stage in self.stages:
            x = stage(x)
            skips.append(x)  # (batch, features[s], D / 2^s, H / 2^s, W / 2^s) with strides of 2
        return skips


class Decoder(nn.Module):
    """Logits from the skips; while training those of every resolution (deep supervision), finest first."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        coarse, fine = config.features[:0:-1], config.features[-2::-1]
        strides, kernels = config.strides[:0:-1], config.kernels[-2::-1]
        self.upsample = nn.ModuleList(
            nn.ConvTranspose3d(c, f, s, s, bias=config.bias) for c, f, s in zip(coarse, fine, strides, strict=True)
        )
        self.stages = nn.ModuleList(
            ConvStage(2 * f, f, convs=n, kernel=k, bias=config.bias)
            for f, n, k in zip(fine, config.decoder_convs, kernels, strict=True)
        )
        self.heads = nn.ModuleList(nn.Conv3d(f, config.classes, 1) for f in fine)

    def forward(self, skips: Sequence[Features]) -> list[Logits]:
        stages = self.stages_of(skips)
        if not self.training:
            return [self.heads[-1](stages[0])]
        return [head(stage) for head, stage in zip(reversed(self.heads), stages, strict=True)]

    def stages_of(self, skips: Sequence[Features]) -> list[Features]:
        """Features of every decoder stage while training, of the finest in evaluation; finest first."""
        x, found = skips[-1], []
        for upsample, stage, skip in zip(self.upsample, self.stages, skips[-2::-1], strict=True):
            x = stage(join(upsample(x), skip))
            found.append(x)
        return found[::-1] if self.training else [x]


class LongitudinalUNet(PairNetwork):
    """What the three variants share: one encoder for each scan, one decoder."""

    config: UNetConfig

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        scans = 2 if config.variant == "concat" else 1
        self.encoder = Encoder(config, config.modalities * scans)
        self.decoder = Decoder(config)

    def encode(self, scan: Scan) -> list[Features]:
        skips: list[Features] = self.encoder(scan)
        return skips


class DifferenceWeightingUNet(LongitudinalUNet):
    """One shared encoder; the Difference Weighting block on every skip, the bottleneck included."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__(config)
        self.weighting = DifferenceWeighting(config.features)

    def decode(self, current: list[Features], prior: list[Features]) -> list[Logits]:
        logits: list[Logits] = self.decoder(self.weighting(current, prior))
        return logits


class ConcatUNet(LongitudinalUNet):
    """Longitudinal nnU-Net: both scans as channels of one input, current first. Nothing can be shared."""

    def encode(self, scan: Scan) -> list[Features]:
        return [scan]

    def decode(self, current: list[Features], prior: list[Features]) -> list[Logits]:
        logits: list[Logits] = self.decoder(self.encoder(torch.cat((current[0], prior[0]), dim=1)))
        return logits


class SingleUNet(LongitudinalUNet):
    """nnU-Net on one time point: the prior is not looked at."""

    def decode(self, current: list[Features], prior: list[Features]) -> list[Logits]:  # noqa: ARG002 (one interface)
        logits: list[Logits] = self.decoder(current)
        return logits

    def forward(self, current: Scan, prior: Scan) -> list[Logits]:  # noqa: ARG002 (one interface)
        return self.decode(self.encode(current), [])


VARIANTS: dict[Variant, type[LongitudinalUNet]] = {
    "difference-weighting": DifferenceWeightingUNet,
    "concat": ConcatUNet,
    "single": SingleUNet,
}


def build_unet(config: UNetConfig) -> LongitudinalUNet:
    """The network that the config describes, on the default device, with fresh weights."""
    return VARIANTS[config.variant](config)


def _stage(config: UNetConfig, inputs: int, outputs: int, convs: int, kernel: Triple, stride: Triple) -> nn.Module:
    if config.residual:
        return ResidualStage(inputs, outputs, blocks=convs, kernel=kernel, stride=stride, bias=config.bias)
    return ConvStage(inputs, outputs, convs=convs, kernel=kernel, stride=stride, bias=config.bias)
