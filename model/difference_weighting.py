"""The Difference Weighting block (arXiv 2409.13416, eq. 2)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from model.blocks import Features, InstanceNorm

Rows = Float[Tensor, "_voxel channel"]
PerChannel = Float[Tensor, " channel"]

CHUNK_VALUES = 2**19
"""Values in a chunk of rows: its fp32 copies stay in the cache, which makes the block six times faster in bf16."""


class DifferenceWeighting(nn.Module):
    """Features of the current scan, amplified where they differ from the prior's; one norm per stage.

    The difference and its normalisation run in fp32 under autocast as well: InstanceNorm of a tiny difference
    amplifies it about 300-fold, and bf16 rounding with it (logits moved by 5 with a nearly identical prior).
    """

    def __init__(self, features_per_stage: Sequence[int]) -> None:
        super().__init__()
        self.norms = nn.ModuleList(InstanceNorm(n) for n in features_per_stage)

    def forward(self, current: Sequence[Features], prior: Sequence[Features]) -> list[Features]:
        """One merged tensor per stage, finest first; same shapes as `current`."""
        stages = zip(current, prior, self.norms, strict=True)
        return [_weight(x_c, x_p, norm) for x_c, x_p, norm in stages]


def _weight(x_c: Tensor, x_p: Tensor, norm: nn.Module) -> Tensor:
    with torch.autocast(x_c.device.type, enabled=False):
        if isinstance(norm, nn.InstanceNorm3d) and _pays_in_chunks(x_c):
            return _weight_in_chunks(x_c, x_p, norm)
        x_c32, x_p32 = x_c.float(), x_p.float()
        x_w: Tensor = x_c32 * norm(x_c32 - x_p32) + x_c32  # eq. 2: x_w = x_c * InstanceNorm(x_c - x_p) + x_c
    return x_w.to(x_c.dtype)


def _pays_in_chunks(x: Tensor) -> bool:
    return x.dtype == torch.bfloat16 and x.device.type == "cpu" and not torch.is_grad_enabled()


def _weight_in_chunks(x_c: Tensor, x_p: Tensor, norm: nn.InstanceNorm3d) -> Tensor:
    """The same as x_w = x_c * (scale * (x_c - x_p) + shift), in fp32, without an fp32 copy of a whole tensor."""
    x_c, x_p = (x.contiguous(memory_format=torch.channels_last_3d) for x in (x_c, x_p))
    x_w = torch.empty_like(x_c)
    for current, prior, merged in zip(x_c, x_p, x_w, strict=True):
        pairs = list(zip(_chunks(current), _chunks(prior), strict=True))
        mean, variance = _moments(pairs)
        scale = norm.weight.double() / (variance + norm.eps).sqrt()
        shift = (norm.bias.double() - mean * scale + 1).float()
        scale = scale.float()
        for (c, p), out in zip(pairs, _chunks(merged), strict=True):
            c32 = c.float()
            out.copy_((c32 - p).mul_(scale).add_(shift).mul_(c32))
    return x_w


def _chunks(image: Float[Tensor, "channel _depth _height _width"]) -> tuple[Rows, ...]:
    """Views of an image whose channels lie innermost."""
    rows = image.permute(1, 2, 3, 0).view(-1, len(image))
    return torch.split(rows, max(1, CHUNK_VALUES // len(image)))


def _moments(pairs: Sequence[tuple[Rows, Rows]]) -> tuple[PerChannel, PerChannel]:
    """Mean and variance of the difference per channel, fp64; chunk by chunk (Chan et al. 1983), each centred first."""
    count = 0
    mean = squares = torch.zeros((), dtype=torch.float64)
    for current, prior in pairs:
        difference = current.float() - prior
        of_chunk = difference.mean(0)
        centred = (difference - of_chunk).square_().sum(0).double()
        step, rows = of_chunk.double() - mean, len(difference)
        squares = squares + centred + step.square() * (count * rows / (count + rows))
        mean = mean + step * (rows / (count + rows))
        count += rows
    return mean, squares / count
