"""Dice plus cross-entropy under deep supervision, nnU-Net's loss."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from monai.losses.dice import DiceCELoss
from torch import Tensor, nn
from torch.nn import functional


class DeepSupervision(nn.Module):
    """The loss summed over resolutions, weighted 1, 1/2, 1/4, ... and normalised; the coarsest is left out.

    The target of a coarse resolution is the nearest-neighbour sample of the full one, as in nnU-Net.
    """

    def __init__(self) -> None:
        super().__init__()
        self.loss = DiceCELoss(include_background=False, to_onehot_y=True, softmax=True, batch=True, smooth_dr=1e-5)

    def forward(
        self,
        logits: Sequence[Float[Tensor, "batch classes _ _ _"]],
        target: Int[Tensor, "batch 1 depth height width"],
    ) -> Float[Tensor, ""]:
        used = list(logits[:-1]) if len(logits) > 1 else list(logits)
        weights = [0.5**n for n in range(len(used))]
        total = torch.zeros((), device=target.device)
        for weight, stage in zip(weights, used, strict=True):
            fitted = functional.interpolate(target.float(), size=stage.shape[2:], mode="nearest").long()
            total = total + weight * self.loss(stage.float(), fitted)
        return total / sum(weights)
