"""The report of several visits out of what the stages found: a pure function."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from model.ledger import LedgerChange, LesionAtVisit
from model.repeatability import total_interval, volume_interval
from model.rules import NoiseRules
from model.visit_chain import Pair
from service.contracts.measures import REGIONS_NOTE, LesionRegion
from service.contracts.report import Flag, LesionRow, LesionStatus, ModelInfo, Reason, Versions
from service.contracts.series_report import (
    SERIES_SCHEMA_VERSION,
    LedgerRow,
    LesionEvent,
    LesionInterval,
    LesionVisit,
    PairRole,
    PairSummary,
    SeriesReport,
    VisitSummary,
)
from worker.brain_change import brain_volume_change
from worker.comparing import Measured
from worker.measurement_rules import Profile
from worker.reports.lesion_rows import Places, count, lesion_rows, region_rows
from worker.reports.rounding import moved, rounded_interval
from worker.reports.summary import registration_info, study_summary, versions
from worker.reports.tracking import case_of, tracking_uid
from worker.segmentation import Segmented
from worker.visit_case import FollowedLedger, SeriesOutcome

REASONS = {"nothing_comparable": Flag.RED, "visits_left_out": Flag.AMBER, "no_first_to_last": Flag.AMBER}
"""Of the series as a whole: code and flag (docs/quality-gates.md)."""

PairRows = dict[Pair, tuple[LesionRow, ...]]


def series_versions() -> Versions:
    """Versions of the program, of this report's schema and of the libraries that numbers depend on."""
    return versions().model_copy(update={"schema_version": SERIES_SCHEMA_VERSION})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SeriesReportInputs:
    """Everything the report states."""

    outcome: SeriesOutcome
    masks: tuple[str, ...]
    """Artifact of each visit."""
    mask_volumes_ml: tuple[float, ...]
    """Of the written masks."""
    profile: Profile
    """The measurement rules."""
    model: ModelInfo
    timings_s: dict[str, float]
    job_id: str | None
    versions: Versions = field(default_factory=series_versions)
    created: datetime = field(default_factory=lambda: datetime.now(UTC))


def build_series_report(inputs: SeriesReportInputs) -> SeriesReport:
    """The report; visits are numbered from 1."""
    outcome = inputs.outcome
    noise = inputs.profile.of_masks(inputs.model.mask_only_changes).noise
    pairs = _pair_rows(outcome, noise)
    rows = () if outcome.found is None else tuple(_ledger(outcome.found, pairs, inputs, noise))
    return SeriesReport(
        comparable=len(outcome.chain) > 1,
        reasons=tuple(_reasons(outcome)),
        visits=tuple(_visit(number, inputs, noise) for number in range(len(outcome.time_points))),
        pairs=tuple(_pair(visits, outcome, pairs, noise) for visits in sorted(outcome.links)),
        ledger=rows,
        regions_note=REGIONS_NOTE if any(row.region is not None for row in rows) else None,
        rules=inputs.profile.printed(),
        model=inputs.model,
        versions=inputs.versions.model_copy(update={"measurement_rules": inputs.profile.version}),
        job_id=inputs.job_id,
        created=inputs.created,
        timings_s={stage: round(seconds, 2) for stage, seconds in inputs.timings_s.items()},
    )


def _pair_rows(outcome: SeriesOutcome, noise: NoiseRules) -> PairRows:
    """The rows of each compared pair as a comparison gives them, by the places of its visits in the chain."""
    found = outcome.found
    if found is None:
        return {}
    rows = {}
    for pair, analysis in found.ledger.analyses.items():
        places = Places(
            baseline_from_grid=found.visits.from_common[pair[0]], follow_up_from_grid=found.visits.from_common[pair[1]]
        )
        rows[pair] = lesion_rows(analysis, found.measured[pair], places, noise)
    return rows


def _reasons(outcome: SeriesOutcome) -> Iterable[Reason]:
    """What a reader must know of the series as a whole; what is wrong with a pair stands with the pair."""
    total = len(outcome.time_points)
    chain = outcome.chain
    if not chain:
        message = f"none of {total} visits can be compared with another: each was segmented alone"
        yield _reason("nothing_comparable", message)
        return
    left_out = [str(visit + 1) for visit in range(total) if visit not in chain]
    if left_out:
        message = (
            f"visit {', '.join(left_out)} of {total} cannot be followed and is not in the ledger: segmented alone; "
            "its pairs say why"
        )
        yield _reason("visits_left_out", message)
    if len(chain) > 2 and not outcome.links[chain[0], chain[-1]].comparable:
        message = "the first and the last visit cannot be compared with each other: no change from first to last"
        yield _reason("no_first_to_last", message)


