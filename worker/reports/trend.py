"""A line of numbers over time as a small drawing (SVG) that stands inside a page."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 560.0, 190.0
LEFT, RIGHT, TOP, BOTTOM = 60.0, 60.0, 46.0, 34.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One point of a drawing, and what is written at it."""

    x: float
    y: float
    value: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """A drawing with its place of everything, in its own units."""

    title: str
    marks: tuple[Mark, ...]
    width: float = WIDTH
    height: float = HEIGHT
    base: float = HEIGHT - BOTTOM
    """Where zero lies."""

    @property
    def line(self) -> str:
        """The points of the line."""
        return " ".join(f"{mark.x:.1f},{mark.y:.1f}" for mark in self.marks)

    @property
    def said(self) -> str:
        """The same in words, for those who do not see it."""
        return f"{self.title}: " + "; ".join(f"{mark.name}: {mark.value}" for mark in self.marks)


def trend(title: str, points: Sequence[tuple[str, int | None, float]], *, digits: int) -> Trend:
    """The drawing of two points or more; the axis begins at zero, so that a small change does not look large.

    Args:
        title: what is shown, with its unit.
        points: name, day and value of each; where a day is missing, or all are one day, they stand evenly.
        digits: behind the point of a written value.
    """
    days = [day for _, day, _ in points if day is not None]
    even = len(days) < len(points) or days[0] == days[-1]
    places = [n / (len(points) - 1) for n in range(len(points))]
    if not even:
        places = [(day - days[0]) / (days[-1] - days[0]) for day in days]
    top = max(value for _, _, value in points) or 1.0
    marks = tuple(
        Mark(
            x=LEFT + (WIDTH - LEFT - RIGHT) * place,
            y=HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top,
            value=f"{value:.{digits}f}",
            name=name,
        )
        for place, (name, _, value) in zip(places, points, strict=True)
    )
    return Trend(title=title, marks=marks)
