"""Growth inside a large lesion, by the place where it lies."""

from functools import partial

import numpy as np
import pytest

from model.changes import Masks, compare
from model.ledger import VisitMasks, make_ledger
from model.ledger_events import EventKind
from model.local_growth import local_direction
from model.rules import NoiseRules, Rules
from model.statuses import OPPOSITE, Status
from tests.fixtures.boxes import boxes_in, ras_grid

SHAPE = (40, 40, 40)
grid_of, boxes = partial(ras_grid, SHAPE), partial(boxes_in, SHAPE)
BODY = ((10, 10, 10), (10, 10, 10))
"""1000 mm3: by the ratio it grows from 1500 on."""


def grown(*more):
    return boxes(BODY, *more)


def change_of(before, after, *, rules=None, seen=None, opinions=()):
    analysis = compare(
        Masks(
            baseline=before,
            follow_up=after,
            baseline_probability=before * np.float32(0.9),
            follow_up_probability=after * np.float32(0.9),
            seen_in_both=np.ones(SHAPE, bool) if seen is None else seen,
            grid=grid_of(),
            follow_up_opinions=opinions,
        ),
        rules or Rules(),
    )
    (change,) = analysis.changes
    return change


FOCUS = ((20, 12, 12), (4, 4, 3))
"""Beside the body: 36 of its 48 mm3 lie more than 1 mm from it."""


@pytest.mark.parametrize(
    ("more", "status"),
    [
        (FOCUS, Status.ENLARGING),
        (((20, 12, 12), (18, 2, 2)), Status.ENLARGING),  # 68 mm3 beyond a millimetre
        (((20, 12, 12), (9, 2, 2)), Status.STABLE),  # 32
        (((20, 12, 12), (19, 4, 1)), Status.STABLE),  # 72, but thin
        (((20, 10, 10), (2, 10, 10)), Status.STABLE),  # a layer, of which a sheet of 100 mm3 lies beyond a millimetre
    ],
)
def test_a_part_as_large_as_a_lesion_is_growth_where_the_whole_is_not(more, status):
    body = grown()
    assert change_of(body, grown(more)).status is status
    assert change_of(grown(more), body).status is OPPOSITE[status]


def test_the_new_part_is_told():
    assert change_of(grown(), grown(FOCUS)).new_part_mm3 == 36.0


def test_a_lesion_that_only_moved_is_stable():
    before, after = boxes(((10, 10, 10), (10, 10, 10))), boxes(((13, 10, 10), (10, 10, 10)))
    assert change_of(before, after).status is Status.STABLE


def test_what_grew_here_and_shrank_there_goes_by_the_difference():
    lost, gained = ((8, 14, 14), (2, 4, 4)), ((20, 12, 12), (6, 4, 4))
    assert change_of(grown(lost), grown(gained)).status is Status.ENLARGING
    assert change_of(grown(gained), grown(lost)).status is Status.SHRINKING
    assert change_of(grown(lost), grown(((20, 12, 12), (2, 4, 4)))).status is Status.STABLE


def test_small_separate_bits_are_no_part():
    bits = [((20, 10 + 4 * n, 10), (5, 3, 2)) for n in range(3)]  # of each, 24 mm3 beyond a millimetre
    assert change_of(grown(), grown(*bits)).status is Status.STABLE


def test_growth_that_one_study_does_not_show_is_none():
    seen = np.ones(SHAPE, bool)
    seen[20:] = False
    assert change_of(grown(), grown(FOCUS), seen=seen).status is Status.STABLE


def test_a_part_as_large_as_a_lesion_is_no_noise_of_the_whole_however_large_that_is():
    noisy = Rules(noise=NoiseRules(change_log_sd={1000.0: 0.05}))  # within a factor of 1.149
    assert change_of(grown(), grown(FOCUS), rules=noisy).status is Status.ENLARGING
    assert change_of(grown(FOCUS), grown(), rules=noisy).status is Status.SHRINKING


def test_zero_leaves_growth_to_the_ratio():
    assert change_of(grown(), grown(FOCUS), rules=Rules(local_growth_mm3=0)).status is Status.STABLE


def test_voxels_of_any_size_are_measured_in_millimetres():
    before, after = grown(), grown(FOCUS)
    assert local_direction(before, after, grid_of((0.9, 0.9, 0.9)), Rules()) == 0  # 26 mm3
    assert local_direction(before, after, grid_of((1.1, 1.1, 1.1)), Rules()) == 1  # 64 mm3


def test_certainty_counts_readings_that_see_the_part():
    before, after = grown(), grown(FOCUS)
    assert change_of(before, after).certainty == 1.0
    without = (before * np.float32(0.9),)
    assert change_of(before, after, opinions=without).certainty == 0.5
    assert change_of(before, before, opinions=(after * np.float32(0.9),)).certainty == 1.0  # may not reach so far


def test_the_ledger_calls_it_confluent_growth():
    masks = grown(), grown(FOCUS), grown(FOCUS)
    ledger = make_ledger(
        VisitMasks(
            masks=masks,
            probabilities=tuple(mask.astype(np.float32) for mask in masks),
            seen=(np.ones(SHAPE, bool),) * 3,
            pairs=((0, 1), (1, 2), (0, 2)),
            grid=grid_of(),
        )
    )
    (lesion,) = ledger.lesions
    assert [change.status for change in lesion.changes] == [Status.ENLARGING, Status.STABLE, Status.ENLARGING]
    assert [(event.kind, event.visit) for event in lesion.events][-1] == (EventKind.CONFLUENT_GROWTH, 1)
