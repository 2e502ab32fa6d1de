"""The Difference Weighting block (arXiv 2409.13416, eq. 2)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from model.blocks import Features


class DifferenceWeighting(nn.Module):
    """Features of the current scan, amplified where they differ from the prior's; one norm per stage.

    The difference and its normalisation run in fp32 under autocast as well: InstanceNorm of a tiny difference
    amplifies it about 300-fold, and bf16 rounding with it (logits moved by 5 with a nearly identical prior).
    """

    def __init__(self, features_per_stage: Sequence[int]) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.InstanceNorm3d(n, eps=1e-5, affine=True) for n in features_per_stage)

    def forward(self, current: Sequence[Features], prior: Sequence[Features]) -> list[Features]:
        """One merged tensor per stage, finest first; same shapes as `current`."""
        stages = zip(current, prior, self.norms, strict=True)
        return [_weight(x_c, x_p, norm) for x_c, x_p, norm in stages]


def _weight(x_c: Tensor, x_p: Tensor, norm: nn.Module) -> Tensor:
    with torch.autocast(x_c.device.type, enabled=False):
        x_c32, x_p32 = x_c.float(), x_p.float()
        x_w: Tensor = x_c32 * norm(x_c32 - x_p32) + x_c32  # eq. 2: x_w = x_c * InstanceNorm(x_c - x_p) + x_c
    return x_w.to(x_c.dtype)
