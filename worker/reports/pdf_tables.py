"""The tables of the report (`worker.reports.tables`) as the PDF sets them."""

from collections.abc import Sequence
from typing import Any, Literal
from xml.sax.saxutils import escape

from reportlab.lib.colors import HexColor
from reportlab.lib.styles import ParagraphStyle
from reportlab.platypus import Paragraph
from reportlab.platypus import Table as Grid

from worker.reports.fonts import BOLD, FONT
from worker.reports.pdf_page import CELL, GREY, INK, RULE, SHADE, WIDTH
from worker.reports.status_marks import COLOURS
from worker.reports.tables import Cell, Table

Style = list[tuple[str, tuple[int, int], tuple[int, int], *tuple[Any, ...]]]
OWN_FONT = ("FONT", (0, 0), (-1, -1), FONT, 7)
"""Of a table's cells: the default would be a font that is not embedded."""
PLAIN: Style = [
    OWN_FONT,
    ("TEXTCOLOR", (0, 0), (-1, -1), INK),
    ("BACKGROUND", (0, 0), (-1, 0), SHADE),
    ("LINEBELOW", (0, 0), (-1, -1), 0.4, RULE),
    ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
    ("VALIGN", (0, 0), (-1, 0), "BOTTOM"),
    ("TOPPADDING", (0, 0), (-1, -1), 2),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 2.6),
    ("LEFTPADDING", (0, 0), (-1, -1), 2.5),
    ("RIGHTPADDING", (0, 0), (-1, -1), 2.5),
]
LEFT: Literal[0] = 0
CENTRE: Literal[1] = 1
RIGHT: Literal[2] = 2
"""As reportlab.lib.enums has them, with the types that its styles ask for."""
HEAD = 0.92
"""Size of the letters of a head, which are bold, to those below it."""
BAR = 1.6
"""Width of the stripe in the colour of a status, points; the word and the symbol stand beside it."""
PARTS = {
    "rule": 34,
    "new": 15,
    "enlarging": 27,
    "stable": 16,
    "shrinking": 27,
    "resolved": 25,
    "indeterminate": 24,
    "baseline": 21,
    "time": 30,
    "counted": 23,
    "every": 23,
    "volume": 25,
    "gate": 52,
    "flag": 20,
    "value": 40,
    "expected": 72,
    "id": 8,
    "status": 32,
    "region": 24,
    "change": 15,
    "diameter": 18,
    "long_axis": 16,
    "flair": 14,
    "centre": 27,
    "certainty": 13,
    "probability": 14,
}
"""Width of columns in proportion: a table is as wide as its room."""
OTHERS = 18


def set_table(table: Table, *, width: float = WIDTH, size: float = 7.5, big: int | None = None) -> Grid:
    """The table in a width; its head stands again on every page.

    Args:
        table: what to set.
        width: of the room, points.
        size: of the letters.
        big: the row whose numbers are set large; they stand in the middle of their columns, as all of the table do.
    """
    centred = big is not None
    heads = [
        Paragraph(escape(one.title), _style(HEAD * size, bold=True, text=one.text or n == 0, centred=centred))
        for n, one in enumerate(table.columns)
    ]
    style: Style = [*PLAIN]
    cells: list[list[Any]] = [heads]
    for n, row in enumerate(table.rows, start=1):
        line = []
        for column, (of, cell) in enumerate(zip(table.columns, row.cells, strict=True)):
            text = of.text or column == 0
            loud = n == big and column > 0
            bold = loud or (cell.flag not in {"", "green"})
            look = _style(12 if loud else size, bold=bold, text=text, centred=centred and column > 0, grey=row.muted)
            line.append(_cell(cell, look))
            if cell.status:
                style.append(("LINEBEFORE", (column, n), (column, n), BAR, HexColor(COLOURS[cell.status])))
        cells.append(line)
    for column, of in enumerate(table.columns):
        if of.status:
            style.append(("LINEABOVE", (column, 0), (column, 0), BAR, HexColor(COLOURS[of.status])))
    return Grid(cells, colWidths=_across([one.key for one in table.columns], width), style=style, repeatRows=1)


def _cell(cell: Cell, look: ParagraphStyle) -> Paragraph:
    below = f'<br/><font size="{0.85 * look.fontSize:.1f}" color="#555555">{escape(cell.below)}</font>'
    return Paragraph(escape(cell.text) + (below if cell.below else ""), look)


def _style(size: float, *, bold: bool, text: bool, centred: bool, grey: bool = False) -> ParagraphStyle:
    numbers = CENTRE if centred else RIGHT
    return ParagraphStyle(
        "cell",
        parent=CELL,
        fontName=BOLD if bold else FONT,
        fontSize=size,
        leading=1.2 * size,
        alignment=LEFT if text else numbers,
        textColor=GREY if grey else INK,
        embeddedHyphenation=1,
        splitLongWords=0,
    )


def _across(keys: Sequence[str], width: float) -> list[float]:
    parts = [PARTS.get(key, OTHERS) for key in keys]
    return [width * one / sum(parts) for one in parts]
