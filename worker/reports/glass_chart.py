"""The glass brain as a drawing that the page and the PDF share.

Points, black on white with shapes and words, so that a grey print says the same.
"""

from collections.abc import Sequence

from reportlab.graphics.shapes import Drawing, PolyLine
from reportlab.lib.colors import HexColor
from reportlab.pdfbase.pdfmetrics import stringWidth

from service.contracts.report import LesionStatus
from worker.reports.fonts import BOLD, FONT, load_fonts
from worker.reports.glass_brain import GlassBrain, View
from worker.reports.language import Words
from worker.reports.marks import EDGE, GREY, Place, lettering, mark

RIM, INNER = HexColor("#6b7178"), HexColor("#c9ced3")
GAP, HEAD, FOOT = 14.0, 12.0, 14.0
"""Between views, for the title above them, and for the legend below, points."""
SMALLEST, LARGEST = 3.0, 6.0
"""Radius of a mark, points."""
NUMBER = 6.2
"""Size of a lesion's number."""
EDGE_ROOM = 1.5
"""Around the views, so that no outline is cut."""
Box = tuple[float, float, float, float]
STABLE = LesionStatus.STABLE.value


def glass_chart(glass: GlassBrain, words: Words, width: float) -> Drawing:
    """The three views side by side with a legend of what is in them."""
    load_fonts()
    room = width - GAP * (len(glass.views) - 1) - 2 * EDGE_ROOM
    scale = room / sum(view.width_mm for view in glass.views)
    tall = max(view.height_mm for view in glass.views) * scale
    drawing = Drawing(width, tall + HEAD + FOOT + EDGE_ROOM, initialFontName=FONT)
    left = EDGE_ROOM
    for view in glass.views:
        bottom = FOOT + (tall - view.height_mm * scale) / 2
        drawing.add(lettering(words(f"glass.{view.name}"), (left, tall + FOOT + 4), 7, GREY))
        _draw_view(drawing, view, (left, bottom), scale)
        left += view.width_mm * scale + GAP
    _legend(drawing, glass, words)
    return drawing


def _draw_view(drawing: Drawing, view: View, corner: tuple[float, float], scale: float) -> None:
    for lines, colour, wide in ((view.inner, INNER, 0.7), (view.rim, RIM, 1.1)):
        for line in lines:
            points = [c for x, y in line for c in (corner[0] + x * scale, corner[1] + y * scale)]
            drawing.add(PolyLine(points, strokeColor=colour, strokeWidth=wide))
    placed = []
    for one in sorted(view.marks, key=lambda one: (one.status != STABLE, -one.diameter_mm)):  # dots below marks
        at = (corner[0] + one.x_mm * scale, corner[1] + one.y_mm * scale)
        radius = min(LARGEST, max(SMALLEST, one.diameter_mm * scale / 2))
        drawing.add(mark(one.status, at, radius))
        placed.append((one, at, radius))
    taken = [(x - r, y - r, x + r, y + r) for one, (x, y), r in placed if one.status != STABLE]
    for one, at, radius in placed:
        if one.status != STABLE:
            x, y, box = _free(str(one.lesion), at, radius, taken)
            taken.append(box)
            drawing.add(lettering(str(one.lesion), (x, y), NUMBER, EDGE, bold=True))


def _free(text: str, at: Place, radius: float, taken: Sequence[Box]) -> tuple[float, float, Box]:
    """Where a number beside its mark hides the least: right, left, above or below; and the box that it fills."""
    wide, tall, gap = stringWidth(text, BOLD, NUMBER), 0.75 * NUMBER, 1.2
    x, y = at
    corners = [
        (x + radius + gap, y - tall / 2),
        (x - radius - gap - wide, y - tall / 2),
        (x - wide / 2, y + radius + gap),
        (x - wide / 2, y - radius - gap - tall),
    ]
    boxes = [(left, low, left + wide, low + tall) for left, low in corners]
    best = min(boxes, key=lambda box: sum(_shared(box, other) for other in taken))
    return best[0], best[1], best


def _shared(one: Box, other: Box) -> float:
    """Area that two boxes share."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    tall = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, wide) * max(0.0, tall)


def _legend(drawing: Drawing, glass: GlassBrain, words: Words) -> None:
    left = 4.0
    for status in (one.value for one in LesionStatus if one.value in glass.statuses):
        name = words(f"status.{status}")
        drawing.add(mark(status, (left, 4.5), 3.4))
        drawing.add(lettering(name, (left + 7, 2), 7, EDGE))
        left = left + 7 + stringWidth(name, FONT, 7) + 16
