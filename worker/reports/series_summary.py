"""The report of several visits out of what the stages found: a pure function."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from model.changes import LesionChange
from model.ledger import LedgerChange, LedgerLesion, LesionAtVisit
from model.lesions import COUNTED_MM3
from model.visit_chain import Pair
from model.volume import world_from_voxel
from service.contracts.report import Counts, Flag, LesionStatus, ModelInfo, Point, Reason, Versions
from service.contracts.series_report import (
    SERIES_SCHEMA_VERSION,
    LedgerRow,
    LesionEvent,
    LesionInterval,
    LesionPart,
    LesionVisit,
    PairRole,
    PairSummary,
    SeriesReport,
    VisitSummary,
)
from worker.reports.summary import registration_info, study_summary, versions
from worker.reports.tracking import tracking_uid
from worker.segmentation import Segmented
from worker.visit_case import FollowedVisits, Link, SeriesOutcome


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
    model: ModelInfo
    timings_s: dict[str, float]
    job_id: str | None
    versions: Versions = field(default_factory=series_versions)
    created: datetime = field(default_factory=lambda: datetime.now(UTC))


def build_series_report(inputs: SeriesReportInputs) -> SeriesReport:
    """The report; visits are numbered from 1."""
    outcome = inputs.outcome
    followed, ledger = outcome.followed, outcome.ledger
    case = inputs.job_id or inputs.created.isoformat()
    rows: tuple[LedgerRow, ...] = ()
    if followed is not None and ledger is not None:
        rows = tuple(_row(lesion, followed, outcome, case, inputs.model) for lesion in ledger.lesions)
    return SeriesReport(
        comparable=followed is not None,
        reasons=tuple(_reasons(outcome)),
        visits=tuple(_visit(number, inputs) for number in range(len(outcome.time_points))),
        pairs=tuple(_pair(visits, link, outcome) for visits, link in sorted(outcome.links.items())),
        ledger=rows,
        model=inputs.model,
        versions=inputs.versions,
        job_id=inputs.job_id,
        created=inputs.created,
        timings_s={stage: round(seconds, 2) for stage, seconds in inputs.timings_s.items()},
    )


def _reasons(outcome: SeriesOutcome) -> Iterable[Reason]:
    """What a reader must know of the series as a whole; what is wrong with a pair stands with the pair."""
    count = len(outcome.time_points)
    chain = () if outcome.followed is None else outcome.followed.chain
    if not chain:
        message = f"none of {count} visits can be compared with another: each was segmented alone"
        yield Reason(code="nothing_comparable", flag=Flag.RED, message=message)
        return
    left_out = [str(visit + 1) for visit in range(count) if visit not in chain]
    if left_out:
        message = (
            f"visit {', '.join(left_out)} of {count} cannot be followed and is not in the ledger: segmented alone; "
            "its pairs say why"
        )
        yield Reason(code="visits_left_out", flag=Flag.AMBER, message=message)
    if len(chain) > 2 and not outcome.links[chain[0], chain[-1]].comparable:
        message = "the first and the last visit cannot be compared with each other: no change from first to last"
        yield Reason(code="no_first_to_last", flag=Flag.AMBER, message=message)


def _visit(number: int, inputs: SeriesReportInputs) -> VisitSummary:
    outcome = inputs.outcome
    lesions = outcome.segmented[number].lesions
    return VisitSummary(
        visit=number + 1,
        followed=outcome.followed is not None and number in outcome.followed.chain,
        study=study_summary(outcome.time_points[number], inputs.mask_volumes_ml[number]),
        mask=inputs.masks[number],
        lesions=sum(volume >= COUNTED_MM3 - 1e-9 for volume in lesions.volumes_mm3),
        lesions_from_3_mm3=len(lesions.volumes_mm3),
        volume_ml=round(lesions.total_mm3 / 1000, 4),
    )


def _pair(visits: Pair, link: Link, outcome: SeriesOutcome) -> PairSummary:
    followed, ledger = outcome.followed, outcome.ledger
    chain = () if followed is None else followed.chain
    place = (chain.index(visits[0]), chain.index(visits[1])) if set(visits) <= set(chain) else None
    analysis = None if ledger is None or place is None else ledger.analyses.get(place)
    counts = None if analysis is None else _counts(c for c in analysis.changes if c.counted)
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
        counts_from_3_mm3=None if analysis is None else _counts(analysis.changes),
    )


def _role(place: Pair | None, count: int) -> PairRole:
    """What the ledger uses a pair for, by the places of its visits in the chain of `count`."""
    if place is not None and place[1] - place[0] == 1:
        return "adjacent"
    return "first_to_last" if place == (0, count - 1) else "not_used"


def _counts(changes: Iterable[LesionChange]) -> Counts:
    return Counts(**Counter(change.status.value for change in changes if change.status is not None))


def _row(
    lesion: LedgerLesion, followed: FollowedVisits, outcome: SeriesOutcome, case: str, model: ModelInfo
) -> LedgerRow:
    return LedgerRow(
        id=lesion.id,
        uid=tracking_uid(case, model.sha256, f"lesion {lesion.id}"),
        counted=lesion.counted,
        visits=tuple(
            _at_visit(visit + 1, at, outcome.segmented[visit])
            for visit, at in zip(followed.chain, lesion.visits, strict=True)
        ),
        changes=tuple(_interval(change, followed) for change in lesion.changes),
        events=tuple(
            LesionEvent(kind=event.kind.value, visit=followed.chain[event.visit] + 1) for event in lesion.events
        ),
    )


def _at_visit(number: int, at: LesionAtVisit, segmented: Segmented) -> LesionVisit:
    return LesionVisit(
        visit=number,
        volume_mm3=round(at.volume_mm3, 2),
        components=at.components,
        centroid_mm=None if at.centroid_mm is None else _on_flair(at.centroid_mm, segmented),
        probability=round(at.probability, 4),
        covered=at.covered,
    )


def _on_flair(point: Point, segmented: Segmented) -> Point:
    x, y, z = world_from_voxel(segmented.flair_from_grid, np.array([point]))[0]
    return round(float(x), 2), round(float(y), 2), round(float(z), 2)


def _interval(change: LedgerChange, followed: FollowedVisits) -> LesionInterval:
    first, second = followed.visits_of(change.pair)
    return LesionInterval(
        baseline=first + 1,
        follow_up=second + 1,
        status=LesionStatus(change.status.value),
        parts=tuple(_part(part) for part in change.parts),
    )


def _part(part: LesionChange) -> LesionPart:
    if part.status is None or part.baseline_mm3 is None:
        raise ValueError("part: has no status, expected a row of a comparison")
    return LesionPart(
        status=LesionStatus(part.status.value),
        counted=part.counted,
        baseline_volume_mm3=round(part.baseline_mm3, 2),
        follow_up_volume_mm3=round(part.follow_up_mm3, 2),
        new_part_volume_mm3=round(part.new_part_mm3, 2),
        baseline_components=part.baseline_components,
        follow_up_components=part.follow_up_components,
    )
