"""The page for everybody: a real checker in a real browser, and our own rules where there is none."""

import html as entities
import importlib.util
import itertools
import json
import re
import subprocess
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import pytest

from tests.fixtures import report_case
from tests.fixtures.measured_report import measured_report
from tests.fixtures.series_reports import whole_report
from worker.reports.html import render_html
from worker.reports.series_html import render_series_html
from worker.reports.summary import build_report

CHROMIUM = Path("/usr/bin/chromium")
PAGES = {
    "english": lambda: render_html(measured_report(), report_case.pictures()),
    "german": lambda: render_html(measured_report(), report_case.pictures(language="de"), "de"),
    "not comparable": lambda: render_html(build_report(report_case.not_comparable()), None),
    "visits": lambda: render_series_html(whole_report()),
    "visits, german": lambda: render_series_html(whole_report(), "de"),
}
CSS = files("worker.reports").joinpath("templates", "report.css").read_text(encoding="utf-8")
RUN = """axe.run(document, {resultTypes: ["violations"]}).then(found => {
  const said = found.violations.map(one => one.id + ": " + one.nodes.map(node => node.html.slice(0, 120)).join("; "));
  document.body.innerHTML = "<pre id=axe></pre>";
  document.getElementById("axe").textContent = JSON.stringify({said: said, passes: found.passes.length});
});"""


class Elements(HTMLParser):
    """Tags in their order, with attributes."""

    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module", params=PAGES)
def page(request):
    return request.param, PAGES[request.param]()


def axe() -> str:
    """The engine, out of a package that brings it as a file."""
    spec = importlib.util.find_spec("axe_core_python")
    if spec is None or not CHROMIUM.exists():
        pytest.skip("NO ACCESSIBILITY CHECKER: axe-core-python or chromium is not installed")
    return (Path(spec.submodule_search_locations[0]) / "axe.min.js").read_text(encoding="utf-8")


def test_axe_finds_nothing_to_object_to(page, tmp_path):
    engine = axe().replace("</script>", "<\\/script>")
    own = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page[1])  # it forbids scripts, as it should
    checked = own.replace("</body>", f"<script>{engine}</script><script>{RUN}</script></body>")
    (tmp_path / "page.html").write_text(checked, encoding="utf-8")
    quiet = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync"]
    quiet += ["--disable-component-update", f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=20000"]
    command = [str(CHROMIUM), "--headless", "--no-sandbox", *quiet, "--dump-dom", (tmp_path / "page.html").as_uri()]
    dom = subprocess.run(command, check=True, timeout=120, capture_output=True, text=True).stdout

    answer = json.loads(entities.unescape(re.search(r'<pre id="axe">(.*?)</pre>', dom, re.DOTALL)[1]))

    assert answer["said"] == []
    assert answer["passes"] > 10


def test_the_language_is_named_and_headings_go_down_step_by_step(page):
    kind, html = page
    elements = Elements(html).found
    assert dict(elements)["html"]["lang"] == ("de" if "german" in kind else "en")
    levels = [int(tag[1]) for tag, _ in elements if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_pictures_and_drawings_have_words_and_heads_a_direction(page):
    elements = Elements(page[1]).found
    drawn = [a.get("alt") for tag, a in elements if tag == "img"]
    drawn += [a.get("aria-label") for tag, a in elements if tag == "svg" and a.get("role") == "img"]
    assert all(text is not None and len(text) > 20 for text in drawn)
    assert len(drawn) == sum(tag in {"img", "svg"} for tag, _ in elements)
    assert all(a.get("scope") in {"col", "row"} for tag, a in elements if tag == "th")


def test_the_page_stands_in_landmarks(page):
    tags = [tag for tag, _ in Elements(page[1]).found]
    assert [tags.count(one) for one in ("header", "main", "footer")] == [1, 1, 1]


def luminance(colour: str) -> float:
    """Relative luminance of `#rgb` or `#rrggbb`, WCAG 2."""
    digits = colour.lstrip("#")
    digits = "".join(2 * one for one in digits) if len(digits) == 3 else digits
    parts = [int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return sum(weight * one for weight, one in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_ratio_of_contrast_is_that_of_the_guidelines():
    assert contrast("#fff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_every_colour_of_a_letter_stands_out_from_every_ground():
    """AA for small letters is 4.5; grounds are those of the page, of heads of tables, and of the notice."""
    letters = set(re.findall(r"(?<![-\w])color: (#[0-9a-f]+)", CSS))
    grounds = set(re.findall(r"background: (#[0-9a-f]+)", CSS)) - {"#000"}  # behind pictures
    assert len(letters) >= 6
    assert {"#fff", "#f3f4f6", "#fff8dc"} <= grounds
    assert [(one, ground) for one in letters for ground in grounds if contrast(one, ground) < 4.5] == []


def test_in_print_no_colour_is_needed():
    printed = CSS[CSS.index("@media print") :]
    assert set(re.findall(r"(?<![-\w])color: (#[0-9a-f]+)", printed)) <= {"#000", "#333"}
