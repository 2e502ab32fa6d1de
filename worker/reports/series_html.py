"""The report of several visits as one self-contained page: the answer, the trend, the ledger."""

from markupsafe import Markup

from service.contracts.options import Language
from service.contracts.series_report import SeriesReport
from worker.reports.html import as_markup, template
from worker.reports.language import Words, words
from worker.reports.remarks import version_words
from worker.reports.rule_sizes import sizes
from worker.reports.series_tables import ledger_table, pair_table, series_quality_table, visit_table
from worker.reports.series_trend import has_bars, series_courses
from worker.reports.series_words import headline, ledger_note, method_lines, series_reason, subtitle
from worker.reports.status_marks import COLOURS, FLAG_SYMBOLS, SYMBOLS
from worker.reports.trend import Course, Visits, draw_courses

TREND_POINTS = (290.0, 115.0)
"""Size of a drawing: letters keep their size to it, the page stretches both."""


def render_series_html(report: SeriesReport, language: Language = "en") -> str:
    """The page; nothing in it points outside it."""
    says = words(language)
    return template("series.html").render(
        report=report,
        words=says,
        headline=headline(report, says),
        subtitle=subtitle(report, says),
        reasons=[(reason, series_reason(reason, report, says)) for reason in report.reasons],
        trends=_trends(report, says),
        has_bars=has_bars(report),
        visits=visit_table(report, says),
        changes=pair_table(report, says),
        ledger=ledger_table(report, says),
        ledger_note=ledger_note(report, says, sizes(report, says)),
        quality=series_quality_table(report, says),
        symbols=SYMBOLS,
        colours=COLOURS,
        flag_symbols=FLAG_SYMBOLS,
        method=method_lines(report, says),
        versions=version_words(report, says),
    )


def _trends(report: SeriesReport, words: Words) -> list[Markup]:
    """A drawing of each course over the visits that are followed."""
    found = series_courses(report, words)
    if found is None:
        return []
    courses, visits = found
    return [as_markup(draw_courses([one], visits, *TREND_POINTS), _said(one, visits)) for one in courses]


def _said(course: Course, visits: Visits) -> str:
    """The same in words, for those who do not see it."""
    at = "; ".join(f"{name}: {label}" for name, label in zip(visits.names, course.labels, strict=True))
    return f"{course.title}: {at}"
