"""The page: whole in itself, safe, and led by the answer."""

import re
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from service.contracts.report import RESEARCH_USE, Reason
from tests.fixtures import report_case
from tests.fixtures.measured_report import measured_report
from worker.reports.html import render_html
from worker.reports.language import words
from worker.reports.summary import build_report

CHROMIUM = Path("/usr/bin/chromium")


class Page(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def report():
    return build_report(report_case.longitudinal())


@pytest.fixture(scope="module")
def html(report):
    return render_html(report, report_case.pictures())


PAGES = {
    "longitudinal": lambda: render_html(build_report(report_case.longitudinal()), report_case.pictures()),
    "measured": lambda: render_html(measured_report(), report_case.pictures()),
    "german": lambda: render_html(measured_report(), report_case.pictures(language="de"), "de"),
    "single": lambda: render_html(build_report(report_case.single()), report_case.pictures(longitudinal=False)),
    "not comparable": lambda: render_html(build_report(report_case.not_comparable()), None),
}


@pytest.mark.parametrize("kind", PAGES)
def test_nothing_in_the_page_points_outside_it(kind):
    html = PAGES[kind]()
    page = Page(html)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", re.sub(r"data:image/png;base64,[^\"]+", "", html))
    assert all(image["src"].startswith("data:image/png;base64,") for image in page.all("img"))
    assert not {"script", "link", "iframe", "object", "form", "a"} & {tag for tag, _ in page.tags}


@pytest.mark.parametrize("kind", PAGES)
def test_the_notice_stands_at_the_top_and_at_the_bottom(kind):
    says = words("de" if kind == "german" else "en")
    notice = f"{says('notice')} {says('not_verified')}."
    text = [part.strip() for part in Page(PAGES[kind]()).text if part.strip()]
    body = text[text.index(notice) :]
    assert body[0] == body[-1] == notice
    assert body.count(notice) == 2
    assert says("notice") == RESEARCH_USE or kind == "german"


def test_the_page_forbids_what_it_does_not_need(html):
    policies = [m["content"] for m in Page(html).all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


def test_every_lesion_has_its_row(html, report):
    rows = re.findall(r'<tr[^>]*><th scope="row">(\d+)\s*</th>', html)
    assert [int(number) for number in rows] == [lesion.id for lesion in report.lesions]


def test_every_picture_says_what_it_shows_and_every_column_what_it_holds(html):
    page = Page(html)
    assert len(page.all("img")) == 6
    assert all(len(image["alt"]) > 20 for image in page.all("img"))
    assert all(header.get("scope") in {"col", "row"} for header in page.all("th"))


def test_a_status_is_told_by_a_word_and_a_symbol_and_not_by_colour_alone(html):
    shown = html.replace("&nbsp;", " ").replace("\N{NO-BREAK SPACE}", " ")
    for tag in ("+ new", "▲ enlarging", "= stable", "▼ shrinking", "○ resolved", "? indeterminate"):
        assert tag in shown


def test_values_are_escaped(report):
    evil = '<script>alert("x")</script>'
    reasons = (Reason(code="x", flag="amber", message=evil),)
    html = render_html(report.model_copy(update={"reasons": reasons, "job_id": evil}), None)
    assert "<script" not in html
    assert html.count("&lt;script&gt;") == 2


def test_the_page_says_how_many_changed_lesions_it_does_not_picture(report, html):
    pictures = report_case.pictures()
    fewer = replace(pictures, triples=pictures.triples[:2], not_shown=3)
    assert "3 more changed lesions are in the table and not pictured" in render_html(report, fewer)
    one = replace(pictures, triples=pictures.triples[:4], not_shown=1)
    assert "1 more changed lesion is in the table and not pictured" in render_html(report, one)
    assert "not pictured" not in html


def test_regions_stand_with_the_sentence_that_no_criterion_is_assessed(html):
    whole = PAGES["measured"]()
    assert "no number here says that a criterion is met" in whole
    assert all(words("en")(f"region.{one}") in whole for one in ("periventricular", "deep_white_matter"))
    assert "McDonald" not in html  # without regions there is nothing to say of them


def test_the_german_page_has_no_english_sentence_left():
    """But what the report itself says: library names, the record of the model, the codes of reasons."""
    english, german = (
        {part.strip() for part in Page(PAGES[kind]()).text if len(part.split()) > 2} for kind in ("measured", "german")
    )
    assert {text for text in english & german if "{" not in text} == set()


def test_german_numbers_have_a_decimal_comma():
    text = " ".join(Page(PAGES["german"]()).text)
    assert "3,22" in text
    assert "01.03.2023" in text
    assert re.search(r"\d\.\d+ (ml|mm)", text) is None


@pytest.mark.skipif(not CHROMIUM.exists(), reason="NO BROWSER: chromium is not installed")
def test_a_browser_draws_the_page(html, tmp_path):
    (tmp_path / "report.html").write_text(html, encoding="utf-8")
    picture = tmp_path / "page.pdf"
    quiet = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    quiet += ["--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}"]
    command = [str(CHROMIUM), "--headless", "--no-sandbox", *quiet, f"--print-to-pdf={picture}"]
    subprocess.run([*command, (tmp_path / "report.html").as_uri()], check=True, timeout=90, capture_output=True)
    assert picture.read_bytes().startswith(b"%PDF")
    assert picture.stat().st_size > 50_000
