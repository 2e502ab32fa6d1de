"""The parts that every U-Net here is made of."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

Features = Float[Tensor, "batch _channel _depth _height _width"]
Triple = tuple[int, int, int]

LEAK = 0.01
"""Negative slope of LeakyReLU, as nnU-Net plans it."""


class InstanceNorm(nn.InstanceNorm3d):
    """Zero mean and unit variance per image and channel, then an affine map.

    On CPUs it is computed as its equals that are fast there: nn.InstanceNorm3d copies what lies channels last (two
    ways), and takes four times as long as a GroupNorm of one channel per group in fp32.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-5, affine=True)

    def forward(self, x: Features) -> Features:
        if x.device.type == "cpu":
            if x.is_contiguous():
                return functional.group_norm(x, self.num_features, self.weight, self.bias, self.eps)
            if x.dtype == torch.bfloat16 and len(x) == 1:  # of one image the batch's statistics are the image's
                return functional.batch_norm(x, None, None, self.weight, self.bias, training=True, eps=self.eps)
        out: Tensor = super().forward(x)
        return out


class ConvNormAct(nn.Module):
    """Convolution, InstanceNorm, LeakyReLU; the stride is in the convolution."""

    def __init__(self, inputs: int, outputs: int, *, kernel: Triple, stride: Triple = (1, 1, 1), bias: bool) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
        self.conv = nn.Conv3d(inputs, outputs, kernel, stride, padding, bias=bias)
        self.norm = InstanceNorm(outputs)
        self.act = nn.LeakyReLU(LEAK, inplace=True)

    def forward(self, x: Features) -> Features:
        out: Tensor = self.act(self.norm(self.conv(x)))
        return out


class ConvStage(nn.Module):
    """`convs` convolutions at one resolution; the first carries the stride."""

    def __init__(
        self, inputs: int, outputs: int, *, convs: int, kernel: Triple, stride: Triple = (1, 1, 1), bias: bool
    ) -> None:
        super().__init__()
        first = ConvNormAct(inputs, outputs, kernel=kernel, stride=stride, bias=bias)
        rest = [ConvNormAct(outputs, outputs, kernel=kernel, bias=bias) for _ in range(convs - 1)]
        self.convs = nn.ModuleList([first, *rest])

    def forward(self, x: Features) -> Features:
        for conv in self.convs:
            x = conv(x)
        return x


class ResidualBlock(nn.Module):
    """Two convolutions beside a short cut: average pooling for the stride, 1x1x1 convolution for new channels.

    Source: BasicBlockD of nnU-Net's residual encoder (Isensee et al. 2024, arXiv 2404.09556).
    """

    def __init__(self, inputs: int, outputs: int, *, kernel: Triple, stride: Triple, bias: bool) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
        self.conv1 = ConvNormAct(inputs, outputs, kernel=kernel, stride=stride, bias=bias)
        self.conv2 = nn.Conv3d(outputs, outputs, kernel, 1, padding, bias=bias)
        self.norm2 = InstanceNorm(outputs)
        self.act = nn.LeakyReLU(LEAK, inplace=True)
        self.pool = nn.AvgPool3d(stride, stride) if max(stride) > 1 else nn.Identity()
        self.project = _projection(inputs, outputs)

    def forward(self, x: Features) -> Features:
        short_cut = self.project(self.pool(x))
        out: Tensor = self.act(self.norm2(self.conv2(self.conv1(x))) + short_cut)
        return out


class ResidualStage(nn.Module):
    """`blocks` residual blocks at one resolution; the first carries the stride."""

    def __init__(self, inputs: int, outputs: int, *, blocks: int, kernel: Triple, stride: Triple, bias: bool) -> None:
        super().__init__()
        first = ResidualBlock(inputs, outputs, kernel=kernel, stride=stride, bias=bias)
        one = (1, 1, 1)
        rest = [ResidualBlock(outputs, outputs, kernel=kernel, stride=one, bias=bias) for _ in range(blocks - 1)]
        self.blocks = nn.ModuleList([first, *rest])

    def forward(self, x: Features) -> Features:
        for block in self.blocks:
            x = block(x)
        return x


def join(up: Features, skip: Features) -> Features:
    """Channels of the upsampled features first, then the skip's: the order the reference trains with."""
    return torch.cat((up, skip), dim=1)


def _projection(inputs: int, outputs: int) -> nn.Module:
    if inputs == outputs:
        return nn.Identity()
    return nn.Sequential(nn.Conv3d(inputs, outputs, 1, bias=False), InstanceNorm(outputs))
