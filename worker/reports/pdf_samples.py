"""What the outlines in the PDF's pictures mean: a piece of each status's line with its word."""

from collections.abc import Sequence

from reportlab.lib.colors import HexColor
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.platypus import Flowable, Paragraph, Table

from worker.reports.pdf_page import CELL, RULE, WIDTH
from worker.reports.pdf_tables import OWN_FONT, Style
from worker.reports.status_marks import COLOURS, LINES

DASHES: dict[str, list[float]] = {"solid": [], "dashed": [3.0, 1.6], "dotted": [0.8, 1.4]}
"""Points on and off."""
SAMPLE = 9 * mm
WORD = ParagraphStyle("word", parent=CELL, fontSize=6.8, splitLongWords=0)


def samples(names: Sequence[tuple[str, str]]) -> Table:
    """A line for each status and what it is called."""
    cells = [[part for status, name in names for part in (_Sample(status), Paragraph(name, WORD))]]
    style: Style = [OWN_FONT, ("VALIGN", (0, 0), (-1, -1), "MIDDLE"), ("LEFTPADDING", (0, 0), (-1, -1), 2)]
    style += [("RIGHTPADDING", (0, 0), (-1, -1), 1), ("TOPPADDING", (0, 0), (-1, -1), 1)]
    words = [stringWidth(name, WORD.fontName, WORD.fontSize) + 6 for _, name in names]
    spare = (WIDTH - sum(words) - SAMPLE * len(names)) / len(names)
    return Table(cells, colWidths=[w for word in words for w in (SAMPLE, word + spare)], style=style)


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
