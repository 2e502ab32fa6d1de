"""3D recurrent residual U-Net on a pair of scans.

Source: Szeskin et al. 2023, doi:10.1016/j.media.2022.102675 (both scans as channels of one input); the blocks are those
of R2U-Net (Alom et al. 2018, arXiv 1802.06955). Widths, InstanceNorm and deep supervision are ours.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from model.blocks import LEAK, Features, join
from model.network import Logits, NetworkSize, PairNetwork, Scan


class SzeskinConfig(NetworkSize):
    """One entry per resolution, finest first."""

    variant: Literal["szeskin"] = "szeskin"
    features: tuple[int, ...]
    recurrences: int = 2
    """How often a convolution is applied again to its own output, with the same weights."""


class RecurrentConv(nn.Module):
    """One convolution, applied to its input, then to its input plus its last output."""

    def __init__(self, channels: int, recurrences: int) -> None:
        super().__init__()
        self.recurrences = recurrences
        self.conv = nn.Sequential(
            nn.Conv3d(channels, channels, 3, padding=1),
            nn.InstanceNorm3d(channels, affine=True),
            nn.LeakyReLU(LEAK, inplace=True),
        )

    def forward(self, x: Features) -> Features:
        state: Tensor = self.conv(x)
        for _ in range(self.recurrences):
            state = self.conv(x + state)
        return state


class RecurrentResidualBlock(nn.Module):
    """Two recurrent convolutions beside a short cut."""

    def __init__(self, inputs: int, outputs: int, recurrences: int) -> None:
        super().__init__()
        self.project = nn.Conv3d(inputs, outputs, 1)
        self.convs = nn.Sequential(RecurrentConv(outputs, recurrences), RecurrentConv(outputs, recurrences))

    def forward(self, x: Features) -> Features:
        x = self.project(x)
        out: Tensor = x + self.convs(x)
        return out


class SzeskinNetwork(PairNetwork):
    """Current scan first, then the prior, as channels; nothing can be shared between the directions."""

    config: SzeskinConfig

    def __init__(self, config: SzeskinConfig) -> None:
        super().__init__()
        self.config = config
        features = config.features
        inputs = (2 * config.modalities, *features[:-1])
        self.down = nn.ModuleList(
            RecurrentResidualBlock(i, o, config.recurrences) for i, o in zip(inputs, features, strict=True)
        )
        self.pool = nn.MaxPool3d(2, ceil_mode=True)
        coarse_to_fine = list(zip(features[:0:-1], features[-2::-1], strict=True))
        self.upsample = nn.ModuleList(nn.ConvTranspose3d(c, f, 2, 2) for c, f in coarse_to_fine)
        self.up = nn.ModuleList(RecurrentResidualBlock(2 * f, f, config.recurrences) for _, f in coarse_to_fine)
        self.heads = nn.ModuleList(nn.Conv3d(f, config.classes, 1) for _, f in coarse_to_fine)

    def encode(self, scan: Scan) -> list[Features]:
        return [scan]

    def decode(self, current: list[Features], prior: list[Features]) -> list[Logits]:
        skips = self._skips(torch.cat((current[0], prior[0]), dim=1))
        x, logits = skips[-1], []
        for upsample, block, head, skip in zip(self.upsample, self.up, self.heads, skips[-2::-1], strict=True):
            d, h, w = skip.shape[2:]
            x = block(join(upsample(x)[:, :, :d, :h, :w], skip))
            if self.training:
                logits.append(head(x))
        return logits[::-1] if self.training else [self.heads[-1](x)]

    def _skips(self, x: Features) -> Sequence[Features]:
        skips = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else self.pool(x))
            skips.append(x)
        return skips
