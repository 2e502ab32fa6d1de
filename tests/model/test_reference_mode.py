"""The reference's own preprocessing and way back, on scans whose answers are known, and on fixtures that it made."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from model.checkpoint import Card, LoadedModel, Preprocessing
from model.longiseg import convert_longiseg
from model.reference_mode import nonzero_box, preprocess, read_scan, segment
from model.unet import UNetConfig, build

EVERYTHING = (slice(None), slice(None), slice(None))


def no_progress(_: float) -> None:
    pass


def write(folder: Path, array: np.ndarray, *, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> list[Path]:
    """Two channels, the second twice the first; array axes z y x in RAS, stored as LPS."""
    image = sitk.GetImageFromArray(array.astype(np.float32))
    image.SetSpacing(spacing)
    image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    image.SetOrigin((5, -7, 11))
    stored = sitk.DICOMOrient(image, "LPS")
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / "scan_0000.nii.gz", folder / "scan_0001.nii.gz"]
    sitk.WriteImage(stored, paths[0])
    sitk.WriteImage(stored * 2, paths[1])
    return paths


def bright_voxels(patch: tuple[int, int, int] = (8, 8, 8)) -> LoadedModel:
    """A network that calls a voxel lesion where T1 is over the mean of its tile: no training, a known answer."""
    config = UNetConfig(
        variant="single",
        features=(2, 2),
        kernels=((1, 1, 1), (1, 1, 1)),
        strides=((1, 1, 1), (2, 2, 2)),
        encoder_convs=(1, 1),
        decoder_convs=(1,),
    )
    network = build(config)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        for block in (network.encoder.stages[0].convs[0], network.decoder.stages[0].convs[0]):
            block.norm.weight.fill_(1)
        network.encoder.stages[0].convs[0].conv.weight[0, 0] = 1
        network.decoder.stages[0].convs[0].conv.weight[0, 2] = 1  # the skip comes after the two upsampled channels
        network.decoder.heads[0].weight[1, 0] = 1
    preprocessing = Preprocessing(patch=patch, mask_for_norm=(False, False))
    return LoadedModel(network=network, config=config, preprocessing=preprocessing, card=Card(name="x"), sha256="")


def cube() -> np.ndarray:
    array = np.ones((8, 8, 8))
    array[1:3, 4:7, 5:8] = 100
    return array


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


@pytest.mark.shared_data
@pytest.mark.slow
@pytest.mark.parametrize("fixture", ["plain3", "concat3"])
@pytest.mark.parametrize(("current", "prior"), [("t1", "t0"), ("t0", "t1"), ("t0", "t0")])
def test_masks_equal_the_references(
    shared_folder: Path, tmp_path: Path, fixture: str, current: str, prior: str
) -> None:
    folder = shared_folder / "parity" / fixture
    members = convert_longiseg(folder / "model", tmp_path)
    scans = {
        time: read_scan([folder / "in" / f"p1_{time}_000{channel}.nii.gz" for channel in (0, 1)])
        for time in {current, prior}
    }

    given = None if prior == current else scans[prior]
    mask = segment(members, scans[current], given, progress=no_progress)

    expected = sitk.ReadImage(str(folder / "expected" / f"p1_{current}_given_{prior}.nii.gz"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(mask), sitk.GetArrayFromImage(expected))
    np.testing.assert_allclose(mask.GetOrigin(), expected.GetOrigin(), atol=1e-4)
    np.testing.assert_allclose(mask.GetDirection(), expected.GetDirection(), atol=1e-6)
