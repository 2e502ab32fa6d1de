"""Masks from probabilities that are drawn by hand."""

import numpy as np

from model.calling import Thresholds, call_lesions, called

SHAPE = (4, 4, 12)


def row(*values: float) -> np.ndarray:
    """Probabilities along one line of an else empty image."""
    image = np.zeros(SHAPE, np.float32)
    image[1, 1, : len(values)] = values
    return image


def line(mask: np.ndarray) -> list[int]:
    return mask[1, 1].astype(int).tolist()


BOTH = Thresholds(voxel=0.5, lesion=0.9)


def test_without_a_lesion_threshold_every_voxel_stands_for_itself() -> None:
    _, mask = call_lesions(None, row(0.5, 0.49, 0, 0.95), Thresholds(voxel=0.5))

    assert line(mask) == [1, 0, 0, 1] + [0] * 8


def test_a_lesion_that_is_nowhere_sure_is_left_out_whole() -> None:
    _, mask = call_lesions(None, row(0.6, 0.95, 0.6, 0, 0.8, 0.89), BOTH)

    assert line(mask) == [1, 1, 1] + [0] * 9


def test_what_is_sure_at_one_time_stays_at_the_other() -> None:
    first, second = call_lesions(row(0.6, 0.6, 0, 0.6), row(0.95, 0.6, 0, 0.6), BOTH)

    assert first is not None
    assert line(first) == line(second) == [1, 1] + [0] * 10


def test_lesions_that_only_touch_over_time_are_one() -> None:
    first, second = call_lesions(row(0.95, 0.6, 0, 0), row(0, 0, 0.6, 0.6), BOTH)

    assert first is not None
    assert line(first) == [1, 1] + [0] * 10
    assert line(second) == [0, 0, 1, 1] + [0] * 8


def test_swapping_the_times_swaps_the_masks() -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.random(SHAPE).astype(np.float32) ** 3 for _ in range(2))

    there, back = call_lesions(a, b, BOTH), call_lesions(b, a, BOTH)

    np.testing.assert_array_equal(there[0], back[1])
    np.testing.assert_array_equal(there[1], back[0])


def test_nothing_gives_nothing() -> None:
    first, second = call_lesions(row(), row(), BOTH)

    assert first is not None
    assert not first.any()
    assert not second.any()


def test_with_the_images_the_masks_differ_only_where_these_do() -> None:
    first, second = row(0.6, 0.6, 0, 0, 0, 0, 0, 0, 0.6), row(0.6, 0.6, 0.6, 0, 0, 0, 0, 0, 0)
    image = np.ones(SHAPE, np.float32)
    image[1, 1, :3] = 3.0
    gone = image.copy()
    image[1, 1, 8] = 3.0

    masks = call_lesions(first, second, Thresholds(voxel=0.5), (image, gone))

    assert masks[0] is not None
    assert line(masks[0]) == [1, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0]
    assert line(masks[1]) == [1, 1, 1] + [0] * 9


OPINIONS = Thresholds(voxel=0.5, lesion=0.9, self_prior=0.5)


def test_a_lesion_that_only_the_other_scan_makes_sure_is_dropped() -> None:
    # in logits: 4.6 beside the other scan and -2.2 alone is 1.2, a probability of 0.77
    given, alone = row(0.6, 0.99, 0, 0.99, 0.6), row(0.1, 0.1, 0, 0.9, 0.1)
    _, mask = call_lesions(None, given, OPINIONS, alone=[alone])
    assert line(mask)[:5] == [0, 0, 0, 1, 1]
    assert call_lesions(None, given, BOTH, alone=[alone])[1].sum() == call_lesions(None, given, BOTH)[1].sum() == 4


def test_the_mask_of_a_lesion_that_is_kept_is_what_the_scan_shows_beside_the_other() -> None:
    given, alone = row(0.99, 0.6, 0.4, 0), row(0.99, 0.2, 0.99, 0.99)
    _, mask = call_lesions(None, given, OPINIONS, alone=[alone])
    assert line(mask)[:4] == [1, 1, 0, 0]


def test_both_opinions_may_be_certain_to_the_last_bit() -> None:
    certain = Thresholds(voxel=0.5, lesion=0.9999, self_prior=0.5)
    for alone, kept in ((1.0, True), (0.99, True), (0.0, False)):
        assert call_lesions(None, row(1.0, 0), certain, alone=[row(alone, 0)])[1].any() == kept


def test_a_lesion_is_kept_at_both_times_where_one_of_the_scans_is_sure_by_both_opinions() -> None:
    given = [row(0.95, 0.6, 0, 0.95), row(0.6, 0.95, 0, 0.95)]
    sure, unsure = row(0.95, 0.1, 0, 0.2), row(0.1, 0.1, 0, 0.2)
    first, second = called(given, OPINIONS, [sure, unsure])
    assert line(first)[:4] == line(second)[:4] == [1, 1, 0, 0]
    swapped = called(given[::-1], OPINIONS, [unsure, sure])
    assert np.array_equal(swapped, [second, first])


def test_a_scan_without_a_second_opinion_is_as_sure_as_it_is_beside_the_other() -> None:
    given = [row(0.95, 0), row(0.6, 0)]
    assert np.array_equal(called(given, OPINIONS, [None, row(0.1, 0)]), called(given, BOTH))
