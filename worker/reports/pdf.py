"""The report as a PDF: page one is what a neurologist reads in ten seconds, the rest is what it rests on.

It says what the page (`worker.reports.html`) says, from the same value, and shows the same pictures. It names no
patient: whoever sends it must say whose it is, as the object does that holds it (`worker.reports.dicom_pdf`), so that
no name can stand in the text that the header contradicts.
"""

import io
from xml.sax.saxutils import escape

from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.platypus import CondPageBreak, Flowable, Image, KeepTogether, Paragraph, Spacer, Table

from service.contracts.options import Language
from service.contracts.report import LesionStatus, Report
from worker.reports.conclusion import conclusion, subtitle
from worker.reports.figures import Picture, Pictures
from worker.reports.fonts import load_fonts
from worker.reports.glass_chart import glass_chart
from worker.reports.language import Words, words
from worker.reports.pdf_page import BODY, HEADING, SMALL, WIDTH, print_pages
from worker.reports.pdf_samples import samples
from worker.reports.pdf_tables import OWN_FONT, Style, set_table
from worker.reports.pdf_texts import answer, ground, reasons
from worker.reports.remarks import (
    brain_volume_words,
    captioned,
    has_intervals,
    lesion_note,
    method_lines,
    version_words,
)
from worker.reports.tables import (
    change_table,
    lesion_table,
    load_table,
    quality_table,
    region_table,
    status_words,
)
from worker.reports.trend import trend_chart

GAP = 4 * mm
"""Between two triples, and between the load and its trend."""
TREND_TALL = 31 * mm
GLASS = 0.86 * WIDTH
LESION_SIZE = 6.6
"""Of the letters in the lesion table, which has most columns."""


def render_pdf(report: Report, pictures: Pictures | None, language: Language = "en") -> bytes:
    """The PDF, A4. The same report and pictures give the same bytes."""
    load_fonts()
    says = words(language)
    story = [*_summary(report, pictures, says), *_shown(report, pictures, says)]
    gates, made = quality_table(report, says), method_lines(report, says)
    story += [*_lesions(report, says), *ground(gates, made, report.model, version_words(report, says), says)]
    return print_pages(story, says("title"), report.versions.msdelta, says)


def _summary(report: Report, pictures: Pictures | None, words: Words) -> list[Flowable]:
    """The conclusion, the reasons for care, the numbers that it comes from, and where it changed."""
    story = answer(conclusion(report, words), subtitle(report, words))
    if report.reasons:
        title = "reasons_head.care" if report.comparable or report.baseline is None else "reasons_head.why_not"
        said = [(one, words.reason(one, report.quality)) for one in report.reasons]
        story += reasons(words(title), said, words)
    changes = change_table(report, words)
    if changes is not None:
        story += [set_table(changes, big=1), Spacer(0, 3 * mm)]
    story.append(_load(report, words))
    if pictures is not None and pictures.glass_brain is not None:
        chart = glass_chart(pictures.glass_brain, words, GLASS)
        chart.hAlign = "CENTER"
        note = Paragraph(words("glass.note"), SMALL)
        story.append(KeepTogether([Paragraph(words("glass.title"), HEADING), chart, note]))
    regions = region_table(report, words)
    if regions is not None:
        note = Paragraph(words("regions.note"), SMALL)
        story.append(KeepTogether([Paragraph(words("regions.title"), HEADING), set_table(regions, size=7), note]))
    return story


def _load(report: Report, words: Words) -> Flowable:
    """The load, and beside it how it went, where two visits are compared."""
    trend = trend_chart(report, words, 0.48 * WIDTH, TREND_TALL)
    width = WIDTH if trend is None else 0.52 * WIDTH - GAP
    left: list[Flowable] = [set_table(load_table(report, words), width=width)]
    left += [Paragraph(words("load.intervals"), SMALL)] if has_intervals(report) else []
    volume = brain_volume_words(report, words)
    given = report.brain_volume_change is not None and report.brain_volume_change.percent is not None
    left += [Paragraph(escape(volume), BODY if given else SMALL)] if volume else []
    if trend is None:
        return KeepTogether(left)
    return Table([[left, trend]], colWidths=[0.52 * WIDTH, 0.48 * WIDTH], style=_bare())


def _shown(report: Report, pictures: Pictures | None, words: Words) -> list[Flowable]:
    """Three pictures of each changed lesion, and the overview with what its outlines mean."""
    if pictures is None:
        return []
    story: list[Flowable] = []
    if pictures.triples:
        note = f"{words('pictures.sides')} {words('pictures.triple_note')}"
        story += [CondPageBreak(70 * mm), Paragraph(words("pictures.title"), HEADING), Paragraph(note, SMALL)]
        story += [Spacer(0, 1 * mm), _triples(report, pictures, words)]
    if pictures.not_shown:
        story.append(Paragraph(words.several("pictures.left_out", pictures.not_shown), BODY))
    legend: list[Flowable] = []
    if report.counts is not None:
        legend.append(samples([(s.value, status_words(s.value, words)) for s in LesionStatus]))
    note = words("pictures.sides") + (f" {words('pictures.one_grid')}" if report.baseline is not None else "")
    overview = [Paragraph(words("pictures.overview"), HEADING), _image(pictures.overview, WIDTH), Spacer(0, 1 * mm)]
    return [*story, KeepTogether([*overview, *legend, Paragraph(note, SMALL)])]


def _lesions(report: Report, words: Words) -> list[Flowable]:
    if not report.lesions:
        return []
    table = set_table(lesion_table(report, words), size=LESION_SIZE)
    head = Paragraph(words("lesions_table.title"), HEADING)
    return [CondPageBreak(45 * mm), head, table, Paragraph(lesion_note(report, words), SMALL)]


def _triples(report: Report, pictures: Pictures, words: Words) -> Table:
    """Two in a row, each with its lesion in words."""
    width = (WIDTH - GAP) / 2
    cells: list[list[Flowable]] = []
    for picture, caption in captioned(report, pictures.triples, words):
        text = f"{caption.name}: <b>{status_words(caption.status, words)}</b> {escape(caption.text)}"
        cells.append([_image(picture, width), Paragraph(text, BODY)])
    if len(cells) % 2:
        cells.append([Spacer(0, 0)])
    pairs = [[*cells[n : n + 2]] for n in range(0, len(cells), 2)]
    return Table(pairs, colWidths=[width + GAP, width], style=_bare(), hAlign="LEFT")


def _bare() -> Style:
    """A table without lines, whose cells begin at the top and at the left edge."""
    return [
        OWN_FONT,
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ("RIGHTPADDING", (0, 0), (-1, -1), 0),
        ("TOPPADDING", (0, 0), (-1, -1), 1),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ]


def _image(picture: Picture, width: float) -> Image:
    pixels = ImageReader(io.BytesIO(picture.png)).getSize()
    return Image(io.BytesIO(picture.png), width=width, height=width * pixels[1] / pixels[0])
