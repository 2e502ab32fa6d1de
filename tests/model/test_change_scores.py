"""Change scores, on lesions that are boxes of voxels."""

from functools import partial

import numpy as np
import pytest

from model.change_scores import SCORED, ChangeScore, change_score, total
from model.grid import Grid
from model.statuses import Status
from tests.fixtures.boxes import boxes_in

SHAPE = (30, 30, 30)
boxes = partial(boxes_in, SHAPE)
GRID = Grid(shape=SHAPE, affine=np.eye(4))

SMALL, LARGE = (3, 3, 3), (6, 6, 3)  # 27 and 108 mm3
OLD, GAIN, LOSS, LATE = ((2, y, 2) for y in (2, 9, 16, 23))

BEFORE = boxes((OLD, LARGE), (GAIN, SMALL), (LOSS, LARGE), ((20, 2, 20), LARGE))
AFTER = boxes((OLD, LARGE), (GAIN, LARGE), (LOSS, SMALL), (LATE, SMALL))
"""One of each: stable, enlarging, shrinking, resolved (at the far corner), new."""
TRUTH = (BEFORE, AFTER)


def counts(score: ChangeScore) -> dict[Status, tuple[int, int, int]]:
    return {status: (row.true, row.found, row.false) for status, row in score.by_status.items()}


def test_the_truth_itself_finds_everything() -> None:
    score = change_score(TRUTH, TRUTH, GRID)

    assert counts(score) == dict.fromkeys(SCORED, (1, 1, 0))
    assert score.volume_change_errors_ml == (0.0,)


def test_an_empty_prediction_finds_nothing_and_says_nothing_false() -> None:
    nothing = np.zeros(SHAPE, bool)

    score = change_score(TRUTH, (nothing, nothing), GRID)

    assert counts(score) == dict.fromkeys(SCORED, (1, 0, 0))
    true_change = (int(AFTER.sum()) - int(BEFORE.sum())) / 1000
    assert score.volume_change_errors_ml == pytest.approx((-true_change,))


def test_a_lesion_with_another_status_is_missed_in_one_and_false_in_the_other() -> None:
    """The new lesion is drawn at baseline, too: it is stable then."""
    late_before = boxes((LATE, SMALL))

    score = change_score(TRUTH, (BEFORE | late_before, AFTER), GRID)

    assert counts(score)[Status.NEW] == (1, 0, 0)
    assert counts(score)[Status.STABLE] == (1, 1, 1)


def test_a_rescan_without_change_must_bring_no_change() -> None:
    still = boxes((OLD, LARGE))
    speck = boxes(((25, 25, 25), (3, 3, 2)))

    score = change_score((still, still), (still, still | speck), GRID)

    assert counts(score)[Status.NEW] == (0, 0, 1)
    assert score.by_status[Status.NEW].sensitivity is None
    assert score.false_per_pair(Status.NEW) == 1.0
    assert score.mean_volume_change_error_ml == pytest.approx(0.018)


def test_below_14_mm3_nothing_counts_as_true_or_false() -> None:
    still, crumb = boxes((OLD, LARGE)), boxes(((25, 25, 25), (2, 2, 3)))

    assert counts(change_score((still, still | crumb), (still, still), GRID))[Status.NEW] == (0, 0, 0)
    assert counts(change_score((still, still), (still, still | crumb), GRID))[Status.NEW] == (0, 0, 0)


def test_a_small_prediction_on_a_true_lesion_finds_it() -> None:
    """8 of 27 voxels: below 14 mm3, above a tenth of the union."""
    empty, true = np.zeros(SHAPE, bool), boxes((LATE, SMALL))

    score = change_score((empty, true), (empty, boxes((LATE, (2, 2, 2)))), GRID)

    assert counts(score)[Status.NEW] == (1, 1, 0)


def test_swapping_the_time_points_swaps_the_statuses() -> None:
    prediction = (BEFORE | boxes((LATE, SMALL)), AFTER)

    there = counts(change_score(TRUTH, prediction, GRID))
    back = counts(change_score(TRUTH[::-1], prediction[::-1], GRID))

    assert back[Status.RESOLVED] == there[Status.NEW]
    assert back[Status.SHRINKING] == there[Status.ENLARGING]
    assert back[Status.STABLE] == there[Status.STABLE]


def test_totals_are_sums_and_no_pair_is_refused() -> None:
    nothing = np.zeros(SHAPE, bool)
    whole = total([change_score(TRUTH, TRUTH, GRID), change_score(TRUTH, (nothing, nothing), GRID)])

    assert counts(whole) == dict.fromkeys(SCORED, (2, 1, 0))
    assert (whole.pairs, len(whole.volume_change_errors_ml)) == (2, 2)
    assert whole.by_status[Status.NEW].sensitivity == 0.5
    with pytest.raises(ValueError, match="at least one pair"):
        total([])
