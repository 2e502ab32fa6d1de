"""Heads painted from label maps: a drawn head with a brain of three tissues inside a scalp."""

import numpy as np
import pytest

from model.head_labels import Region, head_of
from model.head_synthesis import make_head_sample, scaled

SHAPE = (48, 48, 48)


@pytest.fixture(scope="module")
def head():
    """A scalp of 45 mm radius, fluid from 38, cortex from 34, white matter from 28 mm, ventricles inside 10 mm."""
    at = np.indices((96, 100, 104)) - np.array([48, 50, 52])[:, None, None, None]
    radius = np.sqrt((at**2).sum(axis=0))
    codes = np.zeros(radius.shape, np.int32)
    for edge, left, right in ((45, 507, 507), (38, 24, 24), (34, 3, 42), (28, 2, 41), (10, 4, 43)):
        codes[radius < edge] = np.where(at[2] < 0, left, right)[radius < edge]
    return head_of(codes)


def test_both_sides_have_one_label_and_regions_follow_freesurfer(head):
    assert set(head.regions) == {
        Region.OUTSIDE,
        Region.CSF,
        Region.CORTEX,
        Region.WHITE_MATTER,
        Region.VENTRICLES,
    }
    middle = [n // 2 for n in head.labels.shape]
    line = head.regions[head.labels[middle[0], middle[1]]]
    assert (line == line[::-1]).mean() > 0.95


def test_a_map_without_a_brain_is_refused():
    with pytest.raises(ValueError, match="codes"):
        head_of(np.full((4, 4, 4), 507, np.int32))


def test_the_same_seed_gives_the_same_sample_and_another_seed_another(head):
    first, again, other = (make_head_sample([head], seed, SHAPE) for seed in (3, 3, 4))
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.regions, again.regions)
    assert not np.array_equal(first.image, other.image)


@pytest.mark.parametrize("seed", range(12))
def test_image_and_regions_are_finite_and_agree_on_where_the_scan_ends(head, seed):
    sample = make_head_sample([head], seed, SHAPE)
    assert sample.image.shape == (1, *SHAPE)
    assert np.isfinite(sample.image).all()
    assert sample.image.min() >= 0
    assert sample.image.max() <= 1.5
    assert sample.regions.max() < len(Region)
    for axis in ((1, 2), (0, 2), (0, 1)):
        cut_off = ~sample.image[0].any(axis=axis)
        assert not sample.regions.any(axis=axis)[cut_off].any()


def test_tissue_differs_in_the_image_where_it_differs_in_the_truth(head):
    """White matter and ventricles have contrasts of their own in most images."""
    differences = []
    for seed in range(20):
        sample = make_head_sample([head], seed, SHAPE)
        white, fluid = (sample.image[0][sample.regions == r] for r in (Region.WHITE_MATTER, Region.VENTRICLES))
        if white.size > 50 and fluid.size > 50:
            differences.append(abs(np.median(white) - np.median(fluid)) / max(white.std() + fluid.std(), 1e-3))
    assert len(differences) >= 15
    assert np.median(differences) > 1.0


def test_scaling_is_blind_to_the_scanners_units():
    image = np.random.default_rng(1).random((8, 8, 8), np.float32)
    image[:2] = 0
    assert np.allclose(scaled(image), scaled(image * 700), atol=1e-5)
    assert (scaled(image)[:2] == 0).all()
    assert not scaled(np.zeros((3, 3, 3), np.float32)).any()
