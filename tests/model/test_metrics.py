"""Metrics, worked out by hand, and beside MONAI's."""

from functools import partial

import numpy as np
import pytest
import torch
from monai.metrics import compute_hausdorff_distance

from model.grid import Grid
from model.lesions import find_lesions
from model.metrics import Scores, dice, hausdorff95_mm, lesion_f1, mean_over_patients, score
from tests.fixtures.boxes import boxes_in

SHAPE = (20, 20, 20)
boxes = partial(boxes_in, SHAPE)
UNIT = Grid(shape=SHAPE, affine=np.eye(4))

NOTHING = boxes()
ROD = boxes(((5, 5, 5), (10, 1, 1)))


def f1(truth, prediction, smallest_mm3=3.0):
    return lesion_f1(*(find_lesions(m, 1.0, smallest_mm3=smallest_mm3) for m in (truth, prediction)))


def test_two_empty_masks_agree():
    assert score(NOTHING, NOTHING, UNIT) == Scores(dice=1.0, hd95_mm=0.0, lesion_f1=1.0)


@pytest.mark.parametrize(("truth", "prediction"), [(ROD, NOTHING), (NOTHING, ROD)])
def test_one_empty_mask_has_no_distance_and_no_agreement(truth, prediction):
    assert score(truth, prediction, UNIT) == Scores(dice=0.0, hd95_mm=None, lesion_f1=0.0)


def test_equal_masks_agree():
    assert score(ROD, ROD, UNIT) == Scores(dice=1.0, hd95_mm=0.0, lesion_f1=1.0)


def test_dice_of_a_rod_moved_by_two_of_its_ten_voxels():
    assert dice(ROD, boxes(((7, 5, 5), (10, 1, 1)))) == pytest.approx(2 * 8 / 20)


def test_the_distance_is_in_millimetres_along_the_axis_it_lies_on():
    thick = Grid(shape=SHAPE, affine=np.diag([1.0, 1.0, 3.0, 1.0]))
    moved = boxes(((5, 5, 7), (10, 1, 1)))
    assert hausdorff95_mm(ROD, moved, thick) == pytest.approx(6.0)


def test_a_twentieth_of_the_surface_may_be_an_outlier():
    rod = boxes(((0, 5, 5), (20, 1, 1)))
    longer = rod | boxes(((0, 15, 5), (1, 1, 1)))
    assert hausdorff95_mm(rod, longer, UNIT) == 0.0


@pytest.mark.filterwarnings("ignore:monai.metrics.utils get_mask_edges:FutureWarning")  # MONAI calls itself so
@pytest.mark.parametrize("seed", range(3))
def test_the_distance_is_that_of_monai(seed):
    rng = np.random.default_rng(seed)
    first, second = (boxes(*((rng.integers(1, 14, 3), rng.integers(1, 6, 3)) for _ in range(4))) for _ in range(2))
    grid = Grid(shape=SHAPE, affine=np.diag([1.0, 0.8, 2.5, 1.0]))
    tensors = (torch.from_numpy(m)[None, None].float() for m in (second, first))
    theirs = compute_hausdorff_distance(*tensors, include_background=True, percentile=95, spacing=[1.0, 0.8, 2.5])
    assert hausdorff95_mm(first, second, grid) == pytest.approx(theirs.item(), abs=1e-4)


@pytest.mark.parametrize(("overlap", "expected"), [(1, 0.0), (2, 1.0)])
def test_a_hit_needs_more_than_a_tenth_of_the_union(overlap, expected):
    """Rods of 5 and 6 voxels: 1 of 10 is exactly a tenth and no hit, 2 of 9 is one."""
    truth = boxes(((0, 5, 5), (5, 1, 1)))
    prediction = boxes(((5 - overlap, 5, 5), (6, 1, 1)))
    assert f1(truth, prediction) == expected


def test_f1_of_two_of_three_lesions_found_and_one_false():
    truth = boxes(((1, 1, 1), (3, 3, 3)), ((1, 1, 10), (3, 3, 3)), ((10, 10, 1), (3, 3, 3)))
    prediction = boxes(((1, 1, 1), (3, 3, 3)), ((1, 1, 11), (3, 3, 3)), ((15, 15, 15), (3, 3, 3)))
    assert f1(truth, prediction) == pytest.approx(2 / 3)


def test_a_lesion_that_covers_two_finds_only_one():
    """Recall 1 of 2, precision 1 of 1."""
    truth = boxes(((1, 5, 5), (8, 1, 1)), ((10, 5, 5), (8, 1, 1)))
    assert f1(truth, boxes(((1, 5, 5), (17, 1, 1)))) == pytest.approx(2 * 0.5 * 1.0 / 1.5)


def test_specks_count_only_without_the_filter():
    with_specks = ROD | boxes(((18, 18, 18), (1, 1, 1)))
    assert score(ROD, with_specks, UNIT) == Scores(dice=1.0, hd95_mm=0.0, lesion_f1=1.0)
    unfiltered = score(ROD, with_specks, UNIT, smallest_mm3=0.0)
    assert unfiltered.dice == pytest.approx(20 / 21)
    assert unfiltered.lesion_f1 == pytest.approx(2 * 1.0 * 0.5 / 1.5)


def test_patients_weigh_the_same_however_many_scans_they_have():
    def one(value, distance=1.0):
        return Scores(dice=value, hd95_mm=distance, lesion_f1=value)

    mean = mean_over_patients({"a": [one(0.2), one(0.4), one(0.6)], "b": [one(0.8, None)]})
    assert (mean.dice, mean.lesion_f1, mean.hd95_mm) == (pytest.approx(0.6), pytest.approx(0.6), 1.0)


def test_a_patient_without_scans_is_refused():
    with pytest.raises(ValueError, match="scans: expected"):
        mean_over_patients({"a": []})
