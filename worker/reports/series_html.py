"""The report of several visits as one self-contained page: the answer, the trend, the ledger."""

from dataclasses import dataclass
from datetime import date

from markupsafe import Markup

from service.contracts.report import Counts, LesionStatus
from service.contracts.series_report import LedgerRow, PairSummary, SeriesReport, VisitSummary
from worker.reports.html import as_markup, template
from worker.reports.language import Words, words
from worker.reports.rule_sizes import sizes
from worker.reports.status_marks import COLOURS, FLAG_SYMBOLS, SYMBOLS
from worker.reports.trend import Course, Visits, count_course, draw_courses, visits_of, volume_course

EVENTS = {
    "appeared": "appeared",
    "gone": "gone",
    "returned": "returned",
    "merged": "merged",
    "split": "split",
    "confluent_growth": "confluent growth",
    "new_part": "new lesion beside it",
    "part_gone": "lesion beside it gone",
}
TREND_POINTS = (290.0, 115.0)
"""Size of a drawing: letters keep their size to it, the page stretches both."""
ROLES = {"adjacent": "next visit", "first_to_last": "first to last", "not_used": "tried, not used"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What the ledger's table shows of a lesion at a visit."""

    volume: str
    status: str | None
    """Since the visit before."""
    notes: str


def render_series_html(report: SeriesReport) -> str:
    """The page; nothing in it points outside it."""
    says = words("en")
    size = sizes(report, says)
    followed = [visit for visit in report.visits if visit.followed]
    return template("series.html").render(
        report=report,
        words=says,
        sizes=size,
        headline=headline(report),
        subtitle=subtitle(report),
        names={visit.visit: name_of(visit) for visit in report.visits},
        followed=followed,
        trends=_trends(followed, says, size) if len(followed) > 1 else [],
        has_intervals=any(one.volume_interval_ml is not None for one in followed),
        used=[pair for pair in report.pairs if pair.role != "not_used"],
        cells={row.id: [cell_of(row, place) for place in range(len(row.visits))] for row in report.ledger},
        whole={row.id: whole_change(row) for row in report.ledger},
        regions=any(row.region is not None for row in report.ledger),
        statuses=[status.value for status in LesionStatus],
        symbols=SYMBOLS,
        colours=COLOURS,
        flag_symbols=FLAG_SYMBOLS,
        roles=ROLES,
        aligned=next((pair.registration for pair in report.pairs if pair.registration is not None), None),
    )


def _trends(followed: list[VisitSummary], words: Words, size: dict[str, str]) -> list[Markup]:
    """Volume and number of lesions over the visits that are followed."""
    visits = visits_of([name_of(one) for one in followed], [days_of(one) for one in followed])
    intervals = [one.volume_interval_ml for one in followed]
    courses = (
        volume_course([one.volume_ml for one in followed], intervals, words),
        count_course([one.lesions for one in followed], words, size),
    )
    return [as_markup(draw_courses([one], visits, *TREND_POINTS), _said(one, visits)) for one in courses]


def _said(course: Course, visits: Visits) -> str:
    """The same in words, for those who do not see it."""
    at = "; ".join(f"{name}: {label}" for name, label in zip(visits.names, course.labels, strict=True))
    return f"{course.title}: {at}"


def headline(report: SeriesReport) -> str:
    """The answer in a sentence: first to last, else since the visit before the last."""
    if not report.comparable:
        return "Not comparable: " + "; ".join(reason.message for reason in report.reasons if reason.flag == "red")
    pair = first_to_last(report) or last_step(report)
    if pair is None or pair.counts is None:
        return "No change is given between these visits"
    return f"{_activity(pair.counts)} from visit {pair.baseline} to visit {pair.follow_up}"


def subtitle(report: SeriesReport) -> str:
    """What was followed, and when the report was made."""
    visits = [visit.visit for visit in report.visits if visit.followed]
    what = f"{len(visits)} of {len(report.visits)} visits followed." if visits else "Each visit was segmented alone."
    return f"{what} Report made {report.created:%Y-%m-%d %H:%M} UTC."


def first_to_last(report: SeriesReport) -> PairSummary | None:
    """The pair of the first and the last visit, where change is given for it."""
    return next((pair for pair in report.pairs if pair.role == "first_to_last" and pair.counts is not None), None)


def last_step(report: SeriesReport) -> PairSummary | None:
    """The last visit with the one before it."""
    steps = [pair for pair in report.pairs if pair.role == "adjacent"]
    return max(steps, key=lambda pair: pair.follow_up, default=None)


def name_of(visit: VisitSummary) -> str:
    """`Visit 2, 2024-04-09`."""
    return f"Visit {visit.visit}" + (f", {visit.study.acquired}" if visit.study.acquired else "")


def days_of(visit: VisitSummary) -> int | None:
    """A number that grows by one a day; None without a date."""
    return None if visit.study.acquired is None else date.fromisoformat(visit.study.acquired).toordinal()


def cell_of(row: LedgerRow, place: int) -> Cell:
    """The lesion at one of the visits that are followed."""
    at = row.visits[place]
    before = row.visits[place - 1].visit if place else None
    change = next((c for c in row.changes if (c.baseline, c.follow_up) == (before, at.visit)), None)
    notes = [EVENTS[event.kind] for event in row.events if event.visit == at.visit]
    if at.components > 1:
        notes.append(f"{at.components} parts")
    if not at.covered:
        notes.append("not wholly in the field of view")
    return Cell(
        volume=f"{at.volume_mm3:.0f}", status=None if change is None else change.status.value, notes=", ".join(notes)
    )


def whole_change(row: LedgerRow) -> str | None:
    """The status from the first to the last visit, where it is given; of two visits the columns say it."""
    ends = row.visits[0].visit, row.visits[-1].visit
    found = next((c for c in row.changes if (c.baseline, c.follow_up) == ends), None)
    return None if found is None or len(row.visits) < 3 else found.status.value


def _activity(counts: Counts) -> str:
    parts = [f"{n} {word}" for n, word in ((counts.new, "new"), (counts.enlarging, "enlarging")) if n]
    if not parts:
        return "No new or enlarging lesion"
    return f"{' and '.join(parts)} lesion{'' if counts.new + counts.enlarging == 1 else 's'}"
