"""The page and the table of a series say what its report says."""

import csv
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import get_args

import pytest

from service.contracts.measures import REGIONS_NOTE, LesionRegion
from service.contracts.options import Language
from service.contracts.report import AI_RESULT, RESEARCH_USE, Counts, Flag, Reason
from service.contracts.report_signature import signed
from tests.fixtures.report_case import PAIR
from tests.fixtures.series_reports import DAYS, FOLLOWED, VOLUMES, small_report, whole_report
from worker.reports.language import words
from worker.reports.ledger_table import COLUMNS, write_ledger_csv
from worker.reports.series_html import render_series_html
from worker.reports.series_words import headline, subtitle
from worker.reports.summary import registration_info

EN, DE = words("en"), words("de")


class Cells(HTMLParser):
    """The texts of every table row."""

    def __init__(self):
        super().__init__()
        self.rows, self.open = [], False

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        if tag == "br":
            self.rows[-1][-1] += " "
        self.open = tag in ("td", "th") or (self.open and tag != "tr")
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.open = False

    def handle_data(self, data):
        if self.open:
            self.rows[-1][-1] += data


def text_of(page):
    """The texts of the page's body and what its drawings say."""
    found = Texts()
    found.feed(page[page.index("<body>") :])
    return found.texts


class Texts(HTMLParser):
    """What is read on the page, and in the names of its drawings."""

    def __init__(self):
        super().__init__()
        self.texts = []

    def handle_starttag(self, tag, attrs):
        self.texts += [value for name, value in attrs if name == "aria-label"]

    def handle_data(self, data):
        if data.strip():
            self.texts.append(" ".join(data.split()))


@pytest.fixture(scope="module")
def german():
    return render_series_html(whole_report(), "de")


@pytest.fixture(scope="module")
def page():
    return render_series_html(small_report())


@pytest.fixture(scope="module")
def rows(page):
    parser = Cells()
    parser.feed(page)
    return [[" ".join(cell.split()) for cell in row] for row in parser.rows]


def test_the_page_points_to_nothing_outside_it(page):
    assert not re.search(r"(src|href)=|url\(|https?://", page)
    assert page.count(f"{RESEARCH_USE} {AI_RESULT}.") == 2


def test_the_page_says_how_the_visits_were_aligned(page):
    aligned = registration_info(replace(PAIR, kind="rigid"))
    report = small_report()
    pairs = tuple(pair.model_copy(update={"registration": aligned}) for pair in report.pairs)
    assert "aligned rigidly" in render_series_html(report.model_copy(update={"pairs": pairs}))
    assert "aligned" not in page


def test_the_page_bears_the_signature_of_the_report(page):
    report = signed(small_report(), b"one key of an installation, 32 b")
    assert report.signature.value in render_series_html(report)
    assert "Signed" not in page


def test_every_lesion_is_a_row_with_its_volumes(rows):
    ledger = [row for row in rows if len(row) == 5 and row[0] in {"1", "2", "3"}]
    for row, volumes in zip(ledger, VOLUMES.values(), strict=True):
        assert [cell.split()[0] for cell in row[1:4]] == [f"{volume:.0f}" for volume in volumes]
    assert ledger[0][2:] == ["96 ▲ enlarging", "140 = stable", "▲ enlarging"]
    assert ledger[1][1:] == ["0", "20 + new appeared", "0 ○ resolved gone", ""]
    assert ledger[2][3].endswith("not wholly in the field of view")


def test_sizes_are_those_of_the_report_s_rules(page):
    """Of another profile, or of a site's own rule set."""
    report = small_report()
    rules = report.rules.model_copy(
        update={"numbers": report.rules.numbers | {"counted_mm3": 27.5, "smallest_mm3": 6.0}}
    )
    other = render_series_html(report.model_copy(update={"rules": rules}))

    assert "From 14 mm³ (from 3 mm³)" in page
    assert "From 27.5 mm³ (from 6 mm³)" in other
    assert "Lesions from 27.5 mm³" in other
    assert not re.search(r"\b(14|3) mm³", other)


def test_the_region_of_a_lesion_is_named_where_regions_are_known(page):
    report = small_report()
    first = report.ledger[0].model_copy(update={"region": LesionRegion.PERIVENTRICULAR})
    ledger = (first, *report.ledger[1:])
    known = render_series_html(report.model_copy(update={"ledger": ledger, "regions_note": REGIONS_NOTE}))
    assert ">periventricular<" in known
    assert REGIONS_NOTE in " ".join(text_of(known))
    assert "McDonald" not in page
    assert ">Region<" not in page


def test_counts_stand_for_each_pair_of_the_ledger_and_for_no_other(rows):
    pairs = {row[0]: row[1:] for row in rows if row and row[0].startswith("Visit") and "→" in row[0]}
    assert list(pairs) == ["Visit 1 → 3", "Visit 1 → 4", "Visit 3 → 4"]
    assert pairs["Visit 1 → 3"] == ["next visit", "1 (1)", "1 (1)", "0 (0)", "0 (0)", "0 (0)", "0 (0)"]


def test_a_visit_that_is_not_followed_is_named_so(rows):
    assert ["Visit 2, 2021-06-01", "no, segmented alone", "1", "3", "0.05"] in rows


def test_why_a_pair_was_not_used_is_said(page):
    assert "brains do not lie on each other" in page


