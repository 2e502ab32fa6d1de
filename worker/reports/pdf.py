"""The report as a PDF: page one is what a neurologist reads in ten seconds, the rest is what it rests on.

It says what the page (`worker.reports.html`) says, from the same value, and shows the same pictures. It names no
patient: whoever sends it must say whose it is, as the object does that holds it (`worker.reports.dicom_pdf`), so that
no name can stand in the text that the header contradicts.
"""

import io
from xml.sax.saxutils import escape

from reportlab.lib.colors import HexColor
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.platypus import CondPageBreak, Flowable, Image, KeepTogether, Paragraph, Spacer, Table

from service.contracts.report import LesionStatus, Report
from worker.reports.figures import Picture, Pictures
from worker.reports.html import headline, made_with, subtitle
from worker.reports.pdf_page import ANSWER, BODY, HEADING, LONG_ANSWER, RULE, SMALL, WIDTH, load_fonts, print_pages
from worker.reports.pdf_tables import (
    Style,
    change_table,
    lesion_note,
    lesion_table,
    load_table,
    quality_table,
    status_words,
)
from worker.reports.status_marks import COLOURS, LIGHTS, LINES

LONG = 60
"""Characters from which the answer is set smaller."""
GAP = 4 * mm
"""Between two close-ups."""
DASHES: dict[str, list[float]] = {"solid": [], "dashed": [3.0, 1.6], "dotted": [0.8, 1.4]}
"""Points on and off."""


def render_pdf(report: Report, pictures: Pictures | None) -> bytes:
    """The PDF, A4. The same report and pictures give the same bytes."""
    load_fonts()
    return print_pages([*_answer(report), *_shown(report, pictures), *_lesions(report), *_ground(report)], report)


def _answer(report: Report) -> list[Flowable]:
    """The conclusion, the reasons for care, and the numbers that it comes from."""
    sentence = headline(report)
    story: list[Flowable] = [
        Paragraph(escape(sentence), LONG_ANSWER if len(sentence) > LONG else ANSWER),
        Paragraph(escape(subtitle(report)), SMALL),
        Spacer(0, 2 * mm),
    ]
    if report.reasons:
        title = "Read with care" if report.comparable or report.baseline is None else "Why not"
        story += [
            Paragraph(title, HEADING),
            *(_reason(one.flag.value, one.message, one.code) for one in report.reasons),
        ]
        story.append(Spacer(0, 2 * mm))
    changes = change_table(report)
    if changes is not None:
        story += [changes, Spacer(0, 2.5 * mm)]
    return [*story, load_table(report)]


def _shown(report: Report, pictures: Pictures | None) -> list[Flowable]:
    """The overview, what its outlines mean, and a close-up of each changed lesion."""
    if pictures is None:
        return []
    same_grid = " Both scans on one grid, so that slices match." if report.baseline is not None else ""
    note = Paragraph(f"Axial, the patient's right on the left.{same_grid}", SMALL)
    legend: list[Flowable] = [_legend()] if report.counts is not None else []
    story: list[Flowable] = [
        KeepTogether([Spacer(0, 3 * mm), _image(pictures.overview, WIDTH), Spacer(0, 1 * mm), *legend, note])
    ]
    if pictures.close_ups:
        story += [CondPageBreak(65 * mm), Paragraph("Changed lesions", HEADING), _close_ups(report, pictures)]
    if pictures.not_shown:
        text = f"{pictures.not_shown} more changed lesions are in the table and not pictured."
        story.append(Paragraph(text, BODY))
    return story


def _lesions(report: Report) -> list[Flowable]:
    if not report.lesions:
        return []
    return [CondPageBreak(45 * mm), Paragraph("Lesion table", HEADING), lesion_table(report), lesion_note(report)]


