"""Dice plus cross-entropy under deep supervision, nnU-Net's loss, and a term in which each lesion weighs the same."""

from collections.abc import Sequence

import cc3d
import torch
from jaxtyping import Float, Int
from monai.losses.dice import DiceCELoss
from monai.metrics.utils import compute_voronoi_regions_fast
from torch import Tensor, nn
from torch.nn import functional

from model.network import UNKNOWN

SURE = 20.0
"""A logit of which bf16 and fp32 make a probability of 1."""
SMOOTH = 1e-5
SMALLEST = 3
"""Voxels; what is smaller is left out of lesion scores, too."""


class DeepSupervision(nn.Module):
    """The loss summed over resolutions, weighted 1, 1/2, 1/4, ... and normalised; the coarsest is left out.

    The target of a coarse resolution is the nearest-neighbour sample of the full one, as in nnU-Net. Voxels that are
    `UNKNOWN` in it have no gradient: the loss sees background there, surely predicted. (They stay in the mean of the
    cross-entropy, so the loss of a patch is the smaller the less of it is known.)

    Args:
        lesion_balance: weight of `lesion_dice_loss` at full resolution; 0: nnU-Net's loss alone.
    """

    def __init__(self, *, lesion_balance: float = 0.0) -> None:
        super().__init__()
        self.lesion_balance = lesion_balance
        self.loss = DiceCELoss(include_background=False, to_onehot_y=True, softmax=True, batch=True, smooth_dr=SMOOTH)

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
            total = total + self.lesion_balance * lesion_dice_loss(used[0].float(), target)
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


def lesion_dice_loss(
    logits: Float[Tensor, "batch classes depth height width"], target: Int[Tensor, "batch 1 depth height width"]
) -> Float[Tensor, ""]:
    """One minus the Dice of each lesion in its territory, the mean over lesions; 0 without lesions.

    In Dice and in the mean cross-entropy a lesion of ten voxels beside one of ten thousand is next to nothing. Here
    each weighs the same. Its territory is what lies nearer to it than to another lesion of the example: false positives
    there cost, too, and the more the smaller the lesion is. Lesions below `SMALLEST` have no territory.

    Source: CC-Dice, Jaus et al. 2024, arXiv 2410.18684; as a loss, Bouteille et al. 2025, arXiv 2511.17146.
    """
    territory, count = _territories(target)
    if count == 0:
        return logits.sum() * 0.0
    found = functional.softmax(logits, dim=1)[:, 1:2] * (target != UNKNOWN)
    true = (target > 0).float()

    def within(values: Tensor) -> Tensor:
        zeros = torch.zeros(count + 1, device=logits.device)
        return zeros.index_add(0, territory.ravel(), values.ravel())[1:]

    dice = (2 * within(found * true) + SMOOTH) / (within(found) + within(true) + SMOOTH)
    return (1 - dice).mean()


def _territories(target: Int[Tensor, "batch 1 depth height width"]) -> tuple[Int[Tensor, "batch 1 _ _ _"], int]:
    """To which lesion of the batch (26-connected, from 1) each voxel belongs, 0 in examples without; and how many."""
    territories, count = torch.zeros(target.shape, dtype=torch.int32), 0
    for n, mask in enumerate((target[:, 0] > 0).cpu().numpy()):
        lesions = cc3d.dust(mask, threshold=SMALLEST, connectivity=26)
        if lesions.any():
            territories[n, 0] = compute_voronoi_regions_fast(lesions) + count
            count = int(territories[n].max())
    return territories.to(target.device), count
