"""The PDF: the numbers of the report and no others, on every page what it is, readable as it comes out of a printer."""

import csv
import re
from dataclasses import replace

import pytest

from service.contracts.report import AI_RESULT, RESEARCH_USE, Counts, LesionStatus, Reason, Report
from tests.fixtures import report_case
from tests.fixtures.measured_report import measured_report
from tests.fixtures.page_tables import Rows
from tests.fixtures.pdf_words import reader_of, stands_in, too_wide, words_of
from worker.reports.conclusion import conclusion
from worker.reports.figures import MOST_FIGURES
from worker.reports.fonts import load_fonts
from worker.reports.html import render_html
from worker.reports.language import words
from worker.reports.pdf import render_pdf
from worker.reports.status_marks import SYMBOLS
from worker.reports.summary import build_report
from worker.reports.table import write_csv
from worker.reports.tables import change_table, lesion_table, load_table, quality_table, region_table


def with_lesions(number: int) -> Report:
    """A report with the widest values that a head allows."""
    report = build_report(report_case.longitudinal())
    rows = tuple(
        report.lesions[0].model_copy(
            update={
                "id": n,
                "status": list(LesionStatus)[n % 6],
                "counted": n % 5 > 0,
                "baseline_volume_mm3": 123456.25 + n,
                "follow_up_volume_mm3": 98765.75 - n,
                "new_part_volume_mm3": 12345.5 if n % 2 else 0.0,
                "centroid_mm": (-101.25 - n, -120.75, -111.5 + n),
                "baseline_centroid_mm": (-100.5 - n, -119.0, 110.25 + n / 2),
                "follow_up_components": 10 + n,
            }
        )
        for n in range(1, number + 1)
    )
    counts = Counts(**{status.value: [row.status for row in rows].count(status) for status in LesionStatus})
    return report.model_copy(update={"lesions": rows, "counts": counts, "counts_from_3_mm3": counts})


def pictures_of(report: Report):
    """As many close-ups as there may be, of the first lesions."""
    drawn = report_case.pictures()
    of_lesions = tuple(replace(drawn.triples[0], lesion_id=row.id) for row in report.lesions[:MOST_FIGURES])
    return replace(drawn, triples=of_lesions)


CASES = {
    "6 lesions": lambda: (build_report(report_case.longitudinal()), report_case.pictures()),
    "measured": lambda: (measured_report(), report_case.pictures()),
    "0 lesions": lambda: (with_lesions(0), pictures_of(with_lesions(0))),
    "12 lesions": lambda: (with_lesions(12), pictures_of(with_lesions(12))),
    "80 lesions": lambda: (with_lesions(80), pictures_of(with_lesions(80))),
    "one time point": lambda: (build_report(report_case.single()), report_case.pictures(longitudinal=False)),
    "not comparable": lambda: (build_report(report_case.not_comparable()), None),
}


@pytest.fixture(scope="module", params=CASES)
def case(request):
    """The report, its pictures, and the PDF read by a reader that shares no code with the writer."""
    report, pictures = CASES[request.param]()
    return report, pictures, reader_of(render_pdf(report, pictures))


EN = words("en")


def number(word: str) -> bool:
    return re.fullmatch(r"[+-]?\d+(\.\d+)?", word) is not None


def test_the_answer_the_counts_and_the_volumes_are_the_report_s(case):
    report, _, reader = case
    words = words_of(reader)
    first = reader.pages[0].extract_text().split()

    assert stands_in(first, conclusion(report, EN))
    name = "Study" if report.mode == "single_time_point" else "Follow-up"
    assert stands_in(first, name, report.lesion_counts.follow_up, report.lesion_counts.follow_up_from_3_mm3)
    assert f"{report.volumes_ml.follow_up:.2f}" in first
    if report.baseline is not None:
        of = report.lesion_counts
        volume = f"{report.volumes_ml.baseline:.2f}"
        assert stands_in(first, "Baseline", of.baseline, of.baseline_from_3_mm3, volume)
    if report.counts is None:
        assert "enlarging" not in words
    else:
        assert stands_in(first, "from 14 mm³ (counted)", *report.counts.model_dump().values())
        assert stands_in(first, "from 3 mm³", *report.counts_from_3_mm3.model_dump().values())


