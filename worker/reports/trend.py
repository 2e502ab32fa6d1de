"""How load and number of lesions went from visit to visit, as drawings that every page and the PDF share.

Points, black on white with words, so that a grey print says the same. An axis begins at zero: a small change does not
look large.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from reportlab.graphics.shapes import Drawing, Line, PolyLine
from reportlab.lib.colors import HexColor
from reportlab.pdfbase.pdfmetrics import stringWidth

from service.contracts.measures import Interval
from service.contracts.report import Report
from worker.reports.fonts import BOLD, FONT, load_fonts
from worker.reports.language import Words
from worker.reports.marks import EDGE, GREY, Place, lettering, mark
from worker.reports.rule_sizes import sizes

AXIS = HexColor("#8a9097")
GAP, HEAD = 14.0, 26.0
"""Between two courses, and above the highest value: the title, and room for the value."""
LINE, NAME, APART = 9.0, 7.0, 4.0
"""A line of visits' names, the size of their letters, and what is between two of them."""
FOOT = 5.0 + LINE
"""Below the axis: one line of names."""
MARGIN, NARROW = 0.24, 0.07
"""Of a course's width, on either side of the first and the last visit: room for their names, and for their numbers."""
MOST_LINES = 3
"""Of names; where they need more, their numbers stand in their place."""
LABEL = 7.5
"""Size of the letters of values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A number at each visit."""

    title: str
    values: Sequence[float]
    intervals: Sequence[Interval | None]
    labels: Sequence[str]
    """Of each value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visits:
    """What is written at each visit, and where it stands from 0, the first, to 1, the last."""

    names: Sequence[str]
    places: Sequence[float]
    numbers: Sequence[str] = ()
    """Written where the names need too many lines; none: the names are always written."""


def visits_of(names: Sequence[str], days: Sequence[int | None], numbers: Sequence[str] = ()) -> Visits:
    """Two visits or more by their days; where a day is missing, or all are one day, they stand evenly."""
    known = [day for day in days if day is not None]
    if len(known) < len(days) or known[0] == known[-1]:
        places = [n / (len(names) - 1) for n in range(len(names))]
    else:
        places = [(day - known[0]) / (known[-1] - known[0]) for day in known]
    return Visits(names=names, places=places, numbers=numbers)


def trend_chart(report: Report, words: Words, width: float, height: float) -> Drawing | None:
    """Volume and number from baseline to follow-up; None where the two are not compared."""
    volumes, counts, spread = report.volumes_ml, report.lesion_counts, report.volume_intervals_ml
    if not report.comparable or report.baseline is None or volumes.baseline is None or counts.baseline is None:
        return None
    names = [
        words.date(study.acquired) or words(f"time.{name}")
        for name, study in (("baseline", report.baseline), ("follow_up", report.follow_up))
    ]
    courses = (
        volume_course((volumes.baseline, volumes.follow_up), (spread.baseline, spread.follow_up), words),
        count_course((counts.baseline, counts.follow_up), words, sizes(report, words)),
    )
    return draw_courses(courses, visits_of(names, (None, None)), width, height)


def volume_course(volumes_ml: Sequence[float], intervals_ml: Sequence[Interval | None], words: Words) -> Course:
    """Lesion volume at each visit, ml, with its 95 % intervals."""
    labels = [words.number(one, 2) for one in volumes_ml]
    return Course(title=words("trend.volume"), values=volumes_ml, intervals=intervals_ml, labels=labels)


def count_course(counts: Sequence[int], words: Words, of: dict[str, str]) -> Course:
    """Number of counted lesions at each visit; `of`: the sizes of the rules (`worker.reports.rule_sizes`)."""
    labels = [str(one) for one in counts]
    return Course(title=words("trend.count", **of), values=counts, intervals=[None] * len(counts), labels=labels)


def draw_courses(courses: Sequence[Course], visits: Visits, width: float, height: float) -> Drawing:
    """Courses side by side over the same visits, points.

    Names of visits, and values, that do not fit beside each other stand in further lines, by which the drawing is
    higher.
    """
    load_fonts()
    wide = (width - GAP * (len(courses) - 1)) / len(courses)
    below = _below(visits, wide)
    rows = [_lines(one.labels, [below.across(place, wide) for place in visits.places], BOLD, LABEL) for one in courses]
    foot, head = FOOT + LINE * max(below.lines), HEAD + LINE * max(max(one) for one in rows)
    tall = height + foot - FOOT + head - HEAD
    drawing = Drawing(width, tall, initialFontName=FONT)  # the default would be one that is not embedded
    for n, course in enumerate(courses):
        frame = _Frame(
            left=n * (wide + GAP), width=wide, height=tall, base=foot, top=tall - head, highest=_highest(course)
        )
        at = [frame.left + below.across(place, wide) for place in visits.places]
        _draw_axis(drawing, course.title, frame)
        _draw_names(drawing, below, at, frame)
        _draw_values(drawing, course, at, rows[n], frame)
    return drawing


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """Where a course is drawn: title above, values from its base to its top, visits below."""

    left: float
    width: float
    height: float
    base: float
    top: float
    highest: float

    def up(self, value: float) -> float:
        """Of a value."""
        return self.base + value / self.highest * (self.top - self.base)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Below:
    """What is written below the axis, in which line, and the room beside the first and the last."""

    texts: Sequence[str]
    lines: Sequence[int]
    margin: float

    def across(self, place: float, width: float) -> float:
        """Of a visit, from 0 to 1, in a course."""
        return width * (self.margin + (1 - 2 * self.margin) * place)


def _below(visits: Visits, width: float) -> _Below:
    """The names of the visits; their numbers, closer to the edges, where the names need too many lines."""
    named = _written(visits.names, visits.places, MARGIN, width)
    if max(named.lines) < MOST_LINES or not visits.numbers:
        return named
    return _written(visits.numbers, visits.places, NARROW, width)


def _written(texts: Sequence[str], places: Sequence[float], margin: float, width: float) -> _Below:
    one_line = _Below(texts=texts, lines=[0] * len(texts), margin=margin)
    return replace(one_line, lines=_lines(texts, [one_line.across(place, width) for place in places], FONT, NAME))


def _lines(texts: Sequence[str], middles: Sequence[float], font: str, size: float) -> list[int]:
    """The line of each text, from 0: the first one in which it stands clear of the texts before it."""
    ends: list[float] = []
    lines = []
    for text, middle in zip(texts, middles, strict=True):
        half = stringWidth(text, font, size) / 2
        line = next((n for n, end in enumerate(ends) if end + APART <= middle - half), len(ends))
        ends[line : line + 1] = [middle + half]
        lines.append(line)
    return lines


def _highest(course: Course) -> float:
    return max([*course.values, *(one[1] for one in course.intervals if one is not None)]) or 1.0


def _draw_axis(drawing: Drawing, title: str, frame: _Frame) -> None:
    right = frame.left + frame.width
    drawing.add(lettering(title, (frame.left, frame.height - 8), 7.5, EDGE, bold=True))
    drawing.add(Line(frame.left, frame.base, right, frame.base, strokeColor=AXIS, strokeWidth=0.8))
    drawing.add(lettering("0", (frame.left, frame.base + 2), 6, GREY))


def _draw_names(drawing: Drawing, below: _Below, at: Sequence[float], frame: _Frame) -> None:
    for text, x, line in zip(below.texts, at, below.lines, strict=True):
        drawing.add(lettering(text, (x, frame.base - 10 - LINE * line), NAME, GREY, anchor="middle"))


def _draw_values(drawing: Drawing, course: Course, at: Sequence[float], rows: Sequence[int], frame: _Frame) -> None:
    """Each value over its point; where they do not all fit beside each other, in lines above the highest."""
    places = [(x, frame.up(value)) for x, value in zip(at, course.values, strict=True)]
    drawing.add(PolyLine([c for place in places for c in place], strokeColor=EDGE, strokeWidth=1.4))
    for place, spread, label, row in zip(places, course.intervals, course.labels, rows, strict=True):
        top = place[1] if spread is None else _draw_spread(drawing, place, spread, frame)
        drawing.add(mark("point", place, 2.6))
        above = frame.top + LINE * row if max(rows) else top
        drawing.add(lettering(label, (place[0], above + 4.5), LABEL, EDGE, anchor="middle", bold=True))


def _draw_spread(drawing: Drawing, place: Place, spread: Interval, frame: _Frame) -> float:
    """A bar over the interval; returns its upper end."""
    x, (low, high) = place[0], (frame.up(one) for one in spread)
    drawing.add(Line(x, low, x, high, strokeColor=EDGE, strokeWidth=0.8))
    for end in (low, high):
        drawing.add(Line(x - 3, end, x + 3, end, strokeColor=EDGE, strokeWidth=0.8))
    return high
