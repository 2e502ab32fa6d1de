"""Dice plus cross-entropy under deep supervision, nnU-Net's loss, and a term in which each lesion weighs the same."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from monai.losses.dice import DiceCELoss
from torch import Tensor, nn
from torch.nn import functional

from model.network import UNKNOWN
from model.territories import territories_of

SURE = 20.0
"""A logit of which bf16 and fp32 make a probability of 1."""
SMOOTH = 1e-5
FALSE_VOXELS = 10.0
"""So many sure false voxels are half of what an example without lesions can cost."""


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
        territories: Int[Tensor, "batch 1 depth height width"] | None = None,
    ) -> Float[Tensor, ""]:
        used = list(logits[:-1]) if len(logits) > 1 else list(logits)
        weights = [0.5**n for n in range(len(used))]
        total = torch.zeros((), device=target.device)
        for weight, stage in zip(weights, used, strict=True):
            fitted = functional.interpolate(target.float(), size=stage.shape[2:], mode="nearest").long()
            total = total + weight * self.loss(_known(stage.float(), fitted), fitted.clamp(min=0))
        total = total / sum(weights)
        if self.lesion_balance:
            total = total + self.lesion_balance * lesion_dice_loss(used[0].float(), target, territories)
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
    logits: Float[Tensor, "batch classes depth height width"],
    target: Int[Tensor, "batch 1 depth height width"],
    territories: Int[Tensor, "batch 1 depth height width"] | None = None,
) -> Float[Tensor, ""]:
    """One minus the Dice of each lesion in its territory, the mean over lesions, and what is found where there is none.

    In Dice and in the mean cross-entropy a lesion of ten voxels beside one of ten thousand is next to nothing. Here
    each weighs the same. Its territory is what lies nearer to it than to another lesion of the example: false positives
    there cost, too, and the more the smaller the lesion is. An example without lesions costs from 0, nothing found, to
    1 by what is falsely found there (p squared, so that a whole brain of small probabilities is little).

    Args:
        logits: of background and lesion.
        target: 1 in lesions, `UNKNOWN` where nobody can tell.
        territories: of the target (`model.territories`); None: they are found here, which takes its time.

    Source: CC-Dice, Jaus et al. 2024, arXiv 2410.18684; as a loss, Bouteille et al. 2025, arXiv 2511.17146.
    """
    territories = territories_of(target) if territories is None else territories
    counts = territories.amax(dim=(1, 2, 3, 4))
    before = (counts.cumsum(0) - counts).view(-1, 1, 1, 1, 1)
    place = torch.where(territories > 0, territories + before, 0).ravel()
    count = int(counts.sum())
    found = functional.softmax(logits, dim=1)[:, 1:2] * (target != UNKNOWN)
    true = (target > 0).float()

    def within(values: Tensor) -> Tensor:
        zeros = torch.zeros(count + 1, device=logits.device)
        return zeros.index_add(0, place, values.ravel())[1:]

    dice = (2 * within(found * true) + SMOOTH) / (within(found) + within(true) + SMOOTH)
    missed = (1 - dice).sum() / max(count, 1)
    false = (found * (1 - true)).square().sum(dim=(1, 2, 3, 4))[counts == 0]
    return missed + (false / (false + FALSE_VOXELS)).sum() / len(logits)
