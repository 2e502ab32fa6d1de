"""Surface and longest extent, on forms whose answer is known."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from model.shape_measures import long_axis_mm, surface_mm2
from tests.fixtures.boxes import ras_grid


def ball(radius_mm, spacing=(1.0, 1.0, 1.0), off=(0.0, 0.0, 0.0)):
    shape = tuple(int(2 * radius_mm / s) + 5 for s in spacing)
    centre = [(n - 1) / 2 + o for n, o in zip(shape, off, strict=True)]
    at = [(axis - c) * s for axis, c, s in zip(np.indices(shape), centre, spacing, strict=True)]
    return sum(a**2 for a in at) <= radius_mm**2, ras_grid(shape, spacing)


@pytest.mark.parametrize("radius_mm", [3.0, 5.0, 10.0])
@pytest.mark.parametrize("off", [(0.0, 0.0, 0.0), (0.3, -0.2, 0.4)])
def test_the_surface_of_a_ball_is_that_of_the_sphere_of_its_volume(radius_mm, off):
    mask, grid = ball(radius_mm, off=off)
    radius = np.cbrt(mask.sum() * 0.75 / np.pi)
    assert surface_mm2(mask, grid) == pytest.approx(4 * np.pi * radius**2, rel=0.03)


def test_the_surface_does_not_depend_on_the_form_of_the_voxels():
    mask, grid = ball(9.0, (0.5, 1.0, 2.0))
    assert surface_mm2(mask, grid) == pytest.approx(4 * np.pi * 81, rel=0.03)


def test_two_lesions_have_the_sum_of_their_surfaces():
    mask, grid = ball(4.0)
    twice = np.concatenate([mask, mask])
    assert surface_mm2(twice, ras_grid(twice.shape)) == pytest.approx(2 * surface_mm2(mask, grid))


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("voxels", [1, 2, 7])
def test_voxels_in_a_row_are_as_long_as_they_are_many(axis, voxels):
    shape = [9, 9, 9]
    mask = np.zeros(shape, bool)
    mask[tuple(slice(1, 1 + voxels) if a == axis else 4 for a in range(3))] = True
    assert long_axis_mm(mask, ras_grid((9, 9, 9))) == pytest.approx(voxels)


def test_the_long_axis_of_a_ball_is_its_diameter():
    mask, grid = ball(8.0, off=(0.3, 0.1, 0.2))
    assert long_axis_mm(mask, grid) == pytest.approx(16.0, abs=1.0)


@pytest.mark.parametrize("seed", range(4))
def test_no_two_voxels_lie_much_farther_apart_than_the_long_axis(seed):
    rng = np.random.default_rng(seed)
    mask = rng.random((12, 14, 10)) < 0.2
    grid = ras_grid(mask.shape, (0.8, 1.0, 1.9))
    points = np.argwhere(mask) * (0.8, 1.0, 1.9)
    between = long_axis_mm(mask, grid) - np.cbrt(grid.voxel_volume_mm3)
    assert 0.998 * pdist(points).max() <= between <= pdist(points).max() + 1e-9


def test_what_grows_is_longer_and_has_more_surface():
    measured = [(long_axis_mm(*ball(r)), surface_mm2(*ball(r))) for r in (2.0, 4.0, 6.0, 8.0)]
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in pairwise(measured))


def test_an_empty_mask_has_neither():
    nothing = np.zeros((3, 3, 3), bool)
    assert surface_mm2(nothing, ras_grid((3, 3, 3))) == long_axis_mm(nothing, ras_grid((3, 3, 3))) == 0.0
