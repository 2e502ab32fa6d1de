"""A predicted time point on its own FLAIR grid: what the artifacts and their numbers are made of."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray
from scipy import ndimage

from model.changes import LABELS, ChangeAnalysis, Status
from model.grid import Grid
from model.lesions import LesionMap
from model.resampling import onto_grid
from model.volume import Affine, Volume
from worker.case import TimePoint


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Segmented:
    """One time point with its lesions on the common grid."""

    time_point: TimePoint
    probability: Float32[NDArray[Any], "d h w"]
    lesions: LesionMap
    threshold: float
    grid: Grid
    flair_from_grid: Affine


def native_probability(segmented: Segmented) -> Volume:
    """The lesion probability on the scan's own FLAIR grid, 0 to 1."""
    flair = segmented.time_point.study.flair.volume
    soft = onto_grid(segmented.probability, segmented.grid, Grid.of(flair), target_from_grid=segmented.flair_from_grid)
    return flair.like(np.clip(soft, 0.0, 1.0))


def native_mask(segmented: Segmented, probability: Volume) -> Volume:
    """The lesion mask on the FLAIR grid: the interpolated probability cut at the threshold, near kept lesions only."""
    near = ndimage.binary_dilation(segmented.lesions.mask, iterations=1)
    kept = onto_grid(near, segmented.grid, Grid.of(probability), target_from_grid=segmented.flair_from_grid)
    return probability.like((probability.array >= segmented.threshold) & (kept > 0.5))


def native_change_map(analysis: ChangeAnalysis, segmented: Segmented, mask: Volume) -> Volume:
    """Change labels on the follow-up's FLAIR grid.

    Every voxel of the follow-up's mask carries the label of the nearest group; resolved lesions, and what else is in
    the baseline's mask alone, lie where the baseline had them.
    """
    if analysis.change_map is None:
        raise ValueError("analysis: has no change map in single time point mode")
    target, labels = Grid.of(mask), np.zeros(mask.array.shape, np.uint8)

    def carry(array: NDArray[Any]) -> NDArray[np.float32]:
        return onto_grid(array, segmented.grid, target, target_from_grid=segmented.flair_from_grid)

    gone = carry(analysis.change_map == LABELS[Status.RESOLVED]) > 0.5
    labels[gone] = LABELS[Status.RESOLVED]
    present = np.where(analysis.follow_up.mask, analysis.change_map, 0)
    best = np.full(mask.array.shape, 1e-6, np.float32)
    nearest = _spread(present)
    for label in np.unique(present[present > 0]):
        share = carry(nearest == label)
        wins = mask.array & (share > best)
        labels[wins] = label
        best = np.where(wins, share, best)
    return mask.like(labels)


def _spread(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Each voxel's nearest label, so that interpolation at a lesion's edge finds it."""
    if not labels.any():
        return labels
    index = ndimage.distance_transform_edt(labels == 0, return_distances=False, return_indices=True)
    return np.asarray(labels[tuple(index)])
