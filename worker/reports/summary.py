"""The report value out of what the stages found: a pure function."""

import importlib.metadata
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import numpy as np

from model.changes import ChangeAnalysis, LesionChange, Status
from model.lesions import COUNTED_MM3, LesionMap, equivalent_diameter_mm
from model.volume import Affine, world_from_voxel
from service.contracts.report import (
    Counts,
    LesionCounts,
    LesionRow,
    LesionStatus,
    ModelInfo,
    RegistrationInfo,
    Report,
    SeriesChoice,
    StudySummary,
    Versions,
    VolumesMl,
)
from worker.case import PairAlignment, Series, TimePoint
from worker.quality import Assessment
from worker.segmentation import Segmented

LIBRARIES = (
    "torch",
    "SimpleITK",
    "pydicom",
    "highdicom",
    "nibabel",
    "numpy",
    "scipy",
    "connected-components-3d",
    "nilearn",
)


def versions() -> Versions:
    """Versions of the program and of the libraries that numbers depend on."""
    return Versions(
        msdelta=importlib.metadata.version("msdelta"),
        libraries={name: importlib.metadata.version(name) for name in LIBRARIES},
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReportInputs:
    """Everything the report states."""

    baseline: Segmented | None
    follow_up: Segmented
    analysis: ChangeAnalysis | None
    """None when the studies are not comparable: each was segmented alone."""
    assessment: Assessment
    pair: PairAlignment | None
    mask_volumes_ml: tuple[float | None, float]
    """Of the written masks: baseline, follow-up."""
    model: ModelInfo
    timings_s: dict[str, float]
    job_id: str | None
    versions: Versions = field(default_factory=versions)
    created: datetime = field(default_factory=lambda: datetime.now(UTC))


def build_report(inputs: ReportInputs) -> Report:
    """The report of a longitudinal case, a single time point, or a pair that cannot be compared."""
    longitudinal = inputs.baseline is not None
    comparable = longitudinal and inputs.analysis is not None and inputs.analysis.baseline is not None
    rows = _rows(inputs) if comparable or not longitudinal else ()
    baseline = None if inputs.baseline is None else inputs.baseline.lesions
    counts = _counts(rows, counted_only=True) if comparable else None
    return Report(
        mode="longitudinal" if longitudinal else "single_time_point",
        comparable=comparable,
        reasons=inputs.assessment.reasons,
        active=None if counts is None else counts.new + counts.enlarging > 0,
        counts=counts,
        counts_from_3_mm3=_counts(rows, counted_only=False) if comparable else None,
        lesion_counts=_lesion_counts(baseline, inputs.follow_up.lesions),
        volumes_ml=VolumesMl(
            baseline=None if baseline is None else round(baseline.total_mm3 / 1000, 4),
            follow_up=round(inputs.follow_up.lesions.total_mm3 / 1000, 4),
        ),
        lesions=rows,
        follow_up=study_summary(inputs.follow_up.time_point, inputs.mask_volumes_ml[1]),
        baseline=None
        if inputs.baseline is None
        else study_summary(inputs.baseline.time_point, inputs.mask_volumes_ml[0]),
        registration=None if inputs.pair is None else registration_info(inputs.pair),
        quality=inputs.assessment.checks,
        model=inputs.model,
        versions=inputs.versions,
        job_id=inputs.job_id,
        created=inputs.created,
        timings_s={stage: round(seconds, 2) for stage, seconds in inputs.timings_s.items()},
    )


def _rows(inputs: ReportInputs) -> tuple[LesionRow, ...]:
    changes = () if inputs.analysis is None else inputs.analysis.changes
    return tuple(_row(change, inputs) for change in changes)


def _row(change: LesionChange, inputs: ReportInputs) -> LesionRow:
    baseline_from_grid = None if inputs.baseline is None else inputs.baseline.flair_from_grid
    return LesionRow(
        id=change.id,
        status=None if change.status is None else LesionStatus(change.status.value),
        counted=change.counted,
        baseline_volume_mm3=None if change.baseline_mm3 is None else round(change.baseline_mm3, 2),
        follow_up_volume_mm3=round(change.follow_up_mm3, 2),
        equivalent_diameter_mm=round(equivalent_diameter_mm(change.largest_mm3), 2),
        centroid_mm=_moved(change.centroid_mm, inputs.follow_up.flair_from_grid),
        baseline_centroid_mm=None if baseline_from_grid is None else _moved(change.centroid_mm, baseline_from_grid),
        new_part_volume_mm3=round(change.new_part_mm3, 2),
        baseline_components=change.baseline_components,
        follow_up_components=change.follow_up_components,
        probability=round(change.probability, 4),
    )


def _moved(point: tuple[float, float, float], target_from_grid: Affine) -> tuple[float, float, float]:
    x, y, z = world_from_voxel(target_from_grid, np.array([point]))[0]
    return round(float(x), 2), round(float(y), 2), round(float(z), 2)


def _counts(rows: tuple[LesionRow, ...], *, counted_only: bool) -> Counts:
    used = [row.status for row in rows if row.counted or not counted_only]
    return Counts(**{status.value: used.count(LesionStatus(status.value)) for status in Status})


def _lesion_counts(baseline: LesionMap | None, follow_up: LesionMap) -> LesionCounts:
    def from_14(lesions: LesionMap) -> int:
        return sum(volume >= COUNTED_MM3 - 1e-9 for volume in lesions.volumes_mm3)

    return LesionCounts(
        baseline=None if baseline is None else from_14(baseline),
        follow_up=from_14(follow_up),
        baseline_from_3_mm3=None if baseline is None else len(baseline.volumes_mm3),
        follow_up_from_3_mm3=len(follow_up.volumes_mm3),
    )


def study_summary(t: TimePoint, mask_volume_ml: float | None) -> StudySummary:
    """What is known of a time point."""
    acquired = None if t.study.acquired is None else t.study.acquired.isoformat()
    t1 = () if t.study.t1 is None else (_choice("T1", t.study.t1, t),)
    series = (*t1, _choice("FLAIR", t.study.flair, t))
    return StudySummary(acquired=acquired, series=series, lesion_mask_volume_ml=round(mask_volume_ml or 0.0, 4))


def _choice(sequence: Literal["T1", "FLAIR"], series: Series, t: TimePoint) -> SeriesChoice:
    i, j, k = series.volume.array.shape
    a, b, c = (round(s, 4) for s in series.volume.spacing)
    return SeriesChoice(
        sequence=sequence,
        source=series.source,
        reasons=series.reasons,
        shape=(i, j, k),
        spacing_mm=(a, b, c),
        skull_stripped=t.brain.skull_stripped,
    )


def registration_info(pair: PairAlignment) -> RegistrationInfo:
    """The alignment of two time points in numbers."""
    rows = tuple(tuple(round(float(v), 6) for v in row) for row in pair.baseline_from_follow_up)
    return RegistrationInfo(
        backend=pair.backend,
        baseline_from_follow_up=rows,
        inverse_consistency_mm=round(pair.inverse_consistency_mm, 4),
        correlation=round(pair.correlation, 4),
    )
