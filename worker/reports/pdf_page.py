"""The sheet that the PDF report is printed on: fonts, margins, and what stands at the top and foot of every page."""

import io
from typing import Any

from reportlab import rl_config
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, PageTemplate

from worker.reports.fonts import BOLD, FONT
from worker.reports.language import Words

rl_config.useA85 = 0  # pictures as they are: as ASCII they take a quarter more room, and time in pure Python
MARGIN = 13 * mm
TOP = 17 * mm
FOOT = 16 * mm
WIDTH = A4[0] - 2 * MARGIN
INK, GREY, RULE, SHADE = HexColor("#1a1d21"), HexColor("#555555"), HexColor("#c4c8cc"), HexColor("#f0f1f3")
TOTAL = "pages"
"""Name of the drawing that holds the number of pages: it is made last, and every page shows it."""

BODY = ParagraphStyle("body", fontName=FONT, fontSize=8.5, leading=12, textColor=INK)
CELL = ParagraphStyle("cell", parent=BODY, fontSize=7.5, leading=9)
SMALL = ParagraphStyle("small", parent=BODY, fontSize=7, leading=9.5, textColor=GREY)
HEADING = ParagraphStyle("heading", parent=BODY, fontName=BOLD, fontSize=10.5, leading=13, spaceBefore=9, spaceAfter=3)
ANSWER = ParagraphStyle("answer", parent=BODY, fontName=BOLD, fontSize=14.5, leading=19)
LONG_ANSWER = ParagraphStyle("long answer", parent=ANSWER, fontSize=12, leading=16)


def print_pages(story: list[Flowable], title: str, version: str, words: Words) -> bytes:
    """The PDF. The same story gives the same bytes: no clock and no random identifier goes in.

    Args:
        story: what is printed.
        title: of the document; it stands on every page.
        version: of msdelta.
        words: of the report.
    """
    out = io.BytesIO()
    document = BaseDocTemplate(
        out,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=TOP,
        bottomMargin=FOOT,
        title=title,
        author="msdelta",
        subject=f"{words('notice')} {words('not_verified')}.",
        creator=f"msdelta {version}",
        lang=words.language,
        invariant=1,
    )
    frame = Frame(MARGIN, FOOT, WIDTH, A4[1] - TOP - FOOT, leftPadding=0, rightPadding=0, topPadding=0, bottomPadding=0)

    def furnish(canvas: Canvas, page: Any) -> None:
        _furnish(canvas, page.page, title, words)

    document.addPageTemplates(PageTemplate(frames=[frame], onPage=furnish))
    document.build(story, canvasmaker=_PageCounter)
    return out.getvalue()


class _PageCounter(Canvas):
    """A canvas that draws the number of pages once it is known, and asks for no font that is not embedded."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **{**settings, "initialFontName": FONT})

    def save(self) -> None:
        self.beginForm(TOTAL, lowerx=0, lowery=-2, upperx=30, uppery=10)
        self.setFont(FONT, 7.5)
        self.setFillColor(INK)
        self.drawString(0, 0, str(self.getPageNumber() - 1))
        self.endForm()
        super().save()


def _furnish(canvas: Canvas, number: int, title: str, words: Words) -> None:
    """Who says it and what it is not, where no page can lose it."""
    wide, tall = A4
    canvas.saveState()
    canvas.setFillColor(INK)
    canvas.setStrokeColor(RULE)
    canvas.setFont(BOLD, 8.5)
    canvas.drawString(MARGIN, tall - 11 * mm, title)
    canvas.drawRightString(wide - MARGIN, tall - 11 * mm, words("not_verified"))
    canvas.line(MARGIN, tall - 13 * mm, wide - MARGIN, tall - 13 * mm)
    canvas.line(MARGIN, 12.5 * mm, wide - MARGIN, 12.5 * mm)
    canvas.setFont(BOLD, 7.5)
    canvas.drawString(MARGIN, 8.5 * mm, words("notice"))
    canvas.setFont(FONT, 7.5)
    page = words("method.page", n=number)
    at = wide - MARGIN - 3.2 * mm  # two digits
    canvas.drawRightString(at, 8.5 * mm, page)
    canvas.translate(at, 8.5 * mm)
    canvas.doForm(TOTAL)
    canvas.restoreState()
