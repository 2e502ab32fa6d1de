"""Drawings that the page and the PDF share: the glass brain, and how load and number went from visit to visit.

Points, black on white with shapes and words, so that a grey print says the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from reportlab.graphics.shapes import Drawing, Line, PolyLine, String
from reportlab.lib.colors import Color, HexColor
from reportlab.pdfbase.pdfmetrics import stringWidth

from service.contracts.measures import Interval
from service.contracts.report import LesionStatus, Report
from worker.reports.fonts import BOLD, FONT, load_fonts
from worker.reports.glass_brain import GlassBrain, View
from worker.reports.language import Words
from worker.reports.marks import EDGE, Place, mark
from worker.reports.rule_sizes import sizes

RIM, INNER, AXIS = HexColor("#6b7178"), HexColor("#c9ced3"), HexColor("#8a9097")
GREY = HexColor("#555555")
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
        drawing.add(_text(words(f"glass.{view.name}"), (left, tall + FOOT + 4), 7, GREY))
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
            drawing.add(_text(str(one.lesion), (x, y), NUMBER, EDGE, bold=True))


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
        drawing.add(_text(name, (left + 7, 2), 7, EDGE))
        left = left + 7 + stringWidth(name, FONT, 7) + 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A number at each visit."""

    title: str
    values: Sequence[float]
    intervals: Sequence[Interval | None]
    labels: Sequence[str]
    """Of each value."""


def courses_of(report: Report, words: Words) -> tuple[Course, ...]:
    """Volume and number of lesions at baseline and at follow-up; none where the two are not compared."""
    volumes, counts, spread = report.volumes_ml, report.lesion_counts, report.volume_intervals_ml
    if not report.comparable or volumes.baseline is None or counts.baseline is None:
        return ()
    both_ml, both = (volumes.baseline, volumes.follow_up), (counts.baseline, counts.follow_up)
    return (
        Course(
            title=words("trend.volume"),
            values=both_ml,
            intervals=(spread.baseline, spread.follow_up),
            labels=[words.number(one, 2) for one in both_ml],
        ),
        Course(
            title=words("trend.count", **sizes(report, words)),
            values=both,
            intervals=(None, None),
            labels=[str(one) for one in both],
        ),
    )


def trend_chart(report: Report, words: Words, width: float, height: float) -> Drawing | None:
    """Volume and number from baseline to follow-up, each from zero; None where the two are not compared."""
    courses = courses_of(report, words)
    if not courses or report.baseline is None:
        return None
    load_fonts()
    drawing = Drawing(width, height, initialFontName=FONT)  # the default would be one that is not embedded
    visits = [
        words.date(study.acquired) or words(f"time.{name}")
        for name, study in (("baseline", report.baseline), ("follow_up", report.follow_up))
    ]
    wide = (width - GAP) / len(courses)
    for n, course in enumerate(courses):
        _draw_course(drawing, course, visits, _Frame(left=n * (wide + GAP), width=wide, height=height))
    return drawing


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """Where a course is drawn: title above, visits below."""

    left: float
    width: float
    height: float

    def place(self, n: int, visits: int, part: float) -> tuple[float, float]:
        """Of the n-th visit's value, from 0 (axis) to 1 (highest)."""
        inner = 0.52 * self.width
        x = self.left + 0.24 * self.width + inner * (n / max(1, visits - 1))
        return x, FOOT + part * (self.height - FOOT - HEAD - 14)


def _draw_course(drawing: Drawing, course: Course, visits: Sequence[str], frame: _Frame) -> None:
    highest = max([*course.values, *(one[1] for one in course.intervals if one is not None)]) or 1.0
    drawing.add(_text(course.title, (frame.left, frame.height - 8), 7.5, EDGE, bold=True))
    drawing.add(Line(frame.left, FOOT, frame.left + frame.width, FOOT, strokeColor=AXIS, strokeWidth=0.8))
    drawing.add(_text("0", (frame.left, FOOT + 2), 6, GREY))
    places = [frame.place(n, len(visits), value / highest) for n, value in enumerate(course.values)]
    drawing.add(PolyLine([c for place in places for c in place], strokeColor=EDGE, strokeWidth=1.4))
    for n, ((x, y), spread, label) in enumerate(zip(places, course.intervals, course.labels, strict=True)):
        top = y
        if spread is not None:
            low, top = (frame.place(n, len(visits), one / highest)[1] for one in spread)
            drawing.add(Line(x, low, x, top, strokeColor=EDGE, strokeWidth=0.8))
            for end in (low, top):
                drawing.add(Line(x - 3, end, x + 3, end, strokeColor=EDGE, strokeWidth=0.8))
        drawing.add(mark("point", (x, y), 2.6))
        drawing.add(_text(label, (x, top + 4.5), 7.5, EDGE, anchor="middle", bold=True))
        drawing.add(_text(visits[n], (x, 4), 7, GREY, anchor="middle"))


def _text(
    text: str,
    at: Place,
    size: float,
    colour: Color,
    *,
    anchor: Literal["start", "middle"] = "start",
    bold: bool = False,
) -> String:
    return String(*at, text, fontName=BOLD if bold else FONT, fontSize=size, fillColor=colour, textAnchor=anchor)
