"""Certainty of a direction, on lesions that are boxes with known probabilities."""

import numpy as np
import pytest

from model.changes import Masks, compare
from model.grid import network_grid
from model.rules import Rules
from model.statuses import OPPOSITE, Status
from tests.fixtures.boxes import boxes_in

SHAPE = (24, 24, 24)
NOTHING = np.zeros(SHAPE, np.float32)


def box(size, probability, start=(8, 8, 8)):
    return boxes_in(SHAPE, (start, size)) * np.float32(probability)


def compared(before, after, *, alone=None, masks=None, rules=None):
    first, second = (before >= 0.5, after >= 0.5) if masks is None else masks
    return compare(
        Masks(
            baseline=first,
            follow_up=second,
            baseline_probability=before,
            follow_up_probability=after,
            seen_in_both=np.ones(SHAPE, bool),
            grid=network_grid(SHAPE),
            baseline_opinions=() if alone is None else (alone[0],),
            follow_up_opinions=() if alone is None else (alone[1],),
        ),
        rules or Rules(),
    ).changes


SURE = box((5, 5, 5), 1.0)
LARGER = box((5, 5, 9), 1.0)


@pytest.mark.parametrize(
    ("before", "after", "status"),
    [
        (NOTHING, SURE, Status.NEW),
        (SURE, LARGER, Status.ENLARGING),
        (SURE, SURE, Status.STABLE),
        (LARGER, SURE, Status.SHRINKING),
        (SURE, NOTHING, Status.RESOLVED),
    ],
)
def test_masks_that_are_sure_make_every_direction_certain(before, after, status):
    (change,) = compared(before, after, alone=(before, after))
    assert (change.status, change.certainty) == (status, 1.0)


def test_a_new_lesion_that_the_baseline_shows_faintly_is_less_certain():
    (change,) = compared(box((5, 5, 5), 0.35), SURE)
    assert change.status is Status.NEW
    assert change.certainty == pytest.approx(6 / 9)


def test_a_new_lesion_that_the_second_opinion_sees_at_both_times_is_half_as_certain():
    (change,) = compared(NOTHING, SURE, alone=(SURE, SURE))
    assert (change.status, change.certainty) == (Status.NEW, 0.5)


def test_a_lesion_that_no_other_reading_holds_has_no_direction_there():
    (change,) = compared(NOTHING, box((5, 5, 5), 0.55))
    assert change.certainty == pytest.approx(5 / 9)


def test_what_was_given_to_both_masks_is_read_with_the_surer_probability():
    lesion = SURE >= 0.5
    (change,) = compared(box((5, 5, 5), 0.2), SURE, masks=(lesion, lesion))
    assert (change.status, change.certainty) == (Status.STABLE, 1.0)


def test_a_neighbour_is_not_read_as_growth():
    neighbour = np.maximum(SURE, box((5, 5, 5), 1.0, start=(8, 8, 15)))
    changes = compared(SURE, neighbour)
    assert sorted((c.status, c.certainty) for c in changes) == [(Status.NEW, 1.0), (Status.STABLE, 1.0)]


def test_swapping_the_time_points_keeps_every_certainty():
    rng = np.random.default_rng(5)
    maps = [np.maximum(rng.random(SHAPE) ** 6, 0.9 * (rng.random(SHAPE) > 0.97)).astype(np.float32) for _ in range(4)]

    def facts(changes, *, turned):
        return sorted((OPPOSITE[c.status] if turned else c.status, c.certainty or -1.0) for c in changes)

    there = compared(maps[0], maps[1], alone=maps[2:])
    back = compared(maps[1], maps[0], alone=maps[3:1:-1])
    assert len({c.certainty for c in there}) > 3
    assert facts(there, turned=False) == facts(back, turned=True)


def test_below_the_rules_limit_growth_is_indeterminate_too():
    small, half = box((3, 5, 5), 1.0), (box((5, 5, 5), 1.0), SURE)
    (sure,) = compared(small, SURE, rules=Rules(least_certainty=0.5))
    (doubtful,) = compared(small, SURE, alone=half, rules=Rules(least_certainty=0.8))
    assert sure.status is Status.ENLARGING
    assert (doubtful.status, doubtful.certainty) == (Status.INDETERMINATE, None)


def test_below_the_rules_limit_a_new_lesion_is_indeterminate_and_a_stable_one_stable():
    strict = Rules(least_certainty=0.8)
    (faint,) = compared(box((5, 5, 5), 0.35), SURE, rules=strict)
    (wavering,) = compared(box((5, 5, 5), 0.6), SURE, rules=strict)
    assert (faint.status, faint.certainty) == (Status.INDETERMINATE, None)
    assert wavering.status is Status.STABLE
    assert wavering.certainty < 0.8
