from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.anatomy_network import SHIPPED
from model.calling import Thresholds
from model.checkpoint import load
from model.evaluate import LesionCount, match
from model.pair_scores import real_score
from model.real_pairs import RealPair, read_real_pair

HALF = Thresholds(voxel=0.5)


def cube(*corners: tuple[int, int, int], side: int = 3) -> np.ndarray:
    mask = np.zeros((20, 20, 20), bool)
    for i, j, k in corners:
        mask[i : i + side, j : j + side, k : k + side] = True
    return mask


def pair_with_change(change: np.ndarray) -> RealPair:
    image = np.zeros((2, 20, 20, 20), np.float32)
    return RealPair(name="made", baseline=image, follow_up=image, change=change, borrowed_t1=False)


def test_a_missed_and_a_false_lesion_are_counted_on_their_own_sides():
    counted = match(cube((2, 2, 2), (10, 10, 10)), cube((2, 2, 3), (15, 15, 2)))
    assert counted == LesionCount(true=2, found=1, predicted=2, right=1)
    assert counted.f1 == 0.5


def test_lesions_below_3_mm3_count_on_neither_side():
    speck = cube((5, 5, 5), side=1)
    assert match(speck, np.zeros_like(speck)).true == 0
    assert match(np.zeros_like(speck), speck).predicted == 0


@pytest.mark.parametrize(
    ("counted", "expected"),
    [
        (LesionCount(true=0, found=0, predicted=0, right=0), 1.0),
        (LesionCount(true=1, found=0, predicted=0, right=0), 0.0),
        (LesionCount(true=0, found=0, predicted=4, right=0), 0.0),
        (LesionCount(true=1, found=0, predicted=1, right=0), 0.0),
    ],
)
def test_lesion_f1_of_empty_sides(counted: LesionCount, expected: float):
    assert counted.f1 == expected


def test_a_new_lesion_is_a_found_change_and_the_stable_one_is_none():
    stable, new = cube((2, 2, 2)), cube((10, 10, 10))
    score = real_score(pair_with_change(new), stable.astype(np.float32), (stable | new).astype(np.float32), HALF)
    assert (score.changes, score.covered, score.changed, score.change_outside) == (1, 1, 1, 0)
    assert score.volume_found == 1.0
    assert score.lesions == (1, 2)
    assert (score.new, score.new_outside) == (1, 0)


def test_a_change_that_is_outlined_too_tightly_is_found_whole_and_its_volume_in_part():
    wide, tight, missed = cube((4, 4, 4), side=6), cube((5, 5, 5), side=4), cube((14, 14, 14), side=3)
    score = real_score(
        pair_with_change(wide | missed), np.zeros((20, 20, 20), np.float32), tight.astype(np.float32), HALF
    )
    assert score.volume_found == pytest.approx(64 / 243, abs=1e-4)
    assert score.volume_in_found == pytest.approx(216 / 243, abs=1e-4)


def test_what_flair_does_not_show_of_a_mark_is_told_apart_from_what_is_missed():
    """Two marks of one size: in one FLAIR changes, and half of it is found; in the other nothing does."""
    shown, plain = cube((4, 4, 4), side=6), cube((13, 13, 13), side=6)
    tissue = np.full((20, 20, 20), 0.01, np.float32)
    follow_up = np.where(shown, 2, tissue).astype(np.float32)
    pair = replace(
        pair_with_change(shown | plain), baseline=np.stack([tissue, tissue]), follow_up=np.stack([tissue, follow_up])
    )
    half = shown & (np.indices(shown.shape)[0] < 7)

    score = real_score(pair, np.zeros_like(tissue), half.astype(np.float32), HALF)

    assert score.volume_found == pytest.approx(0.25)
    assert score.visible == pytest.approx(0.5, abs=0.01)
    assert score.visible_found == pytest.approx(0.5, abs=0.01)


def test_a_change_seen_at_both_times_alike_is_covered_but_not_changed():
    change = cube((10, 10, 10))
    score = real_score(pair_with_change(change), change.astype(np.float32), change.astype(np.float32), HALF)
    assert (score.covered, score.changed) == (1, 0)


def test_a_difference_away_from_the_marked_change_counts_as_outside():
    marked, elsewhere = cube((10, 10, 10)), cube((2, 2, 2))
    score = real_score(pair_with_change(marked), elsewhere.astype(np.float32), marked.astype(np.float32), HALF)
    assert score.change_outside == 1
    assert (score.new, score.new_outside) == (1, 0)


def test_a_new_lesion_away_from_the_marked_change_is_false():
    marked, elsewhere, nothing = cube((10, 10, 10)), cube((2, 2, 2)), np.zeros((20, 20, 20), np.float32)
    score = real_score(pair_with_change(marked), nothing, (marked | elsewhere).astype(np.float32), HALF)
    assert (score.new, score.new_outside) == (2, 1)


@pytest.mark.shared_data
def test_a_real_pair_is_upright_on_one_grid_with_its_change_bright_at_one_time(shared_folder: Path):
    pair = read_real_pair(shared_folder / "data" / "open_ms_data" / "longitudinal" / "patient01", load(SHIPPED))
    assert pair.baseline.shape == pair.follow_up.shape == (2, *pair.change.shape)
    # mostly new lesions: brighter on FLAIR at follow-up, by a standard deviation of the brain and more
    assert pair.follow_up[1][pair.change].mean() - pair.baseline[1][pair.change].mean() > 1
    # the cerebellum and brain stem below are narrower than the brain in the middle: axis 0 points up
    widths = (pair.follow_up[1] != 0).any(axis=1).sum(axis=1)
    assert widths[5] < widths[len(widths) // 2]


def test_a_folder_without_change_mask_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=r"gt\.nii\.gz"):
        read_real_pair(tmp_path, load(SHIPPED))
