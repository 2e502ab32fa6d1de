from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from model.deformation import displaced, still
from model.patch_anatomy import seen_anatomy
from model.synthesis import draw_patient, make_sample, own_lesions
from model.training_pool import TrainingPool
from tests.fixtures.round_heads import round_heads

PATCH = (40, 48, 40)


@pytest.fixture(scope="module")
def pool() -> TrainingPool:
    return round_heads()


def test_the_same_seed_gives_the_same_sample_and_another_seed_another(pool: TrainingPool):
    for seed in (5, 8):
        first, again, other = (make_sample(pool, n, PATCH) for n in (seed, seed, seed + 1))
        for name in ("current", "prior", "target", "prior_target"):
            assert np.array_equal(getattr(first, name), getattr(again, name))
        assert not np.array_equal(first.current, other.current)


def test_samples_of_many_seeds_hold_new_resolved_and_unchanged_lesion_voxels(pool: TrainingPool):
    samples = [make_sample(pool, seed, PATCH) for seed in range(12)]
    assert any((s.target & ~s.prior_target).any() for s in samples)
    assert any((s.prior_target & ~s.target).any() for s in samples)
    assert any((s.prior_target & s.target).any() for s in samples)


def test_in_some_samples_the_scan_is_its_own_prior_and_then_so_is_its_target(pool: TrainingPool):
    alone = [s for s in (make_sample(pool, seed, PATCH) for seed in range(40)) if np.array_equal(s.prior, s.current)]
    assert alone
    assert all(np.array_equal(s.target, s.prior_target) for s in alone)


def test_a_sample_is_finite_and_each_target_lies_where_its_own_scan_shows_something(pool: TrainingPool):
    for seed in range(10):
        sample = make_sample(pool, seed, PATCH)
        for scan, target in ((sample.current, sample.target), (sample.prior, sample.prior_target)):
            assert np.isfinite(scan).all()
            assert not target[scan[1] == 0].any()


def test_on_flair_the_lesions_of_each_target_are_brighter_than_what_surrounds_them(pool: TrainingPool):
    """Of either time point, on its own grid: the target and the image agree."""
    excess: dict[str, list[float]] = {"current": [], "prior": []}
    for seed in range(60, 90):
        sample = make_sample(pool, seed, PATCH)
        for name, scan, target in (
            ("current", sample.current[1], sample.target),
            ("prior", sample.prior[1], sample.prior_target),
        ):
            ring = ndimage.binary_dilation(target, iterations=3) & ~ndimage.binary_dilation(target) & (scan != 0)
            if target.sum() > 60 and ring.any():
                excess[name].append(float(np.median(scan[target]) - np.median(scan[ring])))
    for of_all in excess.values():
        assert len(of_all) > 10
        assert np.mean(np.array(of_all) > 0) > 0.9


def test_lesions_are_never_in_fluid(pool: TrainingPool):
    for seed in range(12):
        patient = draw_patient(pool, PATCH, np.random.default_rng(seed), changing=True)
        seen = seen_anatomy(patient.anatomy, patient.placement)
        fluid = np.isin(seen.tissue, (1, 5)) | (seen.tissue == 0) | (seen.tissue >= 10)
        for lesion in patient.lesions:
            box = tuple(slice(a, a + n) for a, n in zip(lesion.start, lesion.later.shape, strict=True))
            for state in (lesion.earlier, lesion.later):
                assert not (fluid[box] & state).any()


def test_a_scan_that_keeps_its_own_lesions_marks_them_up_to_the_border_of_the_patch(pool: TrainingPool):
    """The scan's lesion is 1.5 on FLAIR, its grey matter 1.2; in this patch nothing is healed."""
    real = replace(pool, anatomies=pool.anatomies[1:], patterns=(np.zeros((64, 64, 64), bool),))
    kept = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        patient = draw_patient(real, (24, 24, 24), rng, changing=True)
        if not patient.as_scanned:
            continue
        kept += 1
        moved = displaced(still((24, 24, 24)), rng, shift_mm=1.0, turn_deg=1.0)
        seen = seen_anatomy(patient.anatomy, patient.placement, moved)
        marked = own_lesions(seen)
        assert patient.anatomy.flair is not None
        assert np.array_equal(marked, seen.frame.nearest(patient.anatomy.flair) > 1.4)
    assert kept > 3
