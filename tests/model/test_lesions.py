"""Components, their volumes and their places."""

import numpy as np
import pytest

from model.grid import Grid
from model.lesions import centroid_mm, describe, equivalent_diameter_mm, find_lesions

OBLIQUE = Grid(
    shape=(6, 6, 6),
    affine=np.array([[0.0, -2.0, 0.0, 10.0], [1.0, 0.0, 0.0, -5.0], [0.0, 0.0, 3.0, 7.0], [0.0, 0.0, 0.0, 1.0]]),
)
"""Axes swapped and one turned round: 1 x 2 x 3 mm, 6 mm3 a voxel."""


def mask_of(*voxels, shape=(6, 6, 6)):
    mask = np.zeros(shape, bool)
    for voxel in voxels:
        mask[voxel] = True
    return mask


def test_an_empty_mask_has_no_lesion():
    lesions = find_lesions(mask_of(), 1.0)
    assert lesions.volumes_mm3 == ()
    assert lesions.total_mm3 == 0.0
    assert not lesions.mask.any()


def test_voxels_that_touch_at_a_corner_are_one_lesion():
    assert find_lesions(mask_of((1, 1, 1), (2, 2, 2), (3, 3, 3)), 1.0).volumes_mm3 == (3.0,)


@pytest.mark.parametrize(("voxel_mm3", "kept"), [(0.99, 0), (1.0, 1)])
def test_a_lesion_is_kept_from_three_cubic_millimetres_on(voxel_mm3, kept):
    assert len(find_lesions(mask_of((0, 0, 0), (0, 0, 1), (0, 0, 2)), voxel_mm3).volumes_mm3) == kept


def test_labels_stay_gapless_when_a_speck_between_is_dropped():
    mask = mask_of((0, 0, 0), (0, 0, 1), (0, 0, 2), (2, 2, 2), (5, 5, 5), (5, 5, 4), (5, 5, 3), (5, 5, 2))
    lesions = find_lesions(mask, 1.0)
    assert lesions.volumes_mm3 == (3.0, 4.0)
    assert lesions.labels[5, 5, 5] == 2
    assert lesions.labels[2, 2, 2] == 0


def test_a_lesion_is_described_in_voxels_and_in_patient_millimetres():
    lesions = find_lesions(mask_of((1, 2, 3), (1, 3, 3)), OBLIQUE.voxel_volume_mm3)
    (lesion,) = describe(lesions, OBLIQUE)
    assert (lesion.label, lesion.volume_mm3) == (1, 12.0)
    assert lesion.centroid_voxel == (1.0, 2.5, 3.0)
    assert lesion.centroid_mm == pytest.approx((10.0 - 2.0 * 2.5, -5.0 + 1.0, 7.0 + 9.0))
    assert lesion.box == (slice(1, 2), slice(2, 4), slice(3, 4))
    assert lesion.equivalent_diameter_mm == pytest.approx(2.8404, abs=1e-4)


def test_the_counted_volume_is_that_of_a_three_millimetre_sphere():
    assert equivalent_diameter_mm(np.pi * 27 / 6) == pytest.approx(3.0)


def test_an_empty_mask_has_no_centroid():
    with pytest.raises(ValueError, match="mask: empty"):
        centroid_mm(mask_of(), OBLIQUE)
