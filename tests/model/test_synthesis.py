import numpy as np
import pytest
from scipy import ndimage

from model.anatomy import SDF_STEPS_PER_MM, Anatomy, Tissue
from model.lesion_painting import _shrunk, place_lesions
from model.scanner import acquire, draw_acquisition
from model.synthesis import Frame, make_sample
from model.training_pool import TrainingPool

PATCH = (40, 48, 40)


def ball(radius: float, size: int = 64) -> np.ndarray:
    axes = np.indices((size, size, size)) - (size - 1) / 2
    return np.linalg.norm(axes, axis=0) < radius


def steps(distance_mm: np.ndarray) -> np.ndarray:
    return np.round(np.clip(distance_mm, -15, 15) * SDF_STEPS_PER_MM).astype(np.int8)


def distance_to(mask: np.ndarray) -> np.ndarray:
    return ndimage.distance_transform_edt(~mask)


@pytest.fixture(scope="module")
def pool() -> TrainingPool:
    """Two round heads, a label map and a scan with a lesion of its own: shells from bone to ventricle."""
    tissue = np.zeros((64, 64, 64), np.uint8)
    for radius, kind in (
        (31, Tissue.EXTRA),
        (28, Tissue.CSF),
        (27, Tissue.GREY),
        (24, Tissue.WHITE),
        (6, Tissue.VENTRICLE),
    ):
        tissue[ball(radius)] = kind
    own = np.zeros(tissue.shape, np.int16)
    own[30:34, 44:48, 30:34] = 1
    levels = np.array([0, 0.2, 1.2, 1.0, 1.1, 0.2, 1.2, 1, 1, 1, 0.5], np.float32)
    places = {
        "brain_distance": steps(distance_to(ball(28)) - distance_to(~ball(28))),
        "ventricle_distance": steps(distance_to(tissue == Tissue.VENTRICLE)),
        "mni_scale": np.ones(3, np.float32),
        "mni_shift": np.zeros(3, np.float32),
    }
    made = Anatomy(name="made", tissue=tissue, t1=None, flair=None, lesions=None, **places)
    scan = levels[np.where(own > 0, 0, tissue)] + np.where(own > 0, np.float32(1.5), np.float32(0))
    stripped = np.where(tissue == Tissue.EXTRA, 0, tissue).astype(np.uint8)
    real = Anatomy(name="real", tissue=stripped, t1=scan, flair=scan, lesions=own, **places)
    pattern = np.zeros(tissue.shape, bool)
    pattern[28:34, 20:26, 40:44] = pattern[14:18, 30:34, 30:36] = True
    return TrainingPool(
        anatomies=(made, real), patterns=(pattern,), singles=(np.ones((3, 3, 2), bool), np.ones((5, 4, 4), bool))
    )


def test_the_same_seed_gives_the_same_sample_and_another_seed_another(pool: TrainingPool):
    first, again, other = (make_sample(pool, seed, PATCH) for seed in (5, 5, 6))
    assert np.array_equal(first.current, again.current)
    assert np.array_equal(first.prior, again.prior)
    assert np.array_equal(first.target, again.target)
    assert not np.array_equal(first.current, other.current)


def test_samples_of_many_seeds_hold_new_resolved_and_unchanged_lesion_voxels(pool: TrainingPool):
    samples = [make_sample(pool, seed, PATCH) for seed in range(12)]
    assert any((s.target & ~s.prior_target).any() for s in samples)
    assert any((s.prior_target & ~s.target).any() for s in samples)
    assert any((s.prior_target & s.target).any() for s in samples)


def test_in_some_samples_the_scan_is_its_own_prior(pool: TrainingPool):
    samples = (make_sample(pool, seed, PATCH) for seed in range(60))
    assert any(np.array_equal(s.prior, s.current) for s in samples)


def test_a_sample_is_finite_and_zero_outside_the_brain_mask(pool: TrainingPool):
    for seed in range(6):
        sample = make_sample(pool, seed, PATCH)
        assert np.isfinite(sample.current).all()
        assert np.isfinite(sample.prior).all()
        assert not sample.target[~sample.current.any(axis=0)].any()


def straight(shape: tuple[int, int, int] = (64, 64, 64)) -> Frame:
    return Frame(matrix=np.eye(3), offset=np.zeros(3), shape=shape)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("which", [0, 1])
def test_lesions_are_never_in_fluid_or_outside_the_brain(pool: TrainingPool, seed: int, which: int):
    anatomy = pool.anatomies[which]
    lesions = place_lesions(anatomy, straight(), pool, np.random.default_rng(seed), changing=True)
    forbidden = np.isin(anatomy.tissue, (Tissue.CSF, Tissue.VENTRICLE)) | (anatomy.tissue >= Tissue.EXTRA)
    for mask in lesions.masks:
        assert not (mask & forbidden).any()


def test_every_lesion_keeps_grows_shrinks_appears_or_vanishes_whole(pool: TrainingPool):
    """Of each lesion (union of both times) the smaller state lies inside the larger."""
    for seed in range(8):
        lesions = place_lesions(pool.anatomies[0], straight(), pool, np.random.default_rng(seed), changing=True)
        current, prior = lesions.masks
        labels, count = ndimage.label(current | prior, np.ones((3, 3, 3)))
        for n in range(1, count + 1):
            one = labels == n
            assert not (current & ~prior & one).any() or not (prior & ~current & one).any()


def test_a_rescan_has_the_same_lesions_at_both_times(pool: TrainingPool):
    lesions = place_lesions(pool.anatomies[1], straight(), pool, np.random.default_rng(3), changing=False)
    assert np.array_equal(lesions.masks[0], lesions.masks[1])
    assert lesions.masks[0].any()


def test_the_shrunk_lesion_is_the_deepest_part_of_the_asked_volume():
    lesion = np.zeros((9, 9, 9), bool)
    lesion[2:7, 2:7, 2:7] = True
    core = _shrunk(lesion, 0.2)
    assert core[4, 4, 4]
    assert not core[2, 2, 2]
    assert abs(core.sum() - 25) <= 6


def test_a_scanner_is_deterministic_and_keeps_the_shape():
    image = np.ones((20, 24, 22), np.float32)
    for seed in range(5):
        acquisition = draw_acquisition(np.random.default_rng(seed))
        seen = acquire(image, acquisition)
        assert seen.shape == image.shape
        assert np.array_equal(seen, acquire(image, acquisition))
        assert 0.5 < seen.mean() < 1.6
