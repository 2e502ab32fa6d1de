"""Images, maps and labels between grids."""

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from model.grid import Grid, axes_of, grid_around
from model.resampling import field_of_view, labels_onto_grid, onto_grid, resample
from model.volume import Volume, world_from_voxel

IDENTITY = np.eye(4)
OBLIQUE = np.array([[-0.79, 0.05, 0.2, 31.0], [0.06, 0.8, -0.3, -28.0], [0.03, 0.08, 2.97, -30.0], [0, 0, 0, 1.0]])


def blob(shape=(60, 64, 20), affine=OBLIQUE, centre=(0.0, -5.0, 2.0), width=7.0):
    at = world_from_voxel(affine, np.argwhere(np.ones(shape)).astype(float))
    values = np.exp(-np.square(at - centre).sum(axis=1) / (2 * width**2)).astype(np.float32)
    return Volume(array=values.reshape(shape), affine=affine)


def centroid(array, affine):
    return world_from_voxel(affine, np.array(ndimage.center_of_mass(array))[None])[0]


def grid_1mm():
    return grid_around(np.array([[-30.0, -35, -28], [30, 25, 32]]), spacing_mm=1.0)


@pytest.mark.parametrize(("interpolation", "worst"), [("linear", 0.07), ("cubic", 0.02)])
def test_there_and_back_gives_the_image_again(interpolation, worst):
    image, grid = blob(shape=(90, 90, 24), centre=(2.0, -3.0, 8.0), width=6.0), grid_1mm()
    there = resample(image, grid, volume_from_grid=IDENTITY, interpolation=interpolation)
    back = resample(
        Volume(array=there, affine=grid.affine), Grid.of(image), volume_from_grid=IDENTITY, interpolation=interpolation
    )
    seen = field_of_view(Volume(array=there, affine=grid.affine), Grid.of(image), volume_from_grid=IDENTITY)
    inner = seen & field_of_view(image, Grid.of(image), volume_from_grid=IDENTITY) & (image.array > 0.05)
    assert np.abs(back - image.array)[inner].max() < worst


def test_cubic_values_along_shared_axes_are_simpleitks_b_splines():
    image = blob(shape=(40, 36, 12))
    image = image.like(image.array + 0.1 * np.random.default_rng(3).standard_normal(image.array.shape))
    points = world_from_voxel(OBLIQUE, np.array([[-3.0, 4, -2], [30, 40, 13]]))  # beyond the image on both sides
    fine = Grid(shape=(59, 47, 68), affine=OBLIQUE @ np.diag([0.6, 0.8, 0.25, 1]))
    fine.affine[:3, 3] = points[0]

    values = resample(image, fine, volume_from_grid=IDENTITY, interpolation="cubic")

    read = sitk.GetImageFromArray(image.array.transpose(2, 1, 0).astype(np.float32))
    steps = sitk.AffineTransform(3)
    steps.SetMatrix(np.diag([0.6, 0.8, 0.25]).ravel().tolist())
    steps.SetTranslation([-3.0, 4.0, -2.0])
    like = sitk.Image(fine.shape, sitk.sitkFloat32)
    expected = sitk.GetArrayFromImage(sitk.Resample(read, like, steps, sitk.sitkBSpline)).transpose(2, 1, 0)
    seen = field_of_view(image, fine, volume_from_grid=IDENTITY)
    assert 0.2 < seen.mean() < 0.9
    assert (values[~seen] == 0).all()
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-5)


def test_a_grid_along_an_images_own_axes_holds_the_points_at_equal_steps():
    corners_of_it = world_from_voxel(OBLIQUE, np.array([[0.0, 0, 0], [59, 0, 0], [0, 63, 0], [59, 63, 19]]))
    grid = grid_around(corners_of_it, spacing_mm=0.75, margin_mm=2.0, axes=axes_of(OBLIQUE))
    at = world_from_voxel(np.linalg.inv(grid.affine), corners_of_it)
    assert grid.spacing == pytest.approx((0.75, 0.75, 0.75))
    assert (at >= 2 / 0.75 - 1e-6).all()
    assert (at <= np.array(grid.shape) - 1 - 2 / 0.75 + 1e-6).all()
    directions = OBLIQUE[:3, :3] / np.linalg.norm(OBLIQUE[:3, :3], axis=0)
    assert (np.sum(directions * grid.affine[:3, :3] / 0.75, axis=0) > 0.99).all()


def test_a_translation_moves_the_centroid_by_the_same_mm():
    image, grid = blob(), grid_1mm()
    shift = np.eye(4)
    shift[:3, 3] = [3.3, -2.2, 4.1]
    still = centroid(resample(image, grid, volume_from_grid=IDENTITY), grid.affine)
    moved = centroid(resample(image, grid, volume_from_grid=shift), grid.affine)
    assert moved - still == pytest.approx([-3.3, 2.2, -4.1], abs=0.05)


