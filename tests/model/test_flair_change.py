"""FLAIR change in deviations of white matter, on noise of known deviation."""

import numpy as np
import pytest

from model.flair_change import flair_change, in_white_deviations, normal_white
from model.grid import network_grid
from model.group_masks import GroupLabels
from model.head_labels import Region

SHAPE = (40, 40, 40)
GRID = network_grid(SHAPE)
MAP = np.zeros(SHAPE, np.uint8)
MAP[2:-2, 2:-2, 2:-2] = Region.CORTEX
MAP[4:-4, 4:-4, 4:-4] = Region.WHITE_MATTER
LESION = np.zeros(SHAPE, bool)
LESION[15:21, 15:21, 15:21] = True
EVERYWHERE = np.ones(SHAPE, bool)
(GROUP,) = GroupLabels(baseline=np.zeros(SHAPE, np.int32), follow_up=LESION.astype(np.int32)).masks(1)


def image(contrast, *, mean=0.0, deviation=1.0, seed=0):
    noise = np.random.default_rng(seed).standard_normal(SHAPE)
    return np.asarray(mean + deviation * (noise + contrast * LESION), np.float32)


def change(first, second):
    white = normal_white([MAP, MAP], LESION, EVERYWHERE, GRID)
    return flair_change(GROUP, (in_white_deviations(first, white), in_white_deviations(second, white)))


def test_a_lesion_that_comes_is_brighter_by_its_contrast_whatever_the_scale_of_each_scan():
    assert change(image(0, mean=300, deviation=20), image(4, mean=-2, deviation=0.3, seed=1)) == pytest.approx(
        4, abs=0.2
    )


def test_swapping_the_scans_turns_the_sign():
    first, second = image(1), image(3, seed=1)
    assert change(first, second) == -change(second, first)


def test_one_image_twice_has_not_changed():
    assert change(image(2), image(2)) == 0.0


def test_white_matter_keeps_away_from_lesions_other_tissue_and_what_one_scan_did_not_show():
    seen = EVERYWHERE.copy()
    seen[:10] = False
    white = normal_white([MAP, MAP], LESION, seen, GRID)
    assert white.any()
    assert not white[:10].any()
    assert not white[12:24, 15:21, 15:21].any()
    assert not white[:, :5].any()


def test_bright_spots_in_white_matter_move_the_scale_by_little():
    spotted = image(0)
    spotted[25:30, 25:30, 25:30] += 50
    scaled = in_white_deviations(spotted, normal_white([MAP], LESION, EVERYWHERE, GRID))
    assert np.median(scaled[MAP == Region.WHITE_MATTER]) == pytest.approx(0, abs=0.05)
    assert scaled[5:12, 5:12, 5:12].std() == pytest.approx(1, abs=0.1)


def test_with_too_little_white_matter_nothing_is_said():
    little = np.where(MAP == Region.WHITE_MATTER, np.uint8(Region.CORTEX), MAP)
    white = normal_white([little], LESION, EVERYWHERE, GRID)
    assert [in_white_deviations(one, white) for one in (image(0), image(3))] == [None, None]
    assert flair_change(GROUP, (None, None)) is None
