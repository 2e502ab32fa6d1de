"""Masks of several visits that differ only where their images do; images with balls of known contrast, and noise."""

import numpy as np
import pytest

from model.calling import Thresholds, call_lesions
from model.visit_masks import call_visits, settle_visits

SHAPE = (28, 28, 28)
PAIRS = ((0, 1), (1, 2), (0, 2))
NONE = np.zeros(SHAPE, bool)


def ball(centre, radius):
    return np.asarray(sum((axis - at) ** 2 for axis, at in zip(np.indices(SHAPE), centre, strict=True)) <= radius**2)


LESION = ball((14, 14, 14), 3)


def flair(bright, *, contrast=1.5, seed=0):
    """White matter at 0.2, noise of a fifth of a deviation."""
    noise = np.random.default_rng(seed).normal(0, 0.2, SHAPE)
    return (0.2 + contrast * bright + noise).astype(np.float32)


def images(*contrasts):
    return [flair(LESION, contrast=contrast, seed=n) for n, contrast in enumerate(contrasts)]


@pytest.mark.parametrize("marked", range(3))
def test_a_lesion_that_one_visit_marks_and_all_show_alike_is_in_every_mask(marked):
    masks = [LESION if visit == marked else NONE for visit in range(3)]
    for mask in settle_visits(masks, images(1.5, 1.5, 1.5), PAIRS[:2]):
        np.testing.assert_array_equal(mask, LESION)


def test_a_lesion_that_comes_at_the_second_visit_is_not_carried_to_the_first():
    settled = settle_visits([NONE, LESION, NONE], images(0.0, 1.5, 1.4), PAIRS)
    assert [bool(mask.any()) for mask in settled] == [False, True, True]


def test_a_lesion_that_is_there_first_and_last_and_not_between_stays_so():
    settled = settle_visits([LESION, NONE, LESION], images(1.5, 0.0, 1.5), PAIRS)
    assert [bool(mask.any()) for mask in settled] == [True, False, True]


def test_first_and_last_are_settled_with_each_other_too():
    contrasts = images(1.5, 0.0, 1.4)
    assert not settle_visits([LESION, NONE, NONE], contrasts, PAIRS[:2])[2].any()
    np.testing.assert_array_equal(settle_visits([LESION, NONE, NONE], contrasts, PAIRS)[2], LESION)


@pytest.mark.parametrize("seed", range(3))
def test_neither_the_direction_of_time_nor_the_order_of_the_pairs_matters(seed):
    rng = np.random.default_rng(seed)
    masks = [(rng.random(SHAPE) > 0.996) | (LESION & (rng.random(SHAPE) > 0.3)) for _ in range(3)]
    views = images(1.5, *rng.uniform(0.2, 1.5, 2))

    there = settle_visits(masks, views, PAIRS)
    shuffled = settle_visits(masks, views, PAIRS[::-1])
    back = settle_visits(masks[::-1], views[::-1], ((0, 1), (1, 2), (0, 2)))

    assert any(not np.array_equal(a, b) for a, b in zip(there, masks, strict=True))
    for a, b, c in zip(there, shuffled, back[::-1], strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)


@pytest.mark.parametrize("seed", range(3))
def test_two_visits_are_called_as_a_comparison_is(seed):
    rng = np.random.default_rng(seed)
    probabilities = [(0.8 * LESION + rng.random(SHAPE) * 0.45).astype(np.float32) for _ in range(2)]
    views = images(1.5, 0.9)
    thresholds = Thresholds(voxel=0.4, lesion=0.9)

    expected = call_lesions(*probabilities, thresholds, (views[0], views[1]))

    for found, mask in zip(call_visits(probabilities, thresholds, views, ((0, 1),)), expected, strict=True):
        np.testing.assert_array_equal(found, mask)
        assert found.any()


def test_a_lesion_that_is_sure_at_one_visit_is_kept_where_it_is_faint():
    probabilities = [np.float32(p) * LESION for p in (0.55, 0.95, 0.6)]
    alone = [np.float32(p) * LESION for p in (0.55, 0.6, 0.6)]
    thresholds = Thresholds(voxel=0.5, lesion=0.9)

    assert all(mask.any() for mask in call_visits(probabilities, thresholds))
    assert not any(mask.any() for mask in call_visits(alone, thresholds))