def _reason(code: str, message: str) -> Reason:
    return Reason(code=code, flag=REASONS[code], message=message)


def _visit(number: int, inputs: SeriesReportInputs, noise: NoiseRules) -> VisitSummary:
    outcome = inputs.outcome
    lesions = outcome.segmented[number].lesions
    return VisitSummary(
        visit=number + 1,
        followed=number in outcome.chain,
        study=study_summary(outcome.time_points[number], inputs.mask_volumes_ml[number]),
        mask=inputs.masks[number],
        lesions=sum(inputs.profile.rules.counts(volume) for volume in lesions.volumes_mm3),
        lesions_from_3_mm3=len(lesions.volumes_mm3),
        volume_ml=round(lesions.total_mm3 / 1000, 4),
        volume_interval_ml=rounded_interval(total_interval(lesions.total_mm3 / 1000, noise.total_log_sd), 4),
    )


def _pair(visits: Pair, outcome: SeriesOutcome, pairs: PairRows, noise: NoiseRules) -> PairSummary:
    chain, link = outcome.chain, outcome.links[visits]
    place = (chain.index(visits[0]), chain.index(visits[1])) if set(visits) <= set(chain) else None
    rows = None if place is None else pairs.get(place)
    counts = None if rows is None else count(rows, counted_only=True)
    measured = Measured() if place is None or outcome.found is None else outcome.found.measured.get(place, Measured())
    return PairSummary(
        baseline=visits[0] + 1,
        follow_up=visits[1] + 1,
        role=_role(place, len(chain)),
        comparable=link.comparable,
        reasons=link.assessment.reasons,
        quality=link.assessment.checks,
        registration=None if link.alignment is None else registration_info(link.alignment),
        active=None if counts is None else counts.new + counts.enlarging > 0,
        counts=counts,
        counts_from_3_mm3=None if rows is None else count(rows, counted_only=False),
        regions=region_rows(rows, longitudinal=True) if rows is not None and measured.regions_known else (),
        brain_volume_change=None if rows is None else brain_volume_change(measured.tissue_mm3, link.assessment, noise),
    )


def _role(place: Pair | None, length: int) -> PairRole:
    """What the ledger uses a pair for, by the places of its visits in the chain."""
    if place is not None and place[1] - place[0] == 1:
        return "adjacent"
    return "first_to_last" if place == (0, length - 1) else "not_used"


def _ledger(
    found: FollowedLedger, pairs: PairRows, inputs: SeriesReportInputs, noise: NoiseRules
) -> Iterable[LedgerRow]:
    chain = found.visits.chain
    for lesion in found.ledger.lesions:
        changes = tuple(_interval(change, found, pairs[change.pair]) for change in lesion.changes)
        visits = zip(chain, lesion.visits, strict=True)
        yield LedgerRow(
            id=lesion.id,
            uid=tracking_uid(case_of(inputs), inputs.model.sha256, f"lesion {lesion.id}"),
            counted=lesion.counted,
            visits=tuple(_at_visit(visit + 1, at, inputs.outcome.segmented[visit], noise) for visit, at in visits),
            changes=changes,
            events=tuple(LesionEvent(kind=event.kind.value, visit=chain[event.visit] + 1) for event in lesion.events),
            region=_region([part for change in changes for part in change.parts]),
        )


def _region(parts: Sequence[LesionRow]) -> LesionRegion | None:
    """Where the largest part lies of which it is known."""
    known = [part for part in parts if part.region is not None]
    largest = max(known, key=lambda part: max(part.baseline_volume_mm3 or 0.0, part.follow_up_volume_mm3), default=None)
    return None if largest is None else largest.region


def _at_visit(number: int, at: LesionAtVisit, segmented: Segmented, noise: NoiseRules) -> LesionVisit:
    return LesionVisit(
        visit=number,
        volume_mm3=round(at.volume_mm3, 2),
        interval_mm3=rounded_interval(volume_interval(at.volume_mm3, noise.volume_log_sd), 2),
        components=at.components,
        centroid_mm=None if at.centroid_mm is None else moved(at.centroid_mm, segmented.flair_from_grid),
        probability=round(at.probability, 4),
        covered=at.covered,
    )


def _interval(change: LedgerChange, found: FollowedLedger, rows: Sequence[LesionRow]) -> LesionInterval:
    first, second = found.visits.visits_of(change.pair)
    own = {part.id for part in change.parts}
    return LesionInterval(
        baseline=first + 1,
        follow_up=second + 1,
        status=LesionStatus(change.status.value),
        parts=tuple(row for row in rows if row.id in own),
    )
