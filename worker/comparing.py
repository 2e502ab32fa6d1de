"""The compare stage: lesions of both time points, what became of each by the rules, and what is measured of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

from model.brain_volume import tissue_mm3
from model.calling import Thresholds, call_lesions
from model.changes import ChangeAnalysis, Masks, compare
from model.grid import Grid
from model.lesion_measures import LesionMeasures, MeasuredOn, measure_lesions
from model.lesion_regions import RegionLabels
from model.resampling import resample
from model.rules import Rules
from model.volume import Affine
from worker.case import NetworkInput, Prediction, TimePoint

FLAIR = 1
"""Its channel in a prepared scan."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """What is measured beside the change table."""

    lesions: dict[int, LesionMeasures] = field(default_factory=dict)
    """By the ids of the table's rows."""
    regions_known: bool = False
    """The parts of the brain are known of every time point."""
    tissue_mm3: tuple[float, float] | None = None
    """Of the brain at baseline and follow-up, where both were seen; None where it is not known of both."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Compared:
    """The change table, and the measures of its rows."""

    analysis: ChangeAnalysis
    measured: Measured


@dataclass(frozen=True, slots=True, kw_only=True)
class HowToCompare:
    """What decides what is a lesion and what is change."""

    thresholds: Thresholds
    settle: bool
    """Masks may differ only where FLAIR does (decision 0011)."""
    rules: Rules


def compare_case(
    prepared: NetworkInput, prediction: Prediction, time_points: tuple[TimePoint, ...], how: HowToCompare
) -> Compared:
    """The change table of a pair, or the lesions of one scan.

    Args:
        prepared: images on the common grid.
        prediction: probabilities on it.
        time_points: baseline and follow-up, or the one scan.
        how: thresholds and rules.
    """
    flair = None if prepared.baseline is None else (prepared.baseline[FLAIR], prepared.follow_up[FLAIR])
    baseline, follow_up = call_lesions(
        prediction.baseline,
        prediction.follow_up,
        how.thresholds,
        flair if how.settle else None,
        how.rules.seen_change,
        prediction.alone,
    )
    masks = Masks(
        baseline=baseline,
        follow_up=follow_up,
        baseline_probability=prediction.baseline,
        follow_up_probability=prediction.follow_up,
        seen_in_both=prepared.seen_in_both,
        grid=prepared.grid,
        baseline_opinions=_asked(prediction.baseline_alone),
        follow_up_opinions=_asked(prediction.follow_up_alone),
        threshold=how.thresholds.voxel,
    )
    analysis = compare(masks, how.rules)
    transforms = (prepared.baseline_from_grid, prepared.follow_up_from_grid)[-len(time_points) :]
    regions = [regions_on(prepared.grid, one, moved) for one, moved in zip(time_points, transforms, strict=True)]
    return Compared(analysis=analysis, measured=measured_on(analysis, prepared, regions, how.rules))


def measured_on(
    analysis: ChangeAnalysis, prepared: NetworkInput, regions: Sequence[RegionLabels | None], rules: Rules
) -> Measured:
    """What is measured of the rows of a table beside their volumes.

    Args:
        analysis: the table, and the masks that it was measured on.
        prepared: images on the common grid.
        regions: of each time point on that grid; where one has none, none is used: it would not say the same.
        rules: of measuring.
    """
    flair = None if prepared.baseline is None else (prepared.baseline[FLAIR], prepared.follow_up[FLAIR])
    known = tuple(labels for labels in regions if labels is not None)
    maps = known if len(known) == len(regions) else ()
    on = MeasuredOn(grid=prepared.grid, maps=maps, flair=flair, seen_in_both=prepared.seen_in_both)
    lesions = measure_lesions(analysis, on, rules)
    return Measured(lesions=lesions, regions_known=len(maps) > 0, tissue_mm3=_tissue_mm3(maps, prepared))


def regions_on(grid: Grid, one: TimePoint, flair_from_grid: Affine | None) -> RegionLabels | None:
    """Region labels of a time point on a grid (d, h, w); None where its regions or its place are not known."""
    regions = one.brain.regions
    if regions is None or flair_from_grid is None:
        return None
    there = resample(regions, grid, volume_from_grid=flair_from_grid, interpolation="nearest")
    return np.asarray(np.rint(there), np.uint8)


def _tissue_mm3(maps: tuple[RegionLabels, ...], prepared: NetworkInput) -> tuple[float, float] | None:
    found = [tissue_mm3(labels, prepared.seen_in_both, prepared.grid) for labels in maps]
    return (found[0], found[1]) if len(found) == 2 else None


def _asked(opinion: Float32[NDArray[Any], "d h w"] | None) -> tuple[Float32[NDArray[Any], "d h w"], ...]:
    return () if opinion is None else (opinion,)
