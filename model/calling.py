"""From lesion probability to lesions: how sure a voxel must be, and how sure a lesion."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64
from numpy.typing import NDArray
from scipy import ndimage, special

from model.lesions import find_lesions
from model.rules import SeenChangeRules
from model.seen_change import AS_SHIPPED, Image, settle

Mask = Bool[NDArray[Any], "d h w"]
Probability = Float32[NDArray[Any], "d h w"]
Sureness = Float64[NDArray[Any], " voxels"]


ALMOST = 2.0**-24
"""A single-precision probability is this far from 0 and from 1, or cannot be told from them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Lesion probabilities, 0 to 1."""

    voxel: float
    """From here a voxel is lesion."""
    lesion: float = 0.0
    """What the surest voxel of a lesion must reach, at one time point or the other; 0: every lesion does."""
    self_prior: float = 0.0
    """Part of the scan as its own prior in how sure a voxel of a lesion is: of the logits (decision 0028)."""


def call_lesions(
    baseline: Probability | None,
    follow_up: Probability,
    thresholds: Thresholds,
    flair: tuple[Image, Image] | None = None,
    rules: SeenChangeRules = AS_SHIPPED,
    alone: Sequence[Probability | None] = (),
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
        alone: lesion probability of each scan as its own prior, which has its part in how sure a lesion is.
    """
    if baseline is None:
        return None, called([follow_up], thresholds, alone)[0]
    first, second = called([baseline, follow_up], thresholds, alone)
    if flair is None:
        return first, second
    settled = settle(first, second, flair, rules)
    return settled.baseline, settled.follow_up


def called(
    probabilities: Sequence[Probability], thresholds: Thresholds, alone: Sequence[Probability | None] = ()
) -> tuple[Mask, ...]:
    """The mask of each of several scans of one head: lesions that are sure at one of them, where each marks them.

    Args:
        probabilities: of each scan, given another; the masks are made from them.
        thresholds: of voxels and lesions.
        alone: of each scan as its own prior; without it, it is as sure as it is given the other.
    """
    masks = tuple(probability >= thresholds.voxel for probability in probabilities)
    if thresholds.lesion <= thresholds.voxel:
        return masks
    either = np.logical_or.reduce(masks)
    surest = np.zeros(either.shape, np.float64)
    own = alone or [None] * len(masks)
    surest[either] = np.maximum.reduce(
        [_sureness(p, a, thresholds.self_prior, either) for p, a in zip(probabilities, own, strict=True)]
    )
    sure = _sure_components(either, surest, thresholds.lesion)
    return tuple(mask & sure for mask in masks)


def _sureness(given_other: Probability, alone: Probability | None, part: float, where: Mask) -> Sureness:
    """Between the two opinions, in logits."""
    if alone is None or part == 0:
        return given_other[where].astype(np.float64)
    first, second = (
        special.logit(np.clip(one[where].astype(np.float64), ALMOST, 1 - ALMOST)) for one in (given_other, alone)
    )
    return np.asarray(special.expit((1 - part) * first + part * second))


def _sure_components(mask: Mask, probability: Float64[NDArray[Any], "d h w"], least: float) -> Mask:
    """The 26-connected components with a voxel of at least this probability."""
    labels = find_lesions(mask, voxel_volume_mm3=1.0, smallest_mm3=0.0).labels
    highest = np.asarray(ndimage.maximum(probability, labels, np.arange(int(labels.max()) + 1)))
    keep = highest >= least
    keep[0] = False
    return np.asarray(keep[labels])
