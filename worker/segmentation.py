"""A predicted time point on its own FLAIR grid: what the artifacts and their numbers are made of."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

from model.changes import ChangeAnalysis
from model.grid import Grid
from model.lesions import LesionMap
from model.resampling import labels_onto_grid, onto_grid
from model.statuses import LABELS, Status
from model.volume import Affine, Volume
from worker.case import TimePoint


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Segmented:
    """One time point with its lesions on the common grid."""

    time_point: TimePoint
    probability: Float32[NDArray[Any], "d h w"]
    lesions: LesionMap
    grid: Grid
    flair_from_grid: Affine


def native_probability(segmented: Segmented) -> Volume:
    """The lesion probability on the scan's own FLAIR grid, 0 to 1."""
    flair = segmented.time_point.study.flair.volume
    soft = onto_grid(segmented.probability, segmented.grid, Grid.of(flair), target_from_grid=segmented.flair_from_grid)
    return flair.like(np.clip(soft, 0.0, 1.0))


def native_lesions(segmented: Segmented) -> Volume:
    """The lesions on the scan's own FLAIR grid, int32 labels of `segmented.lesions`.

    Each keeps its volume, so that the mask holds what the table says, however thick the slices are.
    """
    flair = segmented.time_point.study.flair.volume
    return flair.like(_carried(segmented.lesions.labels, segmented))


def native_rows(lesions: Volume, rows: NDArray[np.int32]) -> Volume:
    """The id of the report's row at each lesion voxel of the scan's own FLAIR grid, int32.

    Args:
        lesions: `native_lesions` of the time point.
        rows: `ChangeAnalysis.group_of` of that time point: the row of each lesion, by its number.
    """
    return lesions.like(rows[lesions.array])


def native_resolved(analysis: ChangeAnalysis, segmented: Segmented) -> Volume:
    """The lesions that have gone, where they were on the follow-up's FLAIR grid; int32 labels of the baseline.

    Args:
        analysis: with a baseline.
        segmented: the follow-up.
    """
    if analysis.change_map is None or analysis.baseline is None:
        raise ValueError("analysis: has no change map in single time point mode")
    gone = np.where(analysis.change_map == LABELS[Status.RESOLVED], analysis.baseline.labels, 0)
    return segmented.time_point.study.flair.volume.like(_carried(gone, segmented))


def native_change_map(analysis: ChangeAnalysis, lesions: Volume, resolved: Volume) -> Volume:
    """Change labels on the follow-up's FLAIR grid: of the follow-up's lesions, and of resolved ones where they were.

    Args:
        analysis: with a baseline.
        lesions: `native_lesions` of the follow-up.
        resolved: `native_resolved`.
    """
    if analysis.change_map is None:
        raise ValueError("analysis: has no change map in single time point mode")
    gone = np.where(resolved.array > 0, LABELS[Status.RESOLVED], 0)
    of_lesion = _label_of_each(analysis.follow_up.labels, analysis.change_map)
    return lesions.like(np.where(lesions.array > 0, of_lesion[lesions.array], gone).astype(np.uint8))


def _carried(labels: NDArray[Any], segmented: Segmented) -> NDArray[np.int32]:
    target = Grid.of(segmented.time_point.study.flair.volume)
    return labels_onto_grid(labels.astype(np.int32), segmented.grid, target, target_from_grid=segmented.flair_from_grid)


def _label_of_each(labels: NDArray[Any], change_map: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The change label of each lesion, by its number; 0 for the background."""
    table = np.zeros(int(labels.max()) + 1, np.uint8)
    table[labels] = np.where(labels > 0, change_map, 0)
    return table
