"""The PDF of a series says what its page says: every number, every row at every visit, on every page what it is."""

import re
from typing import get_args

import pytest

from service.contracts.options import Language
from service.contracts.report import AI_RESULT, RESEARCH_USE
from tests.fixtures.long_series import long_report, volume_of
from tests.fixtures.page_tables import Rows
from tests.fixtures.pdf_words import reader_of, stands_in, too_wide, unbroken, words_of
from tests.fixtures.series_reports import not_comparable, small_report, whole_report
from worker.reports.fonts import load_fonts
from worker.reports.language import words
from worker.reports.series_html import render_series_html
from worker.reports.series_pdf import LEDGER_SIZE, MOST_COLUMNS, PAIR_SIZE, columns_of, parts_of, render_series_pdf
from worker.reports.series_tables import AT_VISIT, ledger_table, pair_table, series_quality_table, visit_table
from worker.reports.series_words import headline, ledger_note, method_lines, subtitle
from worker.reports.tables import Row

REPORTS = {
    "4 visits": small_report,
    "all that can be said": whole_report,
    "2 visits": lambda: long_report(2, 20),
    "12 visits, 120 lesions": lambda: long_report(12, 120),
    "not comparable": not_comparable,
}
LONG = (12, 120)
"""Visits and lesions."""


@pytest.fixture(scope="module", params=REPORTS)
def report(request):
    return REPORTS[request.param]()


@pytest.fixture(scope="module", params=get_args(Language))
def case(request, report):
    """The report, its language, and its PDF."""
    return report, request.param, reader_of(render_series_pdf(report, request.param))


@pytest.fixture(scope="module")
def long():
    """A ledger over several pages and in two parts, with the texts of its pages."""
    reader = reader_of(render_series_pdf(long_report(*LONG)))
    return [page.extract_text() for page in reader.pages]


def said(row: Row) -> str:
    """What a row says from left to right, one space between words."""
    parts = [part for cell in row.cells for part in (cell.above, cell.text, cell.after, cell.below)]
    return " ".join(" ".join(parts).replace("\N{SOFT HYPHEN}", "").split())


def test_every_cell_of_the_page_stands_in_the_pdf(case):
    """All tables, and not by way of the values that both are made from."""
    report, language, reader = case
    text = unbroken(reader)

    rows = Rows(render_series_html(report, language)).rows
    cells = {" ".join(cell.split()) for row in rows for cell in row}

    assert len(rows) >= len(report.visits) + len(report.ledger) + len(report.pairs)
    assert [cell for cell in cells if f" {cell} " not in text and cell] == []


def test_every_row_of_every_table_stands_in_the_pdf_as_it_is(case):
    report, language, reader = case
    says, text = words(language), unbroken(reader)
    ledger = ledger_table(report, says)
    parts = [columns_of(ledger, part) for part in parts_of(ledger)] if ledger else []

    tables = [visit_table(report, says), pair_table(report, says), *parts, series_quality_table(report, says)]
    rows = [said(row) for table in tables if table is not None for row in table.rows]

    assert len(rows) > len(report.ledger) + len(report.visits)
    assert [row for row in rows if f" {row} " not in text] == []


def test_the_answer_its_reasons_and_how_it_was_made_are_those_of_the_page(case):
    report, language, reader = case
    says = words(language)
    text, first = words_of(reader), reader.pages[0].extract_text().split()
    assert stands_in(first, headline(report, says))
    assert stands_in(first, subtitle(report, says))
    for reason in report.reasons:
        assert f"({reason.code})" in first
    for line in method_lines(report, says):
        assert stands_in(text, line)
    sizes = {"counted": "14", "smallest": "3"}
    assert stands_in(text, ledger_note(report, says, sizes)) == bool(report.ledger)


def test_volumes_and_numbers_are_those_of_the_report(case):
    report, language, reader = case
    says, text = words(language), words_of(reader)
    for visit in report.visits:
        of = (visit.lesions, visit.lesions_from_3_mm3, says.number(visit.volume_ml, 2))
        assert stands_in(text, *of)
    for pair in report.pairs:
        if pair.counts is not None:
            counts = zip(pair.counts.model_dump().values(), pair.counts_from_3_mm3.model_dump().values(), strict=True)
            role = says(f"series.role.{pair.role}")
            assert stands_in(text, pair.baseline, "→", pair.follow_up, role, *(f"{n} ({m})" for n, m in counts))


def test_every_volume_of_every_lesion_stands_there_once_and_in_its_order(long):
    visits, rows = LONG
    found = [int(word) for page in long for word in page.split() if re.fullmatch(r"\d{5}", word)]

    parts = [range(1, 7), range(7, visits + 1)]

    assert found == [volume_of(row, visit) for part in parts for row in range(1, rows + 1) for visit in part]


