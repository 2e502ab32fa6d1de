"""The report of several visits as one self-contained page: the answer, the trend, the ledger."""

from dataclasses import dataclass
from datetime import date

from markupsafe import Markup

from service.contracts.options import Language
from service.contracts.report import LesionStatus
from service.contracts.series_report import LedgerRow, SeriesReport, VisitSummary
from worker.reports.html import as_markup, template
from worker.reports.language import Words, words
from worker.reports.remarks import version_words
from worker.reports.rule_sizes import sizes
from worker.reports.series_words import (
    headline,
    ledger_note,
    lesion_notes,
    method_lines,
    series_reason,
    subtitle,
    visit_name,
)
from worker.reports.status_marks import COLOURS, FLAG_SYMBOLS, SYMBOLS
from worker.reports.tables import status_head
from worker.reports.trend import Course, Visits, count_course, draw_courses, visits_of, volume_course

TREND_POINTS = (290.0, 115.0)
"""Size of a drawing: letters keep their size to it, the page stretches both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What the ledger's table shows of a lesion at a visit."""

    volume: str
    status: str | None
    """Since the visit before."""
    notes: str


def render_series_html(report: SeriesReport, language: Language = "en") -> str:
    """The page; nothing in it points outside it."""
    says = words(language)
    size = sizes(report, says)
    followed = [visit for visit in report.visits if visit.followed]
    return template("series.html").render(
        report=report,
        words=says,
        sizes=size,
        headline=headline(report, says),
        subtitle=subtitle(report, says),
        reasons=[(reason, series_reason(reason, report, says)) for reason in report.reasons],
        names={visit.visit: visit_name(visit, says) for visit in report.visits},
        followed=followed,
        trends=_trends(followed, says, size) if len(followed) > 1 else [],
        has_intervals=any(one.volume_interval_ml is not None for one in followed),
        used=[pair for pair in report.pairs if pair.role != "not_used"],
        cells={row.id: [cell_of(row, place, says) for place in range(len(row.visits))] for row in report.ledger},
        whole={row.id: whole_change(row) for row in report.ledger},
        ledger_note=ledger_note(report, says, size),
        regions=any(row.region is not None for row in report.ledger),
        heads={status.value: status_head(status.value, says) for status in LesionStatus},
        symbols=SYMBOLS,
        colours=COLOURS,
        flag_symbols=FLAG_SYMBOLS,
        method=method_lines(report, says),
        versions=version_words(report, says),
    )


def _trends(followed: list[VisitSummary], words: Words, size: dict[str, str]) -> list[Markup]:
    """Volume and number of lesions over the visits that are followed."""
    visits = visits_of([visit_name(one, words) for one in followed], [days_of(one) for one in followed])
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


def days_of(visit: VisitSummary) -> int | None:
    """A number that grows by one a day; None without a date."""
    return None if visit.study.acquired is None else date.fromisoformat(visit.study.acquired).toordinal()


def cell_of(row: LedgerRow, place: int, words: Words) -> Cell:
    """The lesion at one of the visits that are followed."""
    at = row.visits[place]
    before = row.visits[place - 1].visit if place else None
    change = next((c for c in row.changes if (c.baseline, c.follow_up) == (before, at.visit)), None)
    return Cell(
        volume=words.number(at.volume_mm3, 0),
        status=None if change is None else change.status.value,
        notes=lesion_notes(row, at, words),
    )


def whole_change(row: LedgerRow) -> str | None:
    """The status from the first to the last visit, where it is given; of two visits the columns say it."""
    ends = row.visits[0].visit, row.visits[-1].visit
    found = next((c for c in row.changes if (c.baseline, c.follow_up) == ends), None)
    return None if found is None or len(row.visits) < 3 else found.status.value
