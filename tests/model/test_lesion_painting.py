from dataclasses import replace

import numpy as np
import pytest

from model.deformation import displaced, still
from model.lesion_fates import Fate, Look, PaintedLesion
from model.lesion_painting import FULL, lesion_mask, paint_lesions, seen_lesions

SHAPE = (30, 32, 34)
LOOK = Look(flair=1.4, t1=0.7, softness_mm=0.5, variation=0.0, core=0.0, t1_core=0.0, halo=0.0, scar=0.0, seed=3)
NEVER = np.zeros((5, 5, 5), bool)
WHITE = np.ones(SHAPE, np.float32)


def lesion(mask: np.ndarray, fate: Fate = Fate.UNCHANGED, *, look: Look = LOOK) -> PaintedLesion:
    earlier = np.zeros_like(mask) if fate is Fate.NEW else mask
    later = np.zeros_like(mask) if fate is Fate.RESOLVED else mask
    return PaintedLesion(start=(12, 12, 12), earlier=earlier, later=later, fate=fate, part=0.0, look=look)


def piece(*shape: int) -> np.ndarray:
    return np.ones(shape, bool)


def painted(one: PaintedLesion, *, channel: int = 1, later: bool = True) -> np.ndarray:
    seen = seen_lesions([one], None, SHAPE, later=later)
    return paint_lesions(WHITE, WHITE, seen, channel=channel, gain=1.0, rng=np.random.default_rng(0))


@pytest.mark.parametrize(("fate", "times"), [(Fate.NEW, (False, True)), (Fate.RESOLVED, (True, False))])
def test_a_new_lesion_is_seen_later_and_a_resolved_one_earlier(fate: Fate, times: tuple[bool, bool]):
    for later, there in zip((False, True), times, strict=True):
        seen = seen_lesions([lesion(piece(5, 5, 5), fate)], None, SHAPE, later=later)
        assert lesion_mask(seen, SHAPE).sum() == 125 * there


def test_a_lesion_has_its_contrast_on_both_channels_and_the_image_around_it_stays():
    one = lesion(piece(7, 7, 7))
    for channel, level in ((0, 0.7), (1, 1.4)):
        image = painted(one, channel=channel)
        assert image[15, 15, 15] == pytest.approx(level, rel=0.1)
        assert np.array_equal(image[:5], WHITE[:5])


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 2, 1), (2, 2, 2)])
def test_the_smallest_lesions_have_nearly_full_contrast(shape: tuple[int, int, int]):
    image = painted(lesion(piece(*shape)))
    assert image.max() - 1 > 0.8 * FULL * 0.4


def test_small_lesions_keep_their_volume_wherever_they_are_moved():
    for seed in range(10):
        motion = displaced(still(SHAPE), np.random.default_rng(seed), shift_mm=1.0, turn_deg=1.0)
        for shape in ((1, 1, 3), (2, 2, 2), (3, 3, 3)):
            seen = seen_lesions([lesion(piece(*shape))], motion.dense(), SHAPE, later=True)
            assert abs(lesion_mask(seen, SHAPE).sum() - np.prod(shape)) <= 1


def test_a_moved_lesion_is_where_its_visit_sees_it():
    motion = still(SHAPE)
    motion = replace(motion, nodes=motion.nodes + np.array([3, 0, 0], np.float32)[:, None, None, None])
    mask = lesion_mask(seen_lesions([lesion(piece(5, 5, 5))], motion.dense(), SHAPE, later=True), SHAPE)
    assert np.argwhere(mask).min(axis=0).tolist() == [9, 12, 12]
    assert mask.sum() == 125


def test_a_black_hole_is_darkest_in_the_middle_on_t1():
    image = painted(lesion(piece(11, 11, 11), look=replace(LOOK, core=1.0)), channel=0)
    assert image[17, 17, 17] < 0.45
    assert image[12, 17, 17] > image[17, 17, 17] + 0.15


def test_a_dark_middle_is_dark_on_t1_and_bright_on_flair():
    hollow = lesion(piece(11, 11, 11), look=replace(LOOK, t1_core=0.9))
    t1, flair = (painted(hollow, channel=channel) for channel in (0, 1))
    assert t1[17, 17, 17] < 0.45
    assert t1[12, 17, 17] > t1[17, 17, 17] + 0.15
    assert flair[17, 17, 17] == pytest.approx(1.4, abs=0.1)


def test_a_halo_and_a_scar_are_drawn_and_not_marked():
    haloed = lesion(piece(5, 5, 5), look=replace(LOOK, halo=0.5))
    around = (slice(10, 11), slice(12, 17), slice(12, 17))
    assert painted(haloed)[around].mean() > painted(lesion(piece(5, 5, 5)))[around].mean() + 0.01
    gone = lesion(piece(5, 5, 5), Fate.RESOLVED, look=replace(LOOK, scar=0.2))
    seen = seen_lesions([gone], None, SHAPE, later=True)
    assert not lesion_mask(seen, SHAPE).any()
    assert 1.04 < painted(gone)[14, 14, 14] < 1.12


def test_the_contrast_refers_to_the_white_matter_beside_the_lesion():
    bright = np.full(SHAPE, 1.2, np.float32)
    seen = seen_lesions([lesion(piece(7, 7, 7))], None, SHAPE, later=True)
    image = paint_lesions(bright, bright, seen, channel=1, gain=1.0, rng=np.random.default_rng(0))
    assert image[15, 15, 15] == pytest.approx(1.68, rel=0.1)