def _ground(report: Report) -> list[Flowable]:
    """What the answer rests on: quality, method, weights, versions."""
    weights = " ".join(report.model.sha256)
    libraries = ", ".join(f"{name} {version}" for name, version in report.versions.libraries.items())
    job = f" Job {report.job_id}." if report.job_id else ""
    return [
        CondPageBreak(45 * mm),
        Paragraph("Quality gates", HEADING),
        quality_table(report),
        KeepTogether(
            [
                Paragraph("How it was made", HEADING),
                Paragraph(escape(made_with(report)), BODY),
                Paragraph(f"Weights (SHA-256) {escape(weights)}", SMALL),
                Paragraph(escape(f"{libraries}.{job}"), SMALL),
            ]
        ),
    ]


def _reason(flag: str, message: str, code: str) -> Paragraph:
    return Paragraph(f"{LIGHTS[flag]} <b>{flag}</b> {escape(message)} <font size=7>({escape(code)})</font>", BODY)


def _close_ups(report: Report, pictures: Pictures) -> Table:
    """Two in a row, each with its lesion in words."""
    width = (WIDTH - GAP) / 2
    rows = {row.id: row for row in report.lesions}
    cells: list[list[Flowable]] = []
    for picture in pictures.close_ups:
        row = rows[picture.lesion_id or 0]
        what = "lesion" if row.status is None else status_words(row.status.value)
        volumes = f"{row.baseline_volume_mm3 or 0.0:.0f} → {row.follow_up_volume_mm3:.0f} mm³"
        caption = Paragraph(f"Lesion {row.id}: <b>{what}</b> {volumes}", BODY)
        cells.append([_image(picture, width), caption])
    if len(cells) % 2:
        cells.append([Spacer(0, 0)])
    pairs = [[*cells[n : n + 2]] for n in range(0, len(cells), 2)]
    style: Style = [("FONT", (0, 0), (-1, -1), BODY.fontName, 8.5, 12), ("LEFTPADDING", (0, 0), (-1, -1), 0)]
    style += [("RIGHTPADDING", (0, 0), (-1, -1), 0)]
    style += [("VALIGN", (0, 0), (-1, -1), "TOP"), ("TOPPADDING", (0, 0), (-1, -1), 1)]
    return Table(pairs, colWidths=[width + GAP, width], style=style, hAlign="LEFT")


def _image(picture: Picture, width: float) -> Image:
    pixels = ImageReader(io.BytesIO(picture.png)).getSize()
    return Image(io.BytesIO(picture.png), width=width, height=width * pixels[1] / pixels[0])


def _legend() -> Table:
    statuses = [status.value for status in LesionStatus]
    cells = [[part for s in statuses for part in (_Sample(s), status_words(s))]]
    style: Style = [("FONT", (0, 0), (-1, -1), BODY.fontName, 7.5, 9), ("VALIGN", (0, 0), (-1, -1), "MIDDLE")]
    style += [("LEFTPADDING", (0, 0), (-1, -1), 2), ("RIGHTPADDING", (0, 0), (-1, -1), 2)]
    style += [("TOPPADDING", (0, 0), (-1, -1), 1), ("BOTTOMPADDING", (0, 0), (-1, -1), 1)]
    one = WIDTH / len(statuses)
    return Table(cells, colWidths=[9 * mm, one - 9 * mm] * len(statuses), style=style)


class _Sample(Flowable):
    """A piece of the outline of a status."""

    def __init__(self, status: str) -> None:
        super().__init__()
        self.status, self.width, self.height = status, 7 * mm, 3 * mm

    def draw(self) -> None:
        line = self.canv
        line.setStrokeColor(RULE)
        line.setLineWidth(2.6)
        line.line(0, self.height / 2, self.width, self.height / 2)  # a light bed: yellow shows on white
        line.setStrokeColor(HexColor(COLOURS[self.status]))
        line.setLineWidth(1.6)
        line.setDash(DASHES[LINES[self.status]])
        line.line(0, self.height / 2, self.width, self.height / 2)