def test_outside_the_field_of_view_there_is_zero_and_the_border_reaches_half_a_voxel():
    image = Volume(array=np.full((4, 4, 4), 7, np.float32), affine=np.diag([2.0, 2, 2, 1]))
    line = Grid(shape=(12, 1, 1), affine=np.array([[1.0, 0, 0, -3], [0, 1, 0, 2], [0, 0, 1, 2], [0, 0, 0, 1]]))
    values = resample(image, line, volume_from_grid=IDENTITY)[:, 0, 0]
    seen = field_of_view(image, line, volume_from_grid=IDENTITY)[:, 0, 0]
    # world x of the samples: -3 ... 8; voxels reach from -1 to 7
    assert seen.tolist() == [False] * 2 + [True] * 8 + [False] * 2
    assert (values[3:9] == 7).all()
    assert (values[[0, 1, 10, 11]] == 0).all()


def test_a_fine_checkerboard_becomes_its_mean_on_a_coarse_grid_instead_of_aliasing():
    board = (np.indices((40, 40, 40)).sum(axis=0) % 2).astype(np.float32)
    fine = Volume(array=board, affine=np.diag([0.5, 0.5, 0.5, 1]))
    coarse = grid_around(np.array([[5.0, 5, 5], [14, 14, 14]]), spacing_mm=1.5)
    assert resample(fine, coarse, volume_from_grid=IDENTITY) == pytest.approx(0.5, abs=0.06)


def test_a_probability_keeps_its_volume_on_thick_slices():
    grid = grid_1mm()
    ball = blob(shape=grid.shape, affine=grid.affine, width=5.0).array > 0.5
    thick = Grid(shape=(90, 90, 24), affine=OBLIQUE)
    back = onto_grid(ball.astype(np.float32), grid, thick, target_from_grid=IDENTITY)
    voxel = abs(np.linalg.det(OBLIQUE[:3, :3]))
    assert back.sum() * voxel == pytest.approx(ball.sum(), rel=0.03)
    assert (back >= 0.5).sum() * voxel == pytest.approx(ball.sum(), rel=0.08)


def test_labels_keep_their_place_and_never_mix_into_a_third():
    grid = grid_1mm()
    labels = np.zeros(grid.shape, np.uint8)
    labels[20:30, 20:40, 20:40] = 2
    labels[30:40, 20:40, 20:40] = 4
    thick = Grid(shape=(90, 90, 24), affine=OBLIQUE)
    shift = np.eye(4)
    shift[:3, 3] = [1.5, -2.0, 3.0]
    back = labels_onto_grid(labels, grid, thick, target_from_grid=shift)
    assert set(np.unique(back)) == {0, 2, 4}
    for label in (2, 4):
        expected = centroid(labels == label, grid.affine) + np.array([1.5, -2.0, 3.0])
        assert centroid(back == label, thick.affine) == pytest.approx(expected, abs=0.75)  # a quarter of a slice


@pytest.mark.parametrize("slice_mm", [0.8, 2.0, 5.0])
def test_every_label_keeps_its_volume_and_none_is_lost_in_thick_slices(slice_mm: float):
    grid = grid_1mm()
    labels = np.zeros(grid.shape, np.int32)
    sizes = [(1, 1, 3), (2, 2, 2), (3, 3, 3), (6, 5, 4), (9, 9, 9)]
    for label, size in enumerate(sizes, start=1):
        at = 4 + 10 * (label - 1)
        labels[at : at + size[0], at : at + size[1], at : at + size[2]] = label
    affine = np.diag([0.9, 0.9, slice_mm, 1.0])
    affine[:3, 3] = -50.0
    target = Grid(shape=(111, 111, round(100 / slice_mm)), affine=affine)
    larger = np.diag([1.02, 1.02, 1.02, 1.0])

    back = labels_onto_grid(labels, grid, target, target_from_grid=larger)

    for label, size in enumerate(sizes, start=1):
        volume = int((back == label).sum()) * target.voxel_volume_mm3
        wanted = max(np.prod(size) * 1.02**3, target.voxel_volume_mm3)
        assert volume == pytest.approx(wanted, abs=target.voxel_volume_mm3 / 2 + 1e-6), size
        there = world_from_voxel(larger, np.array([centroid(labels == label, grid.affine)]))[0]
        assert np.abs(centroid(back == label, target.affine) - there).max() <= slice_mm / 2 + 0.2


def test_a_label_outside_the_target_is_left_out():
    grid = grid_1mm()
    labels = np.zeros(grid.shape, np.uint8)
    labels[:4, :4, :4] = 1
    small = Grid(shape=(4, 4, 4), affine=np.diag([1.0, 1, 1, 1]))
    assert not labels_onto_grid(labels, grid, small, target_from_grid=IDENTITY).any()
