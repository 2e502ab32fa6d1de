"""The report as one self-contained page."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup
from reportlab.graphics.shapes import Drawing

from service.contracts.options import Language
from service.contracts.report import LesionStatus, Report
from worker.reports.conclusion import conclusion, subtitle
from worker.reports.figures import Pictures
from worker.reports.glass_chart import glass_chart
from worker.reports.language import Words, words
from worker.reports.remarks import (
    brain_volume_words,
    captioned,
    glass_words,
    has_intervals,
    lesion_note,
    method_lines,
    trend_words,
    version_words,
)
from worker.reports.status_marks import COLOURS, FLAG_SYMBOLS, SYMBOLS
from worker.reports.svg import inline_svg
from worker.reports.tables import change_table, lesion_table, load_table, quality_table, region_table
from worker.reports.trend import trend_chart

GLASS_POINTS, TREND_POINTS = 522.0, (250.0, 110.0)
"""Size of the drawings: letters keep their size to them, the page stretches both."""


def render_html(report: Report, pictures: Pictures | None, language: Language = "en") -> str:
    """The page; nothing in it points outside it."""
    says = words(language)
    return template("report.html").render(
        report=report,
        words=says,
        conclusion=conclusion(report, says),
        subtitle=subtitle(report, says),
        statuses=[status.value for status in LesionStatus],
        symbols=SYMBOLS,
        flag_symbols=FLAG_SYMBOLS,
        colours=COLOURS,
        changes=change_table(report, says),
        load=load_table(report, says),
        has_intervals=has_intervals(report),
        brain_volume=brain_volume_words(report, says),
        trend=_trend(report, says),
        glass=_glass(pictures, says),
        regions=region_table(report, says),
        lesions=lesion_table(report, says) if report.lesions else None,
        lesion_note=lesion_note(report, says),
        quality=quality_table(report, says),
        method=method_lines(report, says),
        versions=version_words(report, says),
        overview=None if pictures is None else pictures.overview,
        triples=captioned(report, () if pictures is None else pictures.triples, says),
        left_out=0 if pictures is None else pictures.not_shown,
    )


@cache
def template(name: str) -> Template:
    """A page of the folder `templates`; a value that is not given is an error."""
    environment = Environment(
        loader=PackageLoader("worker.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def as_markup(drawing: Drawing, alt: str) -> Markup:
    """A drawing as it stands in a page."""
    return Markup(inline_svg(drawing, alt))  # noqa: S704 (ours)


def _trend(report: Report, words: Words) -> Markup | None:
    drawing = trend_chart(report, words, *TREND_POINTS)
    return None if drawing is None else as_markup(drawing, trend_words(report, words))


def _glass(pictures: Pictures | None, words: Words) -> Markup | None:
    if pictures is None or pictures.glass_brain is None:
        return None
    drawing = glass_chart(pictures.glass_brain, words, GLASS_POINTS)
    return as_markup(drawing, glass_words(pictures.glass_brain, words))
