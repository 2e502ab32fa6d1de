"""Dice plus cross-entropy under deep supervision, nnU-Net's loss, and a term that counts lesions, not voxels."""

from collections.abc import Sequence

import cc3d
import numpy as np
import torch
from jaxtyping import Float, Int
from monai.losses.dice import DiceCELoss
from torch import Tensor, nn
from torch.nn import functional

from model.network import UNKNOWN

SURE = 20.0
"""A logit of which bf16 and fp32 make a probability of 1."""


class DeepSupervision(nn.Module):
    """The loss summed over resolutions, weighted 1, 1/2, 1/4, ... and normalised; the coarsest is left out.

    The target of a coarse resolution is the nearest-neighbour sample of the full one, as in nnU-Net. Voxels that are
    `UNKNOWN` in it have no gradient: the loss sees background there, surely predicted. (They stay in the mean of the
    cross-entropy, so the loss of a patch is the smaller the less of it is known.)

    Args:
        lesion_balance: weight of `missed_lesions` at full resolution; 0: nnU-Net's loss alone.
    """

    def __init__(self, *, lesion_balance: float = 0.0) -> None:
        super().__init__()
        self.lesion_balance = lesion_balance
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
            total = total + weight * self.loss(_known(stage.float(), fitted), fitted.clamp(min=0))
        total = total / sum(weights)
        if self.lesion_balance:
            total = total + self.lesion_balance * missed_lesions(used[0].float(), target)
        return total


def _known(
    logits: Float[Tensor, "batch classes _ _ _"], target: Int[Tensor, "batch 1 _ _ _"]
) -> Float[Tensor, "batch classes _ _ _"]:
    """The logits, sure of background wherever the target is unknown."""
    unknown = target == UNKNOWN
    if not unknown.any():
        return logits
    background = torch.full((1, logits.shape[1], 1, 1, 1), -SURE, device=logits.device)
    background[:, 0] = SURE
    return torch.where(unknown, background, logits)


def missed_lesions(
    logits: Float[Tensor, "batch classes depth height width"], target: Int[Tensor, "batch 1 depth height width"]
) -> Float[Tensor, ""]:
    """Cross-entropy inside each lesion (26-connected), then the mean over lesions; 0 without lesions.

    In Dice and in the mean cross-entropy a lesion of ten voxels beside one of ten thousand is next to nothing. Here
    each weighs the same. False positives cost nothing, so the term must be small beside the others. (An instance-wise
    loss as in Kofler et al. 2022, arXiv 2205.08209.)
    """
    lesions, count = np.zeros(target.shape, np.int64), 0
    for n, mask in enumerate(target[:, 0].cpu().numpy() > 0):
        found, more = cc3d.connected_components(mask, connectivity=26, return_N=True)
        lesions[n, 0] = np.where(found > 0, found.astype(np.int64) + count, 0)
        count += int(more)
    if count == 0:
        return logits.sum() * 0.0
    inside = torch.from_numpy(lesions.ravel()).to(logits.device)
    surprise = -functional.log_softmax(logits, dim=1)[:, 1].reshape(-1)
    of_lesion = inside > 0
    label = inside[of_lesion] - 1
    total = torch.zeros(count, device=logits.device).index_add(0, label, surprise[of_lesion])
    return (total / torch.bincount(label, minlength=count)).mean()
