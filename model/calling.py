"""From lesion probability to lesions: how sure a voxel must be, and how sure a lesion."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32
from numpy.typing import NDArray
from scipy import ndimage

from model.lesions import find_lesions
from model.rules import SeenChangeRules
from model.seen_change import AS_SHIPPED, Image, settle

Mask = Bool[NDArray[Any], "d h w"]
Probability = Float32[NDArray[Any], "d h w"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Lesion probabilities, 0 to 1."""

    voxel: float
    """From here a voxel is lesion."""
    lesion: float = 0.0
    """What the surest voxel of a lesion must reach, at one time point or the other; 0: every lesion does."""


def call_lesions(
    baseline: Probability | None,
    follow_up: Probability,
    thresholds: Thresholds,
    flair: tuple[Image, Image] | None = None,
    rules: SeenChangeRules = AS_SHIPPED,
) -> tuple[Mask | None, Mask]:
    """The lesion masks of a pair, or of one scan.

    A lesion is judged by what both time points show of it (26-connected over both): one that is sure at one time and
    faint at the other is kept at both, so that being less sure is not taken for shrinking or being gone. Swapping the
    time points swaps the masks.

    Args:
        baseline: lesion probability; None: there is one scan.
        follow_up: likewise.
        thresholds: of voxels and lesions.
        flair: both images, z-scored in the brain: the masks then differ only where these do (`model.seen_change`).
        rules: when they do.
    """
    if baseline is None:
        return None, called([follow_up], thresholds)[0]
    first, second = called([baseline, follow_up], thresholds)
    if flair is None:
        return first, second
    settled = settle(first, second, flair, rules)
    return settled.baseline, settled.follow_up


def called(probabilities: Sequence[Probability], thresholds: Thresholds) -> tuple[Mask, ...]:
    """The mask of each of several scans of one head: lesions that are sure at one of them, where each marks them."""
    masks = tuple(probability >= thresholds.voxel for probability in probabilities)
    if thresholds.lesion <= thresholds.voxel:
        return masks
    either, surest = np.logical_or.reduce(masks), np.maximum.reduce(list(probabilities))
    sure = _sure_components(either, surest, thresholds.lesion)
    return tuple(mask & sure for mask in masks)


def _sure_components(mask: Mask, probability: Probability, least: float) -> Mask:
    """The 26-connected components with a voxel of at least this probability."""
    labels = find_lesions(mask, voxel_volume_mm3=1.0, smallest_mm3=0.0).labels
    highest = np.asarray(ndimage.maximum(probability, labels, np.arange(int(labels.max()) + 1)))
    keep = highest >= least
    keep[0] = False
    return np.asarray(keep[labels])
