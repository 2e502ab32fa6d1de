"""What is measured of each group beside volumes and status: its place, its form, and how FLAIR changed in it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray

from model.changes import ChangeAnalysis
from model.flair_change import Image, flair_changes, normal_white
from model.grid import Grid
from model.group_masks import GroupLabels, GroupMasks
from model.lesion_regions import Place, RegionLabels, landmarks, places
from model.rules import Rules
from model.shape_measures import long_axis_mm, surface_mm2


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionMeasures:
    """Of one group."""

    place: Place | None
    """None: it is not known where the parts of the brain lie."""
    surface_mm2: float
    """At the larger of its time points."""
    long_axis_mm: float
    """Likewise."""
    flair_change_sd: float | None
    """Follow-up minus baseline in standard deviations of each scan's white matter; None where that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MeasuredOn:
    """Images and maps on the grid of the analysis."""

    grid: Grid
    maps: tuple[RegionLabels, ...]
    """Of the time points that have one."""
    flair: tuple[Image, Image] | None
    """Of baseline and follow-up, any scale; None in single time point mode."""
    seen_in_both: Bool[NDArray[Any], "d h w"]


def measure_lesions(analysis: ChangeAnalysis, on: MeasuredOn, rules: Rules) -> dict[int, LesionMeasures]:
    """The measures of every group by its id; swapping the time points turns `flair_change_sd` and nothing else."""
    count = len(analysis.changes)
    if count == 0:
        return {}
    labels = GroupLabels.of(analysis.baseline, analysis.follow_up, analysis.group_of)
    lesions = np.asarray(labels.either > 0)
    where: tuple[Place | None, ...] = (None,) * count
    brighter: tuple[float | None, ...] = (None,) * count
    if on.maps:
        where = places(labels, count, landmarks(on.maps, lesions, on.grid), rules.regions)
    if on.maps and on.flair is not None:
        white = normal_white(on.maps, lesions, on.seen_in_both, on.grid)
        brighter = flair_changes(labels, count, on.flair, white)
    return {
        one.id: LesionMeasures(
            place=where[one.id - 1],
            surface_mm2=_largest(surface_mm2, one, on.grid),
            long_axis_mm=_largest(long_axis_mm, one, on.grid),
            flair_change_sd=brighter[one.id - 1],
        )
        for one in labels.masks(count)
    }


def _largest(measure: Callable[[NDArray[np.bool_], Grid], float], one: GroupMasks, grid: Grid) -> float:
    part = grid.crop(one.box)
    return max(measure(mask, part) for mask in one.larger)
