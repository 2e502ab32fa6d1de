"""Alignment on a phantom with known transforms, and on one real pair."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from scipy import linalg, ndimage

from model.grid import Grid, corners, grid_around
from model.resampling import resample
from model.volume import Volume, world_from_voxel
from service.contracts.errors import RegistrationFailed
from tests.fixtures.mni_template import mni_template
from worker import registration
from worker.case import IDENTITY_4X4
from worker.itk import image_of, matrix_of, transform_of
from worker.registration import RegistrationSettings, align_pair, align_t1_to_flair, brain_points

SETTINGS = RegistrationSettings()
WITH_SCALE = RegistrationSettings(between_visits="affine")

KNOWN = linalg.expm(
    np.array([[0.01, -0.09, 0.03, 6.0], [0.08, -0.01, 0.05, -9.0], [-0.03, -0.04, 0.005, 5.0], [0, 0, 0, 0]])
)
"""About 6 degrees, 12 mm and one percent of stretch."""


def seen(scan_from_template, *, seed, spacing=2.0, invert=False):
    """The template brain as a scan sees it: with noise and a bias field, on its own grid."""
    template = mni_template()
    points = world_from_voxel(scan_from_template, corners(Grid.of(template.t1)))
    grid = grid_around(points, spacing_mm=spacing)
    back = np.linalg.inv(scan_from_template)
    values = resample(template.t1, grid, volume_from_grid=back, interpolation="cubic")
    brain = resample(template.brain, grid, volume_from_grid=back) >= 0.5
    signal = np.where(brain, 1.3 - values if invert else values, 0)
    rng = np.random.default_rng(seed)
    bias = np.exp(0.1 * np.linspace(-1, 1, grid.shape[0]))[:, None, None]
    noisy = 500 * (signal * bias + 0.03 * rng.standard_normal(grid.shape))
    return Volume(array=noisy.astype(np.float32), affine=grid.affine), Volume(array=brain, affine=grid.affine)


def distance_mm(a, b, brain):
    points = brain_points(brain)
    return np.linalg.norm(world_from_voxel(a, points) - world_from_voxel(b, points), axis=1).mean()


@pytest.fixture(scope="module")
def pair():
    return *seen(IDENTITY_4X4, seed=1), *seen(KNOWN, seed=2)


@pytest.fixture(scope="module")
def aligned(pair):
    return align_pair(*pair, settings=SETTINGS)


def test_a_known_affine_is_recovered_within_a_tenth_of_a_millimetre(pair):
    aligned = align_pair(*pair, settings=WITH_SCALE)
    assert distance_mm(np.linalg.inv(aligned.baseline_from_follow_up), KNOWN, pair[1]) < 0.1
    assert (
        aligned.inverse_consistency_mm < 0.5
    )  # a quarter of a voxel; the mean of both directions is better than either
    assert aligned.correlation > 0.8
    assert aligned.overlap > 0.97


def test_swapping_the_studies_gives_the_inverse(pair, aligned):
    swapped = align_pair(pair[2], pair[3], pair[0], pair[1], settings=SETTINGS)
    assert swapped.baseline_from_follow_up == pytest.approx(np.linalg.inv(aligned.baseline_from_follow_up), abs=1e-6)


def test_the_usual_alignment_leaves_the_scale_between_the_scans(pair, aligned):
    found = np.linalg.inv(aligned.baseline_from_follow_up)
    assert np.linalg.svd(found[:3, :3], compute_uv=False) == pytest.approx(np.ones(3), abs=1e-6)
    assert 0.2 < distance_mm(found, KNOWN, pair[1]) < 1.0
    assert aligned.inverse_consistency_mm < 0.5


def test_t1_is_aligned_to_a_flair_of_inverted_contrast_from_a_far_origin(pair):
    flair, brain = pair[:2]
    far = np.eye(4)
    far[:3, 3] = [900.0, -1500.0, 400.0]
    t1, _ = seen(far @ KNOWN, seed=3, invert=True)
    found = align_t1_to_flair(t1, flair, brain, settings=SETTINGS)
    assert distance_mm(np.linalg.inv(found.flair_from_t1), far @ KNOWN, brain) < 0.4  # one direction only, 2 mm voxels
    assert found.correlation > 0.1


def test_two_images_without_likeness_are_refused(pair, monkeypatch):
    rng = np.random.default_rng(4)
    noise = pair[0].like(ndimage.gaussian_filter(rng.standard_normal(pair[0].array.shape), 2).astype(np.float32))
    monkeypatch.setattr(registration, "_moving_from_fixed", lambda *_, **__: IDENTITY_4X4)
    with pytest.raises(RegistrationFailed, match="correlation"):
        align_pair(pair[0], pair[1], noise, pair[1], settings=SETTINGS)


def test_a_stretched_head_is_refused(pair, monkeypatch):
    monkeypatch.setattr(registration, "_moving_from_fixed", lambda *_, **__: np.diag([1.3, 1, 1, 1]))
    with pytest.raises(RegistrationFailed, match="scales"):
        align_t1_to_flair(pair[2], pair[0], pair[1], settings=SETTINGS)


def test_an_empty_brain_mask_is_refused(pair):
    nothing = pair[0].like(np.zeros(pair[0].array.shape, bool))
    with pytest.raises(RegistrationFailed, match="empty"):
        align_t1_to_flair(pair[2], pair[0], nothing, settings=SETTINGS)


def test_a_matrix_survives_simpleitk():
    assert matrix_of(transform_of(KNOWN)) == pytest.approx(KNOWN, abs=1e-12)


def test_an_image_keeps_its_place_in_simpleitk():
    affine = np.array([[0.0, 0, -3, 10], [0, -2, 0, 20], [1.5, 0, 0, 30], [0, 0, 0, 1]])
    image = image_of(Volume(array=np.zeros((3, 4, 5), np.float32), affine=affine))
    assert image.TransformIndexToPhysicalPoint((2, 3, 4)) == pytest.approx(tuple(affine @ [2, 3, 4, 1])[:3])


def test_sheared_axes_are_refused():
    sheared = np.eye(4)
    sheared[0, 1] = 0.2
    with pytest.raises(ValueError, match="orthogonal"):
        image_of(Volume(array=np.zeros((3, 3, 3), np.float32), affine=sheared))


@pytest.mark.shared_data
@pytest.mark.slow
def test_a_real_pair_is_as_near_to_its_authors_transform_as_flirt_was(shared_folder: Path):
    folder = shared_folder / "data" / "open_ms_data" / "longitudinal" / "patient01"
    mask = real(folder / "brainmask.nii.gz")
    flairs, brains, from_common = [], [], []
    for study in (1, 2):
        flair = real(folder / f"study{study}_FLAIR.nii.gz")
        transform = matrix_of(sitk.ReadTransform(str(folder / f"study{study}_FLAIR_to_common_space.txt")))
        flairs.append(flair)
        from_common.append(transform)
        brains.append(flair.like(resample(mask, Grid.of(flair), volume_from_grid=np.linalg.inv(transform)) >= 0.5))
    found = align_pair(flairs[0], brains[0], flairs[1], brains[1], settings=SETTINGS)
    authors = from_common[1] @ np.linalg.inv(from_common[0])
    assert (
        distance_mm(np.linalg.inv(found.baseline_from_follow_up), authors, brains[0]) < 0.16
    )  # mm, FLIRT on this pair


def real(path: Path) -> Volume:
    image = nib.load(path)
    affine = np.diag([-1.0, -1, 1, 1]) @ image.affine
    return Volume(array=np.asarray(image.dataobj, np.float32), affine=affine)
