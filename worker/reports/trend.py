"""How load and number of lesions went from visit to visit, as drawings that every page and the PDF share.

Points, black on white with words, so that a grey print says the same. An axis begins at zero: a small change does not
look large.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from reportlab.graphics.shapes import Drawing, Line, PolyLine
from reportlab.lib.colors import HexColor
from reportlab.pdfbase.pdfmetrics import stringWidth

from service.contracts.measures import Interval
from service.contracts.report import Report
from worker.reports.fonts import FONT, load_fonts
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
MARGIN = 0.24
"""Of a course's width, on either side of the first and the last visit: room for their names."""


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


def visits_of(names: Sequence[str], days: Sequence[int | None]) -> Visits:
    """Two visits or more by their days; where a day is missing, or all are one day, they stand evenly."""
    known = [day for day in days if day is not None]
    if len(known) < len(days) or known[0] == known[-1]:
        return Visits(names=names, places=[n / (len(names) - 1) for n in range(len(names))])
    return Visits(names=names, places=[(day - known[0]) / (known[-1] - known[0]) for day in known])


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

    Names of visits that do not fit beside each other stand in further lines, by which the drawing is higher.
    """
    load_fonts()
    wide = (width - GAP * (len(courses) - 1)) / len(courses)
    lines = _name_lines(visits, wide)
    below = LINE * max(lines)
    drawing = Drawing(width, height + below, initialFontName=FONT)  # the default would be one that is not embedded
    for n, course in enumerate(courses):
        frame = _Frame(
            left=n * (wide + GAP), width=wide, height=height + below, base=FOOT + below, highest=_highest(course)
        )
        _draw_axis(drawing, course.title, frame)
        _draw_names(drawing, visits, lines, frame)
        _draw_values(drawing, course, visits, frame)
    return drawing


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """Where a course is drawn: title above, visits below its base."""

    left: float
    width: float
    height: float
    base: float
    highest: float

    def across(self, place: float) -> float:
        """Of a visit, from 0 to 1."""
        return self.left + _across(place, self.width)

    def up(self, value: float) -> float:
        """Of a value."""
        return self.base + value / self.highest * (self.height - self.base - HEAD)


def _across(place: float, width: float) -> float:
    return width * (MARGIN + (1 - 2 * MARGIN) * place)


def _name_lines(visits: Visits, width: float) -> list[int]:
    """The line of each visit's name, from 0: the first one in which it stands clear of the names before it."""
    ends: list[float] = []
    lines = []
    for name, place in zip(visits.names, visits.places, strict=True):
        middle, half = _across(place, width), stringWidth(name, FONT, NAME) / 2
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


def _draw_names(drawing: Drawing, visits: Visits, lines: Sequence[int], frame: _Frame) -> None:
    for name, place, line in zip(visits.names, visits.places, lines, strict=True):
        at = (frame.across(place), frame.base - 10 - LINE * line)
        drawing.add(lettering(name, at, NAME, GREY, anchor="middle"))


def _draw_values(drawing: Drawing, course: Course, visits: Visits, frame: _Frame) -> None:
    places = [(frame.across(x), frame.up(value)) for x, value in zip(visits.places, course.values, strict=True)]
    drawing.add(PolyLine([c for place in places for c in place], strokeColor=EDGE, strokeWidth=1.4))
    for place, spread, label in zip(places, course.intervals, course.labels, strict=True):
        top = place[1] if spread is None else _draw_spread(drawing, place, spread, frame)
        drawing.add(mark("point", place, 2.6))
        drawing.add(lettering(label, (place[0], top + 4.5), 7.5, EDGE, anchor="middle", bold=True))


def _draw_spread(drawing: Drawing, place: Place, spread: Interval, frame: _Frame) -> float:
    """A bar over the interval; returns its upper end."""
    x, (low, high) = place[0], (frame.up(one) for one in spread)
    drawing.add(Line(x, low, x, high, strokeColor=EDGE, strokeWidth=0.8))
    for end in (low, high):
        drawing.add(Line(x - 3, end, x + 3, end, strokeColor=EDGE, strokeWidth=0.8))
    return high
