from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from model.anatomy import Tissue
from model.deformation import Placement
from model.folds import FROM_VENTRICLES_MM, Folds, draw_folds, fold_weight, folded, repainted
from model.patch_anatomy import PatchAnatomy, canvas, seen_anatomy
from model.synthesis import make_sample
from model.training_pool import TrainingPool
from tests.fixtures.round_heads import LEVELS, round_heads

SHAPE = (64, 64, 64)
STRAIGHT = Placement(matrix=np.eye(3), offset=np.zeros(3), shape=SHAPE)
DEEP = Folds(deepest_mm=9.0, seed=3)
ABOVE = np.array([60, 60, 0], np.float32)
"""Lifts the round scan out of what counts as cerebellum."""


@pytest.fixture(scope="module")
def pool() -> TrainingPool:
    made, real = round_heads().anatomies
    return replace(round_heads(), anatomies=(made, replace(real, mni_shift=ABOVE)))


@pytest.fixture(params=[0, 1], ids=["label map", "scan"])
def seen(pool: TrainingPool, request: pytest.FixtureRequest) -> PatchAnatomy:
    return seen_anatomy(pool.anatomies[request.param], STRAIGHT)


def test_without_folds_the_anatomy_is_the_same(seen: PatchAnatomy):
    assert folded(seen, replace(DEEP, deepest_mm=0.0), spare_own=True) is seen


def test_folds_turn_white_matter_grey_and_nothing_else(seen: PatchAnatomy):
    after = folded(seen, DEEP, spare_own=False)
    turned = after.tissue != seen.tissue
    assert turned.sum() > 500
    assert set(np.unique(seen.tissue[turned])) == {Tissue.WHITE}
    assert set(np.unique(after.tissue[turned])) == {Tissue.GREY}
    assert seen.ventricle_mm[turned].min() > FROM_VENTRICLES_MM


def test_a_fold_hangs_together_with_the_cortex(seen: PatchAnatomy):
    after = folded(seen, DEEP, spare_own=False)
    labelled, _ = ndimage.label(after.tissue == Tissue.GREY)
    cortex = labelled[seen.tissue == Tissue.GREY][0]
    assert (labelled[after.tissue != seen.tissue] == cortex).mean() > 0.97


def test_folds_are_as_deep_as_drawn_and_elsewhere_with_another_seed(seen: PatchAnatomy):
    from_cortex_mm = ndimage.distance_transform_edt(seen.tissue != Tissue.GREY)
    shallow, deep, other = (
        folded(seen, folds, spare_own=False).tissue != seen.tissue
        for folds in (replace(DEEP, deepest_mm=3.0), DEEP, replace(DEEP, seed=4))
    )
    assert from_cortex_mm[shallow].max() <= 3.2
    assert 3.2 < from_cortex_mm[deep].max() <= 9.2
    assert shallow[~deep].sum() == 0
    assert (deep != other).any()


def test_the_lesions_that_a_scan_keeps_are_not_folded_over(pool: TrainingPool):
    """The scan's lesion is moved to where the folds would be."""
    real = pool.anatomies[1]
    turned = np.argwhere(folded(seen_anatomy(real, STRAIGHT), DEEP, spare_own=False).tissue != real.tissue)
    lesion = np.zeros(SHAPE, np.int16)
    lesion[tuple(turned[len(turned) // 2])] = 1
    seen = seen_anatomy(replace(real, lesions=lesion), STRAIGHT)
    near = ndimage.binary_dilation(lesion > 0, iterations=2)
    for spare_own in (True, False):
        fold = folded(seen, DEEP, spare_own=spare_own).tissue != seen.tissue
        assert (fold & near).any() != spare_own
        assert (fold & ~near).any()


def test_the_cerebellum_and_the_brainstem_of_a_scan_are_not_folded():
    """The round scan lies low and far behind in the MNI brain."""
    low = seen_anatomy(round_heads().anatomies[1], STRAIGHT)
    assert np.array_equal(folded(low, DEEP, spare_own=False).tissue, low.tissue)


def test_a_fold_of_a_scan_is_as_bright_as_its_grey_matter(pool: TrainingPool):
    seen = seen_anatomy(pool.anatomies[1], STRAIGHT)
    after = folded(seen, DEEP, spare_own=False)
    assert seen.anatomy.flair is not None
    image = seen.frame.linear(seen.anatomy.flair)
    assert fold_weight(seen, seen) is None
    weight, real = fold_weight(seen, after), canvas(seen.anatomy)
    assert weight is not None
    painted = repainted(image, real.white[1], real.grey[1], weight)
    fold = after.tissue != seen.tissue
    inside = ndimage.binary_erosion(fold, iterations=2)
    assert inside.sum() > 20
    assert np.abs(painted[inside] - LEVELS[Tissue.GREY]).max() < 0.05
    assert np.array_equal(*(one[~ndimage.binary_dilation(fold, iterations=6)] for one in (painted, image)))


def test_folds_are_seen_in_both_scans_and_never_in_the_target(pool: TrainingPool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("model.synthesis.place_lesions", lambda seen, *_: np.zeros(seen.tissue.shape, bool))
    kinds = {}
    for name, deepest_mm in (("none", 0.0), ("deep", 9.0)):
        monkeypatch.setattr("model.synthesis.draw_folds", lambda _, mm=deepest_mm: replace(DEEP, deepest_mm=mm))
        kinds[name] = [make_sample(pool, seed, (40, 48, 40)) for seed in range(4)]
    for none, deep in zip(kinds["none"], kinds["deep"], strict=True):
        assert not np.array_equal(none.current, deep.current)
        assert not np.array_equal(none.prior, deep.prior)
        assert np.array_equal(none.target, deep.target)
        assert np.array_equal(none.prior_target, deep.prior_target)


def test_some_heads_are_folded_and_most_are_not():
    drawn = [draw_folds(np.random.default_rng(seed)).deepest_mm for seed in range(200)]
    assert 0.3 < np.mean(np.array(drawn) > 0) < 0.5
    assert max(drawn) <= 10