def test_the_headline_is_the_change_from_first_to_last_or_why_there_is_none():
    report = small_report()
    assert headline(report, EN) == "1 enlarging lesion from visit 1 to visit 4"
    assert headline(report, DE) == "1 größenprogrediente Läsion zwischen Untersuchung 1 und Untersuchung 4"
    no_ends = [pair for pair in report.pairs if pair.role != "first_to_last"]
    steps = report.model_copy(update={"pairs": tuple(no_ends)})
    assert headline(steps, EN) == "No new or enlarging lesion from visit 3 to visit 4"
    assert headline(steps, DE).startswith("Keine neue oder größenprogrediente Läsion zwischen Untersuchung 3 und")
    many = [p.model_copy(update={"counts": Counts(new=2, enlarging=1)}) if p.counts else p for p in report.pairs]
    assert headline(report.model_copy(update={"pairs": tuple(many)}), EN).startswith("2 new and 1 enlarging lesion ")
    red = Reason(code="nothing_comparable", flag=Flag.RED, message="none of 3 visits")
    nothing = report.model_copy(update={"comparable": False, "reasons": (red,), "pairs": (), "ledger": ()})
    assert headline(nothing, EN) == "Not comparable: none of 3 visits."
    assert headline(nothing, DE).startswith("Nicht vergleichbar: keine der 4 Untersuchungen ist mit einer anderen")
    assert "Not comparable" in render_series_html(nothing)


def test_the_subtitle_says_what_was_followed_and_when_the_report_was_made():
    report = small_report()
    assert subtitle(report, EN) == "3 of 4 visits followed. Report made 2025-03-02 12:00 UTC."
    assert subtitle(report, DE) == (
        "3 von 4 Untersuchungen im Verlauf beurteilt. Bericht erstellt am 02.03.2025 12:00 UTC."
    )
    alone = tuple(visit.model_copy(update={"followed": False}) for visit in report.visits)
    assert subtitle(report.model_copy(update={"visits": alone}), DE).startswith("Jede Untersuchung wurde für sich")


@pytest.mark.parametrize("language", get_args(Language))
def test_the_page_says_everything_in_its_language(language):
    says, page = words(language), render_series_html(whole_report(), language)
    text = " ".join(text_of(page))
    assert f'<html lang="{language}">' in page
    assert f"<title>{says('series.title')}</title>" in page
    spoken = [key for key in says._phrases if key.startswith("series.event.")]
    spoken += [
        "series.not_covered",
        "series.in_ledger",
        "series.not_followed",
        "series.ledger",
        "region.periventricular",
    ]
    spoken += ["series.role.adjacent", "series.first_to_last", "series.not_compared", "gates.drift", "answers.unknown"]
    assert [key for key in spoken if says(key) not in text] == []


def test_the_german_page_has_no_english_left():
    """No text of the English page, and no phrase of the English page of a series that German puts otherwise."""
    report = whole_report()
    english, german = (text_of(render_series_html(report, language)) for language in ("en", "de"))
    long = {text for text in english if len(re.findall(r"[A-Za-z_]+", text)) > 2}
    assert long & set(german) == set()
    parts = ("series", "status", "flag", "quality")  # names of gates are codes of reasons and of rules, too
    own = {key: text for key, text in EN._phrases.items() if key.split(".")[0] in parts and "{" not in text}
    assert len(own) > 30
    page = " ".join(german)
    assert [key for key, text in own.items() if re.search(rf"\b{re.escape(text)}\b", page)] == []


def test_german_numbers_and_dates_are_german(german):
    text = " ".join(text_of(german))
    assert "Untersuchung 2, 01.06.2021" in text
    assert "0,05" in text
    assert "Nr. 2; Begründung" in text
    assert not re.search(r"\d\.\d+ (ml|mm)|\d{4}-\d{2}-\d{2}", text)


def test_a_reason_of_a_pair_is_put_in_german_with_what_its_gate_saw(german):
    text = " ".join(text_of(german))
    assert "die Hirnmasken beider Untersuchungen sind nach der Registrierung nicht deckungsgleich" in text
    assert "direkte Registrierung der letzten auf die erste Untersuchung (gemessen 2,5 mm, erwartet höchstens 1" in text


def test_the_trend_of_the_followed_visits_is_drawn_and_said(page):
    drawn = re.findall(r'<svg[^>]*aria-label="([^"]*)"', page)
    visits = [f"Visit {n}, {DAYS[n - 1]}" for n in FOLLOWED]
    volumes = [sum(one[place] for one in VOLUMES.values()) / 1000 for place in range(3)]
    said = "; ".join(f"{name}: {volume:.2f}" for name, volume in zip(visits, volumes, strict=True))
    assert drawn == [f"Lesion volume, ml: {said}", "Lesions from 14 mm³: " + "; ".join(f"{one}: 1" for one in visits)]


def test_the_table_has_a_row_per_lesion_and_visit(tmp_path):
    write_ledger_csv(small_report(), tmp_path / "ledger.csv")
    with (tmp_path / "ledger.csv").open() as file:
        table = list(csv.DictReader(file))

    assert tuple(table[0]) == COLUMNS
    assert [(int(row["id"]), int(row["visit"])) for row in table] == [(n, visit) for n in VOLUMES for visit in FOLLOWED]
    assert [float(row["volume_mm3"]) for row in table] == [volume for volumes in VOLUMES.values() for volume in volumes]
    new = table[4]
    assert (new["status"], new["since_visit"], new["events"], new["acquired"]) == ("new", "1", "appeared", "2024-03-01")
    assert [row["status_first_to_last"] for row in table[:3]] == ["", "", "enlarging"]
    assert (table[3]["status"], table[3]["centroid_x_mm_lps"], table[3]["since_visit"]) == ("", "", "")
