"""What is measured of each group beside volumes and status: its place, its form, and how FLAIR changed in it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray

from model.changes import ChangeAnalysis
from model.flair_change import Image, flair_change, in_white_deviations, normal_white
from model.grid import Grid
from model.group_masks import GroupLabels, GroupMasks
from model.lesion_regions import Place, RegionLabels, landmarks, place_of
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
    labels = GroupLabels.of(analysis.baseline, analysis.follow_up, analysis.group_of)
    lesions = np.asarray(labels.either > 0)
    marks = landmarks(on.maps, lesions, on.grid) if on.maps else None
    scaled: tuple[Image | None, Image | None] = None, None
    if on.maps and on.flair is not None:
        white = normal_white(on.maps, lesions, on.seen_in_both, on.grid)
        scaled = in_white_deviations(on.flair[0], white), in_white_deviations(on.flair[1], white)
    return {
        one.id: LesionMeasures(
            place=None if marks is None else place_of(one, marks, rules.regions),
            surface_mm2=_largest(surface_mm2, one, on.grid),
            long_axis_mm=_largest(long_axis_mm, one, on.grid),
            flair_change_sd=flair_change(one, scaled),
        )
        for one in labels.masks(len(analysis.changes))
    }


def _largest(measure: Callable[[NDArray[np.bool_], Grid], float], one: GroupMasks, grid: Grid) -> float:
    part = grid.crop(one.box)
    return max(measure(mask, part) for mask in one.larger)