def test_the_head_of_the_ledger_stands_on_each_of_its_pages(long):
    days = [visit.study.acquired for visit in long_report(*LONG).visits]
    pages = [page for page in long if re.search(r"^\d{5}$", page, re.MULTILINE)]
    assert len(pages) >= 8
    for page in pages:
        shown = {int(volume) % 100 for volume in re.findall(r"^\d{5}$", page, re.MULTILINE)}
        assert all(f"{days[visit - 1]}, mm³" in page for visit in shown)
        assert "Id\n" in page


def test_page_one_has_the_answer_the_trend_the_visits_and_the_changes():
    for language in get_args(Language):
        says, report = words(language), long_report(12, 12)
        first = reader_of(render_series_pdf(report, language)).pages[0].extract_text()
        keys = ("trend.title", "trend.volume", "series.visits", "changes.title")
        assert [key for key in keys if says(key) not in first] == []
        assert stands_in(first.split(), says("series.pair", baseline=1, follow_up=12))


def test_the_trend_is_drawn_where_visits_are_followed_and_nowhere_else(case):
    report, language, reader = case
    says = words(language)
    drawn = says("trend.volume") in reader.pages[0].extract_text()
    assert drawn == (sum(visit.followed for visit in report.visits) > 1)


def test_every_page_says_what_it_is_and_which_of_how_many(case):
    _, language, reader = case
    says = words(language)
    for n, page in enumerate(reader.pages, start=1):
        text = page.extract_text().split()
        for line in (says("series.title"), says("notice"), says("not_verified")):
            assert stands_in(text, line)
        assert stands_in(text, f"{says('method.page', n=n)}{len(reader.pages)}")
    assert (words("en")("notice"), words("en")("not_verified")) == (RESEARCH_USE, AI_RESULT)


def test_title_and_language_are_set_and_every_font_is_embedded(case):
    _, language, reader = case
    assert reader.metadata.title == words(language)("series.title")
    assert reader.root_object["/Lang"] == language
    fonts = {font for page in reader.pages for font in page["/Resources"]["/Font"].values()}
    assert len(fonts) == 2
    assert all("/FontFile2" in font.get_object()["/FontDescriptor"] for font in fonts)


def test_the_same_report_gives_the_same_bytes(report):
    assert render_series_pdf(report) == render_series_pdf(report.model_copy(deep=True))


@pytest.mark.parametrize("visits", range(2, 14))
@pytest.mark.parametrize(("regions", "in_one", "in_two"), [(False, 6, 13), (True, 5, 12)])
def test_every_column_of_the_ledger_is_in_one_part_and_no_part_is_without_a_visit(visits, regions, in_one, in_two):
    report = long_report(visits, 6)
    if not regions:
        plain = tuple(row.model_copy(update={"region": None}) for row in report.ledger)
        report = report.model_copy(update={"ledger": plain})
    table = ledger_table(report, words("en"))
    parts = parts_of(table)

    assert [n for part in parts for n in part] == list(range(1, len(table.columns)))
    assert max(len(part) for part in parts) <= MOST_COLUMNS
    assert max(len(part) for part in parts) - min(len(part) for part in parts) <= 1
    assert all(any(table.columns[n].key == AT_VISIT for n in part) for part in parts)
    assert len(parts) == (1 if visits <= in_one else 2 if visits <= in_two else 3)


def test_a_part_says_of_which_visits_it_is():
    text = words_of(reader_of(render_series_pdf(long_report(12, 3))))
    assert stands_in(text, "Lesion ledger, visits 1 to 6")
    assert stands_in(text, "Lesion ledger, visits 7 to 12")
    assert not stands_in(words_of(reader_of(render_series_pdf(small_report()))), "Lesion ledger, visits")


@pytest.mark.parametrize("language", get_args(Language))
def test_no_word_is_wider_than_its_column(report, language):
    load_fonts()
    says = words(language)
    sized = [(visit_table(report, says), 7.5), (series_quality_table(report, says), 7.5)]
    if pair_table(report, says) is not None:
        sized.append((pair_table(report, says), PAIR_SIZE))
    ledger = ledger_table(report, says)
    sized += [(columns_of(ledger, part), LEDGER_SIZE) for part in parts_of(ledger)] if ledger else []
    assert [text for table, size in sized for text in too_wide(table, size)] == []


def test_text_is_printed_and_not_obeyed():
    text = words_of(reader_of(render_series_pdf(not_comparable())))
    assert stands_in(text, "red", "none of 4 visits: <b>5 & 6</b>", "(nothing_comparable)")
