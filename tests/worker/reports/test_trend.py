"""The drawing of numbers over visits: places by time, heights from zero, intervals as bars."""

import itertools

import pytest
from reportlab.graphics.shapes import Circle, Drawing, Group, Line, String

from worker.reports.trend import Course, draw_courses, visits_of


def course(values, intervals=None):
    labels = [f"{one:.1f}" for one in values]
    return Course(title="ml", values=values, intervals=intervals or [None] * len(values), labels=labels)


def points(drawing: Drawing) -> list[tuple[float, float]]:
    """Where the values are marked."""
    groups = [one for one in drawing.contents if isinstance(one, Group)]
    return [(one.cx, one.cy) for group in groups for one in group.contents if isinstance(one, Circle)]


def axis(drawing: Drawing) -> float:
    """Where zero lies: the longest line."""
    return max((one for one in drawing.contents if isinstance(one, Line)), key=lambda one: one.x2 - one.x1).y1


def test_values_stand_over_time_and_their_axis_begins_at_zero():
    drawn = draw_courses([course([1.0, 2.0, 4.0])], visits_of("abc", [0, 25, 100]), 290, 115)
    first, second, last = points(drawn)
    assert (second[0] - first[0]) / (last[0] - first[0]) == pytest.approx(0.25)
    assert (second[1] - axis(drawn)) / (last[1] - axis(drawn)) == pytest.approx(0.5)


@pytest.mark.parametrize("days", [(0, None, 100), (5, 5, 5)])
def test_without_dates_the_visits_stand_evenly(days):
    assert visits_of("abc", days).places == pytest.approx([0.0, 0.5, 1.0])


def test_without_lesions_all_values_lie_on_the_axis():
    drawn = draw_courses([course([0.0, 0.0])], visits_of("ab", [0, 1]), 290, 115)
    assert {y for _, y in points(drawn)} == {axis(drawn)}


def test_an_interval_is_a_bar_over_its_point_and_inside_the_drawing():
    drawn = draw_courses([course([1.0, 2.0], [(0.5, 1.5), (1.0, 3.0)])], visits_of("ab", [0, 1]), 290, 115)
    bars = [one for one in drawn.contents if isinstance(one, Line) and one.x1 == one.x2]
    heights = [[(end - axis(drawn)) for end in (one.y1, one.y2)] for one in bars]
    unit = points(drawn)[0][1] - axis(drawn)
    assert heights[0] == pytest.approx([0.5 * unit, 1.5 * unit])
    assert heights[1] == pytest.approx([1.0 * unit, 3.0 * unit])
    assert axis(drawn) + heights[1][1] < 115


def test_courses_stand_side_by_side_and_names_that_do_not_fit_in_a_second_line():
    names = [letter * 12 for letter in "abc"]
    drawn = draw_courses([course([1.0, 2.0, 3.0])] * 2, visits_of(names, [0, 1, 2]), 290, 115)
    assert len(points(drawn)) == 6
    assert points(drawn)[2][0] < points(drawn)[3][0]
    heights = {one.text: one.y for one in drawn.contents if isinstance(one, String)}
    first, second, third = (heights[name] for name in names)
    assert first == third > second > 0


def test_names_stand_in_one_line_where_they_fit_and_never_on_each_other():
    short = draw_courses([course([1.0] * 3)], visits_of("abc", [0, 1, 2]), 290, 115)
    assert short.height == 115
    names = [f"Untersuchung {n}, 01.03.202{n}" for n in range(7)]
    drawn = draw_courses([course([1.0] * 7)], visits_of(names, [0, 100, 110, 200, 1000, 1001, 1010]), 290, 115)
    boxes = [one.getBounds() for one in drawn.contents if isinstance(one, String) and one.text in names]
    assert len(boxes) == 7
    assert all(left > 0 and right < 290 and low > 0 for left, low, right, _ in boxes)
    assert not any(a[0] < b[2] and b[0] < a[2] and a[1] == b[1] for a, b in itertools.combinations(boxes, 2))


def boxes_of(drawing: Drawing, texts: set[str]) -> list[tuple[float, float, float, float]]:
    return [one.getBounds() for one in drawing.contents if isinstance(one, String) and one.text in texts]


def test_numbers_of_visits_stand_where_their_names_need_too_many_lines():
    names, numbers = [f"Untersuchung {n}" for n in range(1, 10)], [f"{n}" for n in range(1, 10)]
    few = draw_courses([course([8.0] * 2)], visits_of(names[:2], [0, 1], numbers[:2]), 290, 115)
    many = draw_courses([course([80.0] * 9)], visits_of(names, range(9), numbers), 290, 115)
    assert [one.text for one in few.contents if isinstance(one, String) and one.text in names] == names[:2]
    assert [one.text for one in many.contents if isinstance(one, String) and one.text in numbers] == numbers
    assert boxes_of(many, {*names}) == []


def test_values_never_stand_on_each_other_and_stay_inside_the_drawing():
    values = [20.25 + 3 * (n % 4) for n in range(12)]
    days = [n * n for n in range(12)]
    drawn = draw_courses([course(values)] * 2, visits_of(["name"] * 12, days, [*"abcdefghijkl"]), 522, 94)
    boxes = boxes_of(drawn, {f"{one:.1f}" for one in values})
    assert len(boxes) == 24
    assert all(left > 0 and right < 522 and high < drawn.height for left, _, right, high in boxes)
    assert not any(
        a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3] for a, b in itertools.combinations(boxes, 2)
    )
    assert all(drawn.height - 26 > y for _, y in points(drawn))
