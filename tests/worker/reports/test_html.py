"""The page: whole in itself, safe, and led by the answer."""

import re
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from service.contracts.report import RESEARCH_USE, Counts, Reason
from tests.fixtures import report_case
from worker.reports.figures import MOST_FIGURES, draw
from worker.reports.html import headline, render_html
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
    text = [part.strip() for part in Page(PAGES[kind]()).text if part.strip()]
    body = text[next(n for n, part in enumerate(text) if part == RESEARCH_USE) :]
    assert body[0] == body[-1] == RESEARCH_USE
    assert body.count(RESEARCH_USE) == 2


def test_the_page_forbids_what_it_does_not_need(html):
    policies = [m["content"] for m in Page(html).all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


def test_every_lesion_has_its_row(html, report):
    rows = re.findall(r'<tr[^>]*><th scope="row">(\d+)</th>', html)
    assert [int(number) for number in rows] == [lesion.id for lesion in report.lesions]


def test_every_picture_says_what_it_shows_and_every_column_what_it_holds(html):
    page = Page(html)
    assert len(page.all("img")) == 6
    assert all(len(image["alt"]) > 20 for image in page.all("img"))
    assert all(header.get("scope") in {"col", "row"} for header in page.all("th"))


def test_a_status_is_told_by_a_word_and_a_symbol_and_not_by_colour_alone(html):
    for words in ("+ new", "▲ enlarging", "= stable", "▼ shrinking", "○ resolved", "? indeterminate"):
        assert words in html


def test_values_are_escaped(report):
    evil = '<script>alert("x")</script>'
    reasons = (Reason(code="x", flag="amber", message=evil),)
    html = render_html(report.model_copy(update={"reasons": reasons, "job_id": evil}), None)
    assert "<script" not in html
    assert html.count("&lt;script&gt;") == 2


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        ({"new": 2, "enlarging": 1}, "2 new and 1 enlarging lesions"),
        ({"new": 1}, "1 new lesion"),
        ({"enlarging": 3, "stable": 4}, "3 enlarging lesions"),
        ({"stable": 9, "resolved": 1}, "No new or enlarging lesion"),
        ({"indeterminate": 2}, "No new or enlarging lesion (2 indeterminate)"),
        ({"new": 1, "indeterminate": 1}, "1 new lesion (1 indeterminate)"),
    ],
)
def test_the_headline_is_the_answer(report, counts, sentence):
    changed = report.model_copy(update={"counts": Counts(**counts)})
    assert headline(changed) == sentence


def test_the_headline_of_a_pair_that_cannot_be_compared_says_why():
    answer = headline(build_report(report_case.not_comparable()))
    assert answer.startswith("Not comparable: the two brain masks do not lie on each other")


def test_the_headline_of_one_time_point_counts_its_lesions():
    assert headline(build_report(report_case.single())) == "5 lesions, 3.37 ml (one time point)"


def test_the_page_says_how_many_changed_lesions_it_does_not_picture(report, html):
    figures = report_case.figures()
    new = next(c for c in figures.analysis.changes if c.status == "new")
    many = replace(figures, analysis=replace(figures.analysis, changes=(new,) * (MOST_FIGURES + 3)))
    assert "3 more changed lesions are in the table and not pictured" in render_html(report, draw(many))
    assert "not pictured" not in html


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
