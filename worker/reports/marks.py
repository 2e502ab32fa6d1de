"""The mark of each status in a drawing, and its letters: told apart by shape alone, so that a grey print says the same.

Filled is activity (new: a disc with a cross, enlarging: a triangle up), hollow is regress (shrinking: a triangle down,
resolved: a ring), a hollow square is indeterminate, a small grey dot is stable.
"""

from collections.abc import Callable
from typing import Literal

from reportlab.graphics.shapes import Circle, Group, Line, Polygon, Rect, Shape, SolidShape, String
from reportlab.lib.colors import Color, HexColor, white

from worker.reports.fonts import BOLD, FONT
from worker.reports.status_marks import COLOURS

EDGE = HexColor("#1a1d21")
GREY = HexColor("#555555")
DOT = HexColor("#9aa0a6")
Place = tuple[float, float]


def mark(status: str, at: Place, radius: float) -> Group:
    """Points; a stable lesion's dot is smaller than the rest."""
    return Group(*MARKS[status](at, radius, HexColor(COLOURS.get(status, "#1a1d21"))))


def lettering(
    text: str,
    at: Place,
    size: float,
    colour: Color,
    *,
    anchor: Literal["start", "middle"] = "start",
    bold: bool = False,
) -> String:
    """Words in a drawing; place and size in points."""
    return String(*at, text, fontName=BOLD if bold else FONT, fontSize=size, fillColor=colour, textAnchor=anchor)


def _new(at: Place, r: float, colour: Color) -> list[Shape]:
    x, y = at
    arm = 0.55 * r
    cross = [Line(x - arm, y, x + arm, y), Line(x, y - arm, x, y + arm)]
    for line in cross:
        line.strokeColor, line.strokeWidth = EDGE, 0.35 * r
    return [Circle(x, y, r, fillColor=colour, strokeColor=EDGE, strokeWidth=0.8), *cross]


def _enlarging(at: Place, r: float, colour: Color) -> list[Shape]:
    return [Polygon(_triangle(at, 1.15 * r, 1), fillColor=colour, strokeColor=EDGE, strokeWidth=0.8)]


def _shrinking(at: Place, r: float, colour: Color) -> list[Shape]:
    return _hollow(lambda: Polygon(_triangle(at, r, -1)), colour)


def _resolved(at: Place, r: float, colour: Color) -> list[Shape]:
    return _hollow(lambda: Circle(*at, 0.85 * r), colour)


def _indeterminate(at: Place, r: float, colour: Color) -> list[Shape]:
    side = 1.5 * r
    return _hollow(lambda: Rect(at[0] - side / 2, at[1] - side / 2, side, side), colour)


def _stable(at: Place, r: float, _: Color) -> list[Shape]:
    return [Circle(*at, min(1.3, r), fillColor=DOT, strokeColor=None)]


def _point(at: Place, r: float, colour: Color) -> list[Shape]:
    return [Circle(*at, r, fillColor=colour, strokeColor=white, strokeWidth=0.8)]


def _hollow(outline: Callable[[], SolidShape], colour: Color) -> list[Shape]:
    """A dark edge with the colour on it: light colours alone vanish on white."""
    edges: list[Shape] = []
    for width, edge in ((2.6, EDGE), (1.3, colour)):
        shape = outline()
        shape.fillColor, shape.strokeColor, shape.strokeWidth = white, edge, width
        edges.append(shape)
    return edges


def _triangle(at: Place, r: float, up: int) -> list[float]:
    x, y = at
    return [x - r, y - 0.8 * r * up, x + r, y - 0.8 * r * up, x, y + 0.95 * r * up]


MARKS: dict[str, Callable[[Place, float, Color], list[Shape]]] = {
    "new": _new,
    "enlarging": _enlarging,
    "shrinking": _shrinking,
    "resolved": _resolved,
    "indeterminate": _indeterminate,
    "stable": _stable,
    "point": _point,
}
"""By status; `point`: a value of a chart."""
