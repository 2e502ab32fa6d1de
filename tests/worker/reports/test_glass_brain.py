"""The glass brain: the patient's sides, the views' places, and what counts."""

from dataclasses import replace

import numpy as np
import pytest

from tests.fixtures import report_case
from worker.reports.glass_brain import project
from worker.reports.glass_chart import glass_chart
from worker.reports.language import words
from worker.reports.marks import MARKS
from worker.reports.svg import inline_svg


@pytest.fixture(scope="module")
def inputs():
    return report_case.figures()


@pytest.fixture(scope="module")
def glass(inputs):
    return project(inputs.brain, inputs.grid, inputs.analysis.changes)


def marks_of(glass, name):
    (view,) = (one for one in glass.views if one.name == name)
    return view, {mark.lesion: mark for mark in view.marks}


def test_a_lesion_of_the_patients_right_is_on_the_left_from_the_front_and_from_below(inputs, glass):
    (enlarging,) = (c for c in inputs.analysis.changes if c.status == "enlarging")  # 26 mm to the right
    for name in ("front", "below"):
        view, marks = marks_of(glass, name)
        assert marks[enlarging.id].x_mm == pytest.approx(view.width_mm / 2 - 26, abs=4)


def test_the_front_of_the_head_is_on_the_left_from_the_side_and_up_from_below(inputs, glass):
    by_front = sorted(inputs.analysis.changes, key=lambda c: c.centroid_mm[1])  # LPS: the front first
    _, side = marks_of(glass, "side")
    _, below = marks_of(glass, "below")
    assert [side[c.id].x_mm for c in by_front] == sorted(side[c.id].x_mm for c in by_front)
    assert [below[c.id].y_mm for c in by_front] == sorted((below[c.id].y_mm for c in by_front), reverse=True)


def test_every_mark_lies_inside_the_outline_of_the_brain(glass):
    for view in glass.views:
        points = np.array([point for line in view.rim for point in line])
        assert points.min() >= -1.0
        assert points[:, 0].max() <= view.width_mm + 1
        for mark in view.marks:
            assert points[:, 0].min() < mark.x_mm < points[:, 0].max()
            assert points[:, 1].min() < mark.y_mm < points[:, 1].max()


def test_lesions_that_do_not_count_are_left_out(inputs):
    small = tuple(replace(c, follow_up_mm3=9.0, baseline_mm3=0.0) for c in inputs.analysis.changes)
    glass = project(inputs.brain, inputs.grid, small)
    assert all(view.marks == () for view in glass.views)


def test_each_status_has_a_shape_of_its_own():
    shapes = {
        status: [(type(one).__name__, getattr(one, "fillColor", None) is not None) for one in make((0, 0), 4.0, None)]
        for status, make in MARKS.items()
        if status != "point"
    }
    fills = {name: str(kinds) for name, kinds in shapes.items()}
    points = [
        str(getattr(one, "points", "")) for name in ("enlarging", "shrinking") for one in MARKS[name]((0, 0), 4.0, None)
    ]
    assert len(set(fills.values())) >= 5
    assert points[0] != points[1]  # the two triangles point up and down


def test_the_drawing_numbers_changed_lesions_and_names_what_is_in_it(glass):
    svg = inline_svg(glass_chart(glass, words("de"), 500), "Umriss")
    for text in ("größenprogredient", "nicht mehr abgrenzbar", ">2<", ">6<", "Ansicht von vorn"):
        assert text in svg
    assert ">4<" not in svg  # stable: a dot
    assert 'role="img" aria-label="Umriss"' in svg
    assert "http" not in svg
    assert "id=" not in svg
