"""The report of several visits as a PDF: the answer, the trend and the counts on page one, then the ledger.

It says what the page (`worker.reports.series_html`) says, from the same value. It names no patient.
"""

from itertools import pairwise
from math import ceil

from reportlab.lib.units import mm
from reportlab.platypus import CondPageBreak, Flowable, KeepTogether, Paragraph, Spacer

from service.contracts.options import Language
from service.contracts.series_report import SeriesReport
from worker.reports.fonts import load_fonts
from worker.reports.language import Words, words
from worker.reports.pdf_page import HEADING, SMALL, WIDTH, print_pages
from worker.reports.pdf_tables import set_table
from worker.reports.pdf_texts import answer, ground, reasons
from worker.reports.remarks import version_words
from worker.reports.rule_sizes import sizes
from worker.reports.series_tables import AT_VISIT, ledger_table, pair_table, series_quality_table, visit_table
from worker.reports.series_trend import has_bars, series_courses
from worker.reports.series_words import headline, ledger_note, method_lines, series_reason, subtitle
from worker.reports.tables import Row, Table
from worker.reports.trend import draw_courses

TREND_TALL = 33 * mm
MOST_COLUMNS = 7
"""Of the ledger that stand beside each other on A4, after that of the lesions' numbers: more are set in parts."""
PAIR_SIZE, LEDGER_SIZE = 7.0, 6.6
"""Of the letters in the table of pairs, which has two numbers in a cell, and in the ledger."""


def render_series_pdf(report: SeriesReport, language: Language = "en") -> bytes:
    """The PDF, A4. The same report gives the same bytes."""
    load_fonts()
    says = words(language)
    gates, made = series_quality_table(report, says), method_lines(report, says)
    story = [*_summary(report, says), *_ledger(report, says)]
    story += ground(gates, made, report.model, version_words(report, says), says)
    return print_pages(story, says("series.title"), report.versions.msdelta, says)


def _summary(report: SeriesReport, words: Words) -> list[Flowable]:
    """The answer, the reasons for care, the trend, the visits, and the counts of each pair."""
    story = answer(headline(report, words), subtitle(report, words))
    if report.reasons:
        title = "reasons_head.care" if report.comparable else "reasons_head.why_not"
        said = [(one, series_reason(one, report, words)) for one in report.reasons]
        story += reasons(words(title), said, words)
    trend = series_courses(report, words)
    if trend is not None:
        drawing = draw_courses(*trend, WIDTH, TREND_TALL)
        note = [Paragraph(words("trend.bars"), SMALL)] if has_bars(report) else []
        story.append(KeepTogether([Paragraph(words("trend.title"), HEADING), drawing, *note]))
    story += [Paragraph(words("series.visits"), HEADING), set_table(visit_table(report, words))]
    changes = pair_table(report, words)
    if changes is not None:
        head = Paragraph(words("changes.title"), HEADING)
        story += [CondPageBreak(40 * mm), head, set_table(changes, size=PAIR_SIZE)]
    return story


def _ledger(report: SeriesReport, words: Words) -> list[Flowable]:
    """The ledger, its columns in parts where they do not fit beside each other."""
    table = ledger_table(report, words)
    if table is None:
        return []
    at_visit = [n for n, column in enumerate(table.columns) if column.key == AT_VISIT]
    followed = dict(zip(at_visit, (visit.visit for visit in report.visits if visit.followed), strict=True))
    parts = parts_of(table)
    story: list[Flowable] = []
    for part in parts:
        shown = [followed[n] for n in part if n in followed]
        title = words("series.ledger")
        if len(parts) > 1:
            title = words("series.ledger_part", first=shown[0], last=shown[-1])
        laid = set_table(columns_of(table, part), size=LEDGER_SIZE)
        story += [CondPageBreak(45 * mm), Paragraph(title, HEADING), laid]
    return [*story, Spacer(0, 1 * mm), Paragraph(ledger_note(report, words, sizes(report, words)), SMALL)]


def parts_of(table: Table) -> list[range]:
    """The columns behind the first one in as few parts as fit, all about as wide: 8 are 4 and 4."""
    number = len(table.columns) - 1
    parts = ceil(number / MOST_COLUMNS)
    ends = [1 + ceil(number * n / parts) for n in range(parts + 1)]
    return [range(begin, end) for begin, end in pairwise(ends)]


def columns_of(table: Table, part: range) -> Table:
    """Some columns of a table, after the first one: it says which row it is."""
    places = (0, *part)
    rows = (Row(cells=tuple(row.cells[n] for n in places), muted=row.muted) for row in table.rows)
    return Table(columns=tuple(table.columns[n] for n in places), rows=tuple(rows))