def test_every_row_of_the_lesion_table_is_that_of_the_csv(case, tmp_path):
    report, _, reader = case
    words = words_of(reader)
    write_csv(report, tmp_path / "lesions.csv")
    with (tmp_path / "lesions.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))

    assert len(rows) == len(report.lesions)
    for row in rows:
        name = row["id"] if row["counted"] == "true" else f"{row['id']} *"
        numbers = [*volumes_in(row), *measures_in(row)]
        assert stands_in(words, *numbers), (name, numbers)
        if not row["status"]:
            assert stands_in(words, name, row["region"].replace("_", " "), *numbers)
            continue
        assert stands_in(words, name, SYMBOLS[row["status"]], row["status"])
        grown = float(row["new_part_volume_mm3"])
        assert not grown or stands_in(words, "new part", f"{grown:.0f}")


def volumes_in(row: dict[str, str]) -> list[str]:
    """The volumes of a row of the CSV with their intervals, and the change, as the PDF prints them."""
    times = ("baseline", "follow_up") if row["status"] else ("follow_up",)
    printed = []
    for time in times:
        printed.append(f"{float(row[f'{time}_volume_mm3']):.0f}")
        ends = [row[f"{time}_interval_{end}_mm3"] for end in ("low", "high")]
        printed += ["\N{EN DASH}".join(f"{float(end):.0f}" for end in ends)] if all(ends) else []
    if row["status"]:
        change = float(row["follow_up_volume_mm3"]) - float(row["baseline_volume_mm3"])
        printed.append(f"{change:+.0f}" if round(change) else "0")
    return printed


def measures_in(row: dict[str, str]) -> list[str]:
    """What stands behind the volumes, in the order of the columns; columns without a value are not there."""
    forms = {"equivalent_diameter_mm": ".1f", "long_axis_mm": ".1f"}
    forms |= {"flair_change_sd": "+.1f"} if row["status"] else {}
    forms |= {f"centroid_{axis}_mm_lps": ".1f" for axis in "xyz"}
    forms |= {"certainty": ".2f"} if row["status"] else {}
    forms["probability"] = ".2f"
    return [f"{float(row[name]):{form}}" for name, form in forms.items() if row[name]]


def test_what_was_measured_of_a_lesion_stands_in_its_row():
    report = measured_report()
    words = words_of(reader_of(render_pdf(report, None)))
    for row in report.lesions:
        after = [f"{row.follow_up_volume_mm3:.0f}"]
        if row.follow_up_interval_mm3:
            after.append("\N{EN DASH}".join(f"{end:.0f}" for end in row.follow_up_interval_mm3))
        assert stands_in(words, *after)
        assert stands_in(
            words, f"{row.equivalent_diameter_mm:.1f}", f"{row.long_axis_mm:.1f}", f"{row.flair_change_sd:+.1f}"
        )
        assert stands_in(words, f"{row.certainty:.2f}", f"{row.probability:.2f}")


def test_every_number_in_a_table_of_the_page_stands_in_the_pdf(case):
    report, pictures, reader = case
    words = words_of(reader)

    rows = Rows(render_html(report, pictures)).rows

    assert len(rows) > len(report.lesions) + len(report.quality)
    assert {word for row in rows for cell in row for word in cell.split() if number(word)} <= set(words)


def test_every_quality_gate_and_every_reason_stands_in_words(case):
    report, _, reader = case
    words = words_of(reader)
    for check in report.quality:
        value = "not measured" if check.value is None else check.value
        assert stands_in(words, EN.gate(check.name))
        assert stands_in(words, check.flag.value, value, check.unit, check.expected)
    for reason in report.reasons:
        assert stands_in(words, reason.message)


def test_method_weights_and_rules_stand_in_it(case):
    report, _, reader = case
    words = words_of(reader)
    assert stands_in(words, f"rules {report.versions.measurement_rules},")
    assert stands_in(words, f"({report.model.method}),")
    assert set(report.model.sha256) <= set(words)


def test_every_page_says_what_it_is_and_which_of_how_many(case):
    _, _, reader = case
    for n, page in enumerate(reader.pages, start=1):
        text = page.extract_text().split()
        assert stands_in(text, RESEARCH_USE)
        assert stands_in(text, AI_RESULT)
        assert stands_in(text, f"Page {n} of {len(reader.pages)}")


def test_title_and_language_are_set_and_every_font_is_embedded(case):
    reader = case[2]
    assert reader.metadata.title == "msdelta change report"
    assert reader.root_object["/Lang"] == "en"
    fonts = {font for page in reader.pages for font in page["/Resources"]["/Font"].values()}
    assert len(fonts) == 2
    assert all("/FontFile2" in font.get_object()["/FontDescriptor"] for font in fonts)


def test_the_same_report_gives_the_same_bytes():
    report = build_report(report_case.longitudinal())
    assert render_pdf(report, report_case.pictures()) == render_pdf(report, report_case.pictures())


@pytest.mark.parametrize("language", ["en", "de"])
def test_page_one_has_the_answer_in_numbers_places_and_regions_and_the_pictures_follow(language):
    says = words(language)
    report, pictures = measured_report(), report_case.pictures(language=language)
    reader = reader_of(render_pdf(report, pictures, language))
    first = reader.pages[0].extract_text()
    assert reader.root_object["/Lang"] == language
    assert stands_in(first.split(), conclusion(report, says))
    for key in ("glass.title", "regions.title", "trend.volume"):
        assert says(key) in first
    assert stands_in(first.split(), says("regions.note"))
    assert sum(len(page.images) for page in reader.pages) == 1 + len(pictures.triples)
    assert len(reader.pages) <= 4


def test_the_header_of_a_long_table_stands_on_each_of_its_pages():
    report = with_lesions(80)
    reader = reader_of(render_pdf(report, pictures_of(report)))
    rows = [re.findall(r"^\d+(?: \*)?$", page.extract_text(), re.MULTILINE) for page in reader.pages]
    with_rows = [n for n, found in enumerate(rows) if len(found) > 20]
    assert len(with_rows) >= 2
    assert all("Diameter," in reader.pages[n].extract_text() for n in with_rows)


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("report", [with_lesions(80), build_report(report_case.single()), measured_report()])
def test_no_word_is_wider_than_its_column(report, language):
    load_fonts()
    says = words(language)
    for make in (change_table, load_table, region_table, lesion_table, quality_table):
        made = make(report, says)
        if made is None:
            continue
        assert too_wide(made, 6.6) == []


def test_text_is_printed_and_not_obeyed():
    message = "saw <b>5 & 6</b> mm, expected <para>3"
    report = build_report(report_case.longitudinal())
    report = report.model_copy(update={"reasons": (Reason(code="x", flag="amber", message=message),), "job_id": "<i>"})
    words = words_of(reader_of(render_pdf(report, None)))
    assert stands_in(words, "amber", message, "(x)")
    assert stands_in(words, "Job <i>.")
