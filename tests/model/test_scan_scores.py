"""A real scan with every lesion marked: what is found of it."""

from pathlib import Path

import numpy as np
import pytest

from model.calling import Thresholds
from model.scan_scores import scan_score, scan_scores
from model.sliding_window import WindowSettings
from model.training_pool import held_out_pool
from model.zoo import build
from tests.fixtures.synthetic_pool import write_pool
from tests.fixtures.tiny_unet import TINY

HALF = Thresholds(voxel=0.5)


def cubes(*corners: tuple[int, int, int], side: int = 3) -> np.ndarray:
    mask = np.zeros((20, 20, 20), bool)
    for i, j, k in corners:
        mask[i : i + side, j : j + side, k : k + side] = True
    return mask


def test_found_missed_and_false_lesions_are_counted() -> None:
    truth = cubes((1, 1, 1), (8, 8, 8))
    prediction = cubes((1, 1, 1), (15, 1, 1), (1, 15, 1))

    result = scan_score("made", truth, prediction, HALF)

    assert (result.lesions, result.found, result.false) == (2, 1, 2)
    assert result.volume_ml == (0.05, 0.08)
    assert result.scores.dice == pytest.approx(2 * 27 / (54 + 81))
    assert result.scores.lesion_f1 == pytest.approx(2 * (1 / 2) * (1 / 3) / (1 / 2 + 1 / 3))


def test_specks_below_3_mm3_are_no_false_lesions() -> None:
    truth = cubes((1, 1, 1))
    result = scan_score("made", truth, truth | cubes((15, 15, 15), side=1), HALF)
    assert (result.found, result.false, result.scores.dice) == (1, 0, 1.0)


def test_every_setting_is_scored_on_one_prediction(tmp_path: Path) -> None:
    anatomy = held_out_pool(write_pool(tmp_path / "data"), tmp_path / "cache", "patient07").anatomies[0]
    everything, nothing = Thresholds(voxel=0.0), Thresholds(voxel=1.1)

    whole, empty = scan_scores(
        build(TINY), anatomy, window=WindowSettings(patch=(32, 32, 32)), settings=[everything, nothing]
    )

    assert whole.volume_ml[1] > whole.volume_ml[0] > 0
    assert (empty.found, empty.false, empty.scores.dice) == (0, 0, 0.0)
