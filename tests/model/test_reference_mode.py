"""The reference's own preprocessing and way back, on scans whose answers are known (its own masks: test_predict)."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from model.checkpoint import Preprocessing
from model.reference_mode import nonzero_box, preprocess, read_scan, segment
from tests.fixtures.reference_scans import bright_voxels, cube, write

EVERYTHING = (slice(None), slice(None), slice(None))


def no_progress(_: float) -> None:
    pass


def test_a_scan_comes_as_superior_anterior_right_whatever_the_file_says(tmp_path: Path) -> None:
    scan = read_scan(write(tmp_path, cube()))

    assert scan.orientation == "LPS"
    np.testing.assert_array_equal(scan.data[0], cube())


def test_the_mask_lies_on_the_grid_of_the_file(tmp_path: Path) -> None:
    paths = write(tmp_path, cube())

    mask = segment([bright_voxels()], read_scan(paths), None, mirroring=False, progress=no_progress)

    stored = sitk.ReadImage(str(paths[0]))
    expected = sitk.GetArrayFromImage(stored) > 50
    np.testing.assert_array_equal(sitk.GetArrayFromImage(mask) == 1, expected)
    np.testing.assert_allclose(mask.GetDirection(), stored.GetDirection(), atol=1e-6)
    np.testing.assert_allclose(mask.GetOrigin(), stored.GetOrigin(), atol=1e-4)


def test_a_mask_of_another_spacing_keeps_its_place(tmp_path: Path) -> None:
    coarse = np.ones((8, 10, 12))
    coarse[2:5, 3:7, 4:9] = 100
    paths = write(tmp_path, coarse, spacing=(2.0, 2.0, 2.0))

    model = bright_voxels(patch=(16, 20, 24))  # one tile at 1 mm

    mask = segment([model], read_scan(paths), None, mirroring=False, progress=no_progress)

    back = sitk.GetArrayFromImage(sitk.DICOMOrient(mask, "RAS")) == 1
    # the spline blurs the edge by a part of a voxel on every side alike: the place stays
    assert back[coarse > 50].all()
    np.testing.assert_allclose(np.argwhere(back).mean(axis=0), [3.0, 4.5, 6.0], atol=0.1)


def test_a_model_of_the_files_axes_sees_them(tmp_path: Path) -> None:
    paths = write(tmp_path, cube())

    scan = read_scan(paths, reoriented=False)
    mask = segment([bright_voxels()], scan, None, mirroring=False, progress=no_progress)

    stored = sitk.GetArrayFromImage(sitk.ReadImage(str(paths[0])))
    np.testing.assert_array_equal(scan.data[0], stored)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(mask) == 1, stored > 50)


def test_a_transposed_plan_gives_the_mask_of_the_plain_one(tmp_path: Path) -> None:
    scan = read_scan(write(tmp_path, np.pad(cube(), ((0, 0), (0, 3), (0, 5))), spacing=(1.0, 4.0, 2.0)))
    plain, turned = bright_voxels(), bright_voxels()
    plain = replace(plain, preprocessing=Preprocessing(patch=(16, 44, 14), spacing_mm=(1, 1, 1)))
    turned = replace(turned, preprocessing=Preprocessing(patch=(44, 14, 16), spacing_mm=(1, 1, 1), transpose=(1, 2, 0)))

    masks = [segment([model], scan, None, mirroring=False, progress=no_progress) for model in (plain, turned)]

    assert preprocess(scan, turned.preprocessing, EVERYTHING).shape[1:] == (44, 13, 16)
    np.testing.assert_array_equal(*(sitk.GetArrayFromImage(mask) for mask in masks))


def test_a_z_score_in_the_mask_leaves_the_outside_at_zero(tmp_path: Path) -> None:
    array = np.zeros((8, 8, 8))
    array[2:6, 2:6, 2:6] = np.random.default_rng(0).uniform(50, 90, (4, 4, 4))

    data = preprocess(read_scan(write(tmp_path, array)), Preprocessing(patch=(8, 8, 8)), EVERYTHING)

    inside = data[0][array > 0]
    assert abs(inside.mean()) < 1e-5
    assert abs(inside.std() - 1) < 1e-5
    assert not data[0][array == 0].any()


def test_the_union_box_holds_both_scans(tmp_path: Path) -> None:
    first, second = np.zeros((8, 8, 8)), np.zeros((8, 8, 8))
    first[1:3, 2:4, 2:4] = 1
    second[4:7, 2:3, 3:6] = 1

    box = nonzero_box([read_scan(write(tmp_path / n, array)) for n, array in [("a", first), ("b", second)]])

    assert box == (slice(1, 7), slice(2, 4), slice(2, 6))


def test_scans_on_different_grids_are_refused(tmp_path: Path) -> None:
    current = read_scan(write(tmp_path / "a", cube()))
    prior = read_scan(write(tmp_path / "b", cube(), spacing=(1.0, 1.0, 1.2)))

    with pytest.raises(ValueError, match="grid of the current scan"):
        segment([bright_voxels()], current, prior, progress=no_progress)


def test_an_image_of_four_dimensions_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "series.nii.gz"
    sitk.WriteImage(sitk.Image([4, 4, 4, 2], sitk.sitkFloat32), path)

    with pytest.raises(ValueError, match="3 dimensions"):
        read_scan([path])
