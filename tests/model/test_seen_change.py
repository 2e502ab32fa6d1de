"""Masks that differ where the images do, and where they do not; images with balls of known contrast, and noise."""

import numpy as np
import pytest

from model.seen_change import AS_SHIPPED, settle

SHAPE = (40, 40, 40)
NEW, OLD, GROWN = (10, 10, 10), (10, 30, 28), (28, 20, 20)


def ball(centre: tuple[int, int, int], radius: float) -> np.ndarray:
    grid = np.indices(SHAPE)
    return np.asarray(sum((axis - at) ** 2 for axis, at in zip(grid, centre, strict=True)) <= radius**2)


def flair(bright: np.ndarray, *, contrast: float = 1.5, seed: int = 0) -> np.ndarray:
    """White matter at 0.2, noise of a fifth of a deviation."""
    noise = np.random.default_rng(seed).normal(0, 0.2, SHAPE)
    return (0.2 + contrast * bright + noise).astype(np.float32)


def test_a_lesion_that_is_bright_at_one_time_alone_stays_a_change() -> None:
    new, none = ball(NEW, 3), np.zeros(SHAPE, bool)

    settled = settle(none, new, (flair(none), flair(new, seed=1)))

    assert not settled.baseline.any()
    assert np.array_equal(settled.follow_up, new)
    assert settled.parts == 0


@pytest.mark.parametrize("contrast", [1.5, 0.0, -0.8])
def test_a_lesion_that_looks_the_same_at_both_times_is_in_both_masks(contrast: float) -> None:
    lesion, none = ball(OLD, 3), np.zeros(SHAPE, bool)

    settled = settle(none, lesion, tuple(flair(lesion, contrast=contrast, seed=n) for n in range(2)))  # type: ignore[arg-type]

    assert np.array_equal(settled.baseline, lesion)
    assert np.array_equal(settled.follow_up, lesion)
    assert settled.parts == 1


def test_growth_is_kept_and_a_border_that_wavers_is_not() -> None:
    small, large = ball(GROWN, 3), ball(GROWN, 5)
    tight, wide = ball(OLD, 3), ball(OLD, 4)
    images = flair(small | wide), flair(large | wide, seed=1)

    settled = settle(small | tight, large | wide, images)

    assert np.array_equal(settled.baseline, small | wide)
    assert np.array_equal(settled.follow_up, large | wide)


def test_what_fades_by_half_with_all_lesions_has_not_gone() -> None:
    """One protocol shows every lesion with less contrast: known only beside a lesion of both times."""
    lesions = ball(OLD, 4) | ball(NEW, 3)
    gone = ball(OLD, 4)
    assert gone.sum() > AS_SHIPPED.smallest_core_voxels
    images = flair(lesions, contrast=1.6), flair(lesions, contrast=0.8, seed=1)

    settled = settle(lesions, gone, images)
    without_old = settle(ball(NEW, 3), np.zeros(SHAPE, bool), images)

    assert np.array_equal(settled.follow_up, lesions)
    assert without_old.parts == 0


def test_what_lies_outside_one_brain_is_left_as_it_was() -> None:
    lesion, none = ball(NEW, 3), np.zeros(SHAPE, bool)
    cut = flair(lesion)
    cut[:16] = 0

    settled = settle(none, lesion, (cut, flair(lesion, seed=1)))

    assert not settled.baseline.any()


def test_without_surroundings_nothing_is_judged() -> None:
    lesion, none = np.ones((4, 4, 4), bool), np.zeros((4, 4, 4), bool)
    image = np.ones((4, 4, 4), np.float32)

    assert settle(none, lesion, (image, image)).parts == 0


def test_swapping_the_times_swaps_the_masks() -> None:
    rng = np.random.default_rng(5)
    first, second = (rng.random(SHAPE) > 0.995 for _ in range(2))
    first, second = (mask | ball(OLD, 4) for mask in (first, second))
    images = flair(first | second), flair(second, seed=1)

    there, back = settle(first, second, images), settle(second, first, images[::-1])

    np.testing.assert_array_equal(there.baseline, back.follow_up)
    np.testing.assert_array_equal(there.follow_up, back.baseline)
    assert there.parts == back.parts > 0


def test_the_input_is_not_written_to() -> None:
    lesion, none = ball(OLD, 3), np.zeros(SHAPE, bool)

    settle(none, lesion, (flair(lesion), flair(lesion, seed=1)))

    assert not none.any()


def test_what_is_darker_than_its_surroundings_is_no_lesion_that_came() -> None:
    """From -1.3 to -0.6 deviations: brighter, and still no lesion."""
    part, none = ball(NEW, 3), np.zeros(SHAPE, bool)

    settled = settle(none, part, (flair(part, contrast=-1.3), flair(part, contrast=-0.6, seed=1)))

    assert settled.parts == 1
