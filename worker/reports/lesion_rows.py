"""Rows of the report: lesions, and the regions of the brain that they lie in."""

from dataclasses import dataclass

from model.changes import ChangeAnalysis, LesionChange
from model.lesion_measures import LesionMeasures
from model.lesions import equivalent_diameter_mm
from model.repeatability import volume_interval
from model.rules import NoiseRules
from model.statuses import Status
from model.volume import Affine
from service.contracts.measures import Interval, LesionRegion
from service.contracts.report import Counts, LesionRow, LesionStatus, RegionRow
from worker.comparing import Measured
from worker.reports.rounding import moved, rounded, rounded_interval


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Places:
    """World of the grid -> world of each FLAIR."""

    baseline_from_grid: Affine | None
    """None: single time point mode."""
    follow_up_from_grid: Affine


def lesion_rows(
    analysis: ChangeAnalysis | None, measured: Measured, places: Places, noise: NoiseRules
) -> tuple[LesionRow, ...]:
    """One for every group, in the order of the analysis; none when the studies are not comparable."""
    changes = () if analysis is None else analysis.changes
    return tuple(_row(change, measured.lesions.get(change.id), places, noise) for change in changes)


def count(rows: tuple[LesionRow, ...], *, counted_only: bool) -> Counts:
    """Rows of each status."""
    used = [row.status for row in rows if row.counted or not counted_only]
    return Counts(**{status.value: used.count(LesionStatus(status.value)) for status in Status})


def region_rows(rows: tuple[LesionRow, ...], *, longitudinal: bool) -> tuple[RegionRow, ...]:
    """Every region with the lesions that lie in it."""
    return tuple(_region(region, rows, longitudinal=longitudinal) for region in LesionRegion)


def _region(region: LesionRegion, rows: tuple[LesionRow, ...], *, longitudinal: bool) -> RegionRow:
    here = tuple(row for row in rows if row.region is region)
    before = sum(row.baseline_volume_mm3 or 0.0 for row in here)
    return RegionRow(
        region=region,
        lesions=sum(row.counted for row in here),
        counts=count(here, counted_only=True) if longitudinal else None,
        baseline_volume_ml=round(before / 1000, 4) if longitudinal else None,
        follow_up_volume_ml=round(sum(row.follow_up_volume_mm3 for row in here) / 1000, 4),
    )


def _row(change: LesionChange, measured: LesionMeasures | None, places: Places, noise: NoiseRules) -> LesionRow:
    place = None if measured is None else measured.place
    there = places.baseline_from_grid
    return LesionRow(
        id=change.id,
        status=None if change.status is None else LesionStatus(change.status.value),
        counted=change.counted,
        baseline_volume_mm3=rounded(change.baseline_mm3, 2),
        follow_up_volume_mm3=round(change.follow_up_mm3, 2),
        equivalent_diameter_mm=round(equivalent_diameter_mm(change.largest_mm3), 2),
        centroid_mm=moved(change.centroid_mm, places.follow_up_from_grid),
        baseline_centroid_mm=None if there is None else moved(change.baseline_centroid_mm or change.centroid_mm, there),
        new_part_volume_mm3=round(change.new_part_mm3, 2),
        baseline_components=change.baseline_components,
        follow_up_components=change.follow_up_components,
        probability=round(change.probability, 4),
        region=None if place is None else LesionRegion(place.value),
        surface_mm2=None if measured is None else round(measured.surface_mm2, 2),
        long_axis_mm=None if measured is None else round(measured.long_axis_mm, 2),
        flair_change_sd=None if measured is None else rounded(measured.flair_change_sd, 3),
        certainty=rounded(change.certainty, 3),
        baseline_interval_mm3=_interval(change.baseline_mm3, noise),
        follow_up_interval_mm3=_interval(change.follow_up_mm3, noise),
    )


def _interval(volume_mm3: float | None, noise: NoiseRules) -> Interval | None:
    return None if volume_mm3 is None else rounded_interval(volume_interval(volume_mm3, noise.volume_log_sd), 2)
