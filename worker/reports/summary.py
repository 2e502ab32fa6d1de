"""The report value out of what the stages found: a pure function."""

import importlib.metadata
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from model.changes import ChangeAnalysis
from model.lesions import LesionMap
from model.repeatability import total_change_interval, total_interval
from model.rules import NoiseRules, Rules
from service.contracts.measures import REGIONS_NOTE, BrainVolumeChange, VolumeIntervalsMl
from service.contracts.report import (
    LesionCounts,
    LesionRow,
    ModelInfo,
    RegionRow,
    RegistrationInfo,
    Report,
    SeriesChoice,
    StudySummary,
    Versions,
    VolumesMl,
)
from worker.brain_change import brain_volume_change
from worker.case import PairAlignment, Series, TimePoint
from worker.comparing import Measured
from worker.measurement_rules import DEFAULT, Profile, packaged_measurement_rules
from worker.quality import Assessment
from worker.reports.lesion_rows import Places, count, lesion_rows, region_rows
from worker.reports.rounding import rounded_interval
from worker.reports.tracking import case_of, tracking_uid
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
    known_uids: dict[int, str] = field(default_factory=dict)
    """Tracking UIDs that rows have from an earlier result (`worker.lesion_identity`)."""
    measured: Measured = field(default_factory=Measured)
    profile: Profile = field(default_factory=lambda: packaged_measurement_rules().profile(DEFAULT))
    versions: Versions = field(default_factory=versions)
    created: datetime = field(default_factory=lambda: datetime.now(UTC))


def build_report(inputs: ReportInputs) -> Report:
    """The report of a longitudinal case, a single time point, or a pair that cannot be compared."""
    longitudinal = inputs.baseline is not None
    comparable = longitudinal and inputs.analysis is not None and inputs.analysis.baseline is not None
    rules = inputs.profile.of_masks(inputs.model.mask_only_changes)
    rows = (
        lesion_rows(inputs.analysis, inputs.measured, _places(inputs), rules.noise)
        if comparable or not longitudinal
        else ()
    )
    rows = _tracked(rows, inputs)
    baseline = None if inputs.baseline is None else inputs.baseline.lesions
    counts = count(rows, counted_only=True) if comparable else None
    regions = _regions(rows, inputs)
    return Report(
        mode="longitudinal" if longitudinal else "single_time_point",
        comparable=comparable,
        reasons=inputs.assessment.reasons,
        active=None if counts is None else counts.new + counts.enlarging > 0,
        counts=counts,
        counts_from_3_mm3=count(rows, counted_only=False) if comparable else None,
        lesion_counts=_lesion_counts(baseline, inputs.follow_up.lesions, rules),
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
        versions=inputs.versions.model_copy(update={"measurement_rules": inputs.profile.version}),
        job_id=inputs.job_id,
        created=inputs.created,
        timings_s={stage: round(seconds, 2) for stage, seconds in inputs.timings_s.items()},
        regions=regions,
        regions_note=REGIONS_NOTE if regions else None,
        volume_intervals_ml=_volume_intervals(baseline, inputs.follow_up.lesions, rules.noise, comparable=comparable),
        rules=inputs.profile.printed(),
        brain_volume_change=_brain(inputs, rules.noise) if longitudinal else None,
    )


def _tracked(rows: tuple[LesionRow, ...], inputs: ReportInputs) -> tuple[LesionRow, ...]:
    """The rows with the UID that each lesion is tracked by."""
    of_row = {
        row.id: inputs.known_uids.get(row.id) or tracking_uid(case_of(inputs), inputs.model.sha256, f"lesion {row.id}")
        for row in rows
    }
    return tuple(row.model_copy(update={"tracking_uid": str(of_row[row.id])}) for row in rows)


def _brain(inputs: ReportInputs, noise: NoiseRules) -> BrainVolumeChange:
    return brain_volume_change(inputs.measured.tissue_mm3, inputs.assessment, noise)


def _regions(rows: tuple[LesionRow, ...], inputs: ReportInputs) -> tuple[RegionRow, ...]:
    known = inputs.analysis is not None and inputs.measured.regions_known
    return region_rows(rows, longitudinal=inputs.baseline is not None) if known else ()


def _places(inputs: ReportInputs) -> Places:
    return Places(
        baseline_from_grid=None if inputs.baseline is None else inputs.baseline.flair_from_grid,
        follow_up_from_grid=inputs.follow_up.flair_from_grid,
    )


def _volume_intervals(
    baseline: LesionMap | None, follow_up: LesionMap, noise: NoiseRules, *, comparable: bool
) -> VolumeIntervalsMl:
    before, after = None if baseline is None else baseline.total_mm3 / 1000, follow_up.total_mm3 / 1000
    change = None
    if before is not None and comparable:
        change = total_change_interval(before, after, noise.total_change_log_sd)
    return VolumeIntervalsMl(
        baseline=None if before is None else rounded_interval(total_interval(before, noise.total_log_sd), 4),
        follow_up=rounded_interval(total_interval(after, noise.total_log_sd), 4),
        change=rounded_interval(change, 4),
    )


def _lesion_counts(baseline: LesionMap | None, follow_up: LesionMap, rules: Rules) -> LesionCounts:
    def from_14(lesions: LesionMap) -> int:
        return sum(rules.counts(volume) for volume in lesions.volumes_mm3)

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
        kind=pair.kind,
        common_space=pair.common_space,
        baseline_from_follow_up=rows,
        inverse_consistency_mm=round(pair.inverse_consistency_mm, 4),
        correlation=round(pair.correlation, 4),
    )
