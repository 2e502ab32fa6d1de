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
BELOW = 0.85
"""Size of the letters below a text to those of the text."""
BAR = 1.6
"""Width of the stripe in the colour of a status, points; the word and the symbol stand beside it."""
PARTS = {
    "rule": 34,
    "new": 16,
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
    "visit": 35,
    "followed": 29,
    "pair": 33,
    "role": 29,
    "compared": 18,
    "at_visit": 24,
    "first_to_last": 24,
}
"""Width of columns in proportion: a table is as wide as its room."""
OTHERS = 18
FROM_LEFT = {"at_visit"}
"""Columns of numbers with a status below each: they begin where the stripe of the status stands."""


def set_table(table: Table, *, width: float = WIDTH, size: float = 7.5, big: int | None = None) -> Grid:
    """The table in a width; its head stands again on every page.

    Args:
        table: what to set.
        width: of the room, points.
        size: of the letters.
        big: the row whose numbers are set large; they stand in the middle of their columns, as all of the table do.
    """
    centred = big is not None
    style: Style = [*PLAIN]
    cells: list[list[Any]] = [_heads(table, size, style, centred=centred)]
    for n, row in enumerate(table.rows, start=1):
        line: list[Any] = [""] * len(table.columns)
        begin = table.columns[: len(table.columns) - row.cells[-1].span + 1]
        for column, (of, cell) in enumerate(zip(begin, row.cells, strict=True)):
            text = of.text or of.key in FROM_LEFT or column == 0 or cell.span > 1
            loud = n == big and column > 0
            bold = loud or (cell.flag not in {"", "green"} and not cell.after)
            look = _style(12 if loud else size, bold=bold, text=text, centred=centred and column > 0, grey=row.muted)
            line[column] = _cell(cell, look)
            if cell.status:
                style.append(("LINEBEFORE", (column, n), (column, n), BAR, HexColor(COLOURS[cell.status])))
            if cell.span > 1:
                style.append(("SPAN", (column, n), (column + cell.span - 1, n)))
        cells.append(line)
    if any(cell.above for row in table.rows for cell in row.cells):
        style.append(("VALIGN", (0, 1), (-1, -1), "TOP"))  # the numbers of a row on one line
    return Grid(cells, colWidths=_across([one.key for one in table.columns], width), style=style, repeatRows=1)


def _heads(table: Table, size: float, style: Style, *, centred: bool) -> list[Any]:
    """The cells of the head; what they look like goes to `style`."""
    line: list[Any] = [""] * len(table.columns)
    column = 0
    for of, span in table.heads:
        text = of.text or of.key in FROM_LEFT or column == 0
        look = _style(HEAD * size, bold=True, text=text, centred=centred)
        line[column] = Paragraph(escape(of.title).replace("\n", "<br/>"), look)
        if span > 1:
            style.append(("SPAN", (column, 0), (column + span - 1, 0)))
        if of.status:
            style.append(("LINEABOVE", (column, 0), (column, 0), BAR, HexColor(COLOURS[of.status])))
        column += span
    return line


def _cell(cell: Cell, look: ParagraphStyle) -> list[Paragraph]:
    """What stands below in a paragraph of its own: soft hyphens are obeyed where all letters have one size."""
    text = f"<b>{escape(cell.text)}</b> {escape(cell.after)}" if cell.after else escape(cell.text)
    above = f"{escape(cell.above)}<br/>" if cell.above else ""
    below = ParagraphStyle("below", parent=look, fontSize=BELOW * look.fontSize, textColor=GREY)
    return [Paragraph(above + text, look), *([Paragraph(escape(cell.below), below)] if cell.below else [])]


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
