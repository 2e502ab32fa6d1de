from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from model.scanner import (
    acquire,
    covered,
    draw_acquisition,
    draw_field_of_view,
    draw_worn_acquisition,
    smooth_field,
    stretched,
)

SHAPE = (20, 24, 22)


def test_a_scanner_is_deterministic_and_keeps_the_shape():
    image = np.ones(SHAPE, np.float32)
    for seed in range(5):
        for draw in (draw_acquisition, draw_worn_acquisition):
            acquisition = draw(np.random.default_rng(seed))
            seen = acquire(image, acquisition)
            assert seen.shape == image.shape
            assert np.array_equal(seen, acquire(image, acquisition))
            assert 0.4 < seen.mean() < 1.8


def test_rician_noise_lifts_the_dark_and_gaussian_noise_does_not():
    quiet = replace(
        draw_acquisition(np.random.default_rng(0)), noise=0.05, gamma=1.0, bias_amplitude=0.0, ghost=0.0, rician=False
    )
    dark = np.zeros(SHAPE, np.float32)
    # the mean of a Rayleigh distribution, and of a Gaussian cut at zero
    assert acquire(dark, replace(quiet, rician=True)).mean() == pytest.approx(0.05 * np.sqrt(np.pi / 2), rel=0.05)
    assert acquire(dark, quiet).mean() == pytest.approx(0.05 / np.sqrt(2 * np.pi), rel=0.05)


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("far", [True, False])
def test_a_cut_field_of_view_lacks_exactly_the_slab(axis: int, far: bool):
    seen = np.moveaxis(covered(SHAPE, axis, cut=5.0, far=far), axis, 0)
    missing = slice(len(seen) - 5, None) if far else slice(0, 5)
    assert not seen[missing].any()
    assert seen.sum() == (len(seen) - 5) * seen[0].size


def test_an_oblique_cut_is_deeper_on_one_side():
    seen = covered(SHAPE, 0, cut=6.0, far=False, tilt=np.array([0.2, 0.0]))
    missing = (~seen).sum(axis=0)
    assert missing[0].mean() > missing[-1].mean() + 3


def test_most_scans_cover_the_patch_and_some_do_not():
    views = [draw_field_of_view(SHAPE, np.random.default_rng(seed)) for seed in range(60)]
    assert 0.7 < np.mean([view.all() for view in views]) < 0.98
    assert all(view.mean() > 0.4 for view in views)


@pytest.mark.parametrize("cells", [3, 12])
def test_a_smooth_field_is_the_linear_interpolation_of_its_lattice(cells: int):
    coarse = np.random.default_rng(1).standard_normal((cells,) * 3).astype(np.float32)
    zoom = [n / cells for n in SHAPE]
    expected = ndimage.zoom(coarse, zoom, order=1, mode="nearest", grid_mode=True)
    assert np.allclose(smooth_field(SHAPE, cells, np.random.default_rng(1)), expected, atol=1e-5)


def test_a_lattice_with_corners_reaches_from_the_first_voxel_to_the_last():
    row = stretched(np.array([0, 1, 4], np.float32).reshape(3, 1, 1), (5, 1, 1), corners=True)
    assert row.ravel().tolist() == [0, 0.5, 1, 2.5, 4]
