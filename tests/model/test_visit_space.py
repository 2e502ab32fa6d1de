"""The space where visits meet whose motion is known."""

from itertools import pairwise

import numpy as np
import pytest

from model.phantom_scan import rigid
from model.preprocess import half_way
from model.visit_space import chained, visits_from_common

MOTIONS = [
    rigid((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
    rigid((3.0, -2.0, 5.0), (4.0, -6.0, 8.0)),
    rigid((-6.0, 4.0, 1.0), (-3.0, 2.0, 0.0)) @ np.diag([1.01, 0.99, 1.0, 1.0]),
    rigid((2.0, 8.0, -4.0), (10.0, 0.0, -5.0)),
]
"""World of each visit -> world of the first, mm."""


def test_of_two_visits_it_is_the_half_way_space_of_a_comparison_bit_for_bit():
    for found, expected in zip(visits_from_common(MOTIONS[:2]), half_way(MOTIONS[1]), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_one_visit_is_its_own_middle():
    np.testing.assert_array_equal(visits_from_common(MOTIONS[:1])[0], np.eye(4))


@pytest.mark.parametrize("count", [2, 3, 4])
def test_the_way_from_visit_to_visit_through_the_middle_is_the_direct_way(count):
    found = visits_from_common(MOTIONS[:count])
    for one, motion in zip(found, MOTIONS[:count], strict=True):
        np.testing.assert_allclose(found[0] @ np.linalg.inv(one), motion, atol=1e-9)


@pytest.mark.parametrize("order", [(3, 2, 1, 0), (2, 0, 3, 1)])
def test_it_does_not_matter_which_visit_is_called_the_first(order):
    straight = visits_from_common(MOTIONS)
    from_another = [np.linalg.inv(MOTIONS[order[0]]) @ MOTIONS[visit] for visit in order]
    for visit, found in zip(order, visits_from_common(from_another), strict=True):
        np.testing.assert_allclose(found, straight[visit], atol=1e-9)


def test_in_the_space_of_the_baseline_only_the_later_visits_are_moved():
    found = visits_from_common(MOTIONS, "baseline")
    np.testing.assert_array_equal(found[0], np.eye(4))
    for one, motion in zip(found, MOTIONS, strict=True):
        np.testing.assert_allclose(one @ motion, np.eye(4), atol=1e-12)


def test_pure_shifts_meet_at_their_mean():
    shifts = [0.0, 3.0, 12.0]
    found = visits_from_common([rigid((0.0, 0.0, 0.0), (mm, 0.0, 0.0)) for mm in shifts])
    assert [one[0, 3] for one in found] == pytest.approx([5.0, 2.0, -7.0])


def test_transforms_between_neighbours_are_chained_to_the_first():
    steps = [np.linalg.inv(a) @ b for a, b in pairwise(MOTIONS)]
    for found, expected in zip(chained(steps), MOTIONS, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_no_visit_has_no_middle():
    with pytest.raises(ValueError, match="first_from_each"):
        visits_from_common([])
