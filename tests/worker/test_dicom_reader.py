"""DICOM stacks read to the voxels and places that were written, or refused by name."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless, generate_uid

from model.volume import Volume, world_from_voxel
from service.contracts.input_errors import (
    CorruptImage,
    DuplicateSlice,
    EmptyStudy,
    ImageTooSmall,
    InconsistentFrameOfReference,
    InconsistentImages,
    InconsistentOrientation,
    MissingSlice,
)
from tests.fixtures.multi_frame import KINDS, write_kind
from tests.fixtures.small_studies import T1_HEADER, edit, small_volume
from worker.dicom_index import index_folder
from worker.dicom_reader import read_series
from worker.dicom_writer import write_mr_series
from worker.nifti_reader import read_nifti
from worker.nifti_writer import write_nifti


@pytest.fixture
def files(tmp_path) -> list[Path]:
    return write_mr_series(small_volume(), tmp_path / "series", header=T1_HEADER)


def read_only_series(folder: Path) -> Volume:
    (series,) = index_folder(folder).series
    return read_series(series)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("plane", ["axial", "sagittal", "coronal"])
@pytest.mark.parametrize("tilt", [(0.0, 0.0, 0.0), (-13.0, 4.0, 7.0)])
def test_markers_lie_at_the_same_world_position_in_dicom_and_nifti(tmp_path, plane, tilt, kind):
    volume = small_volume(plane, tilt)
    markers = [(3, 5, 2), (38, 7, 11), (12, 25, 6)]
    array = np.zeros_like(volume.array)
    for brightness, marker in enumerate(markers, start=1):
        array[marker] = 100 * brightness
    volume = volume.like(array)
    expected = world_from_voxel(volume.affine, np.array(markers, float))
    write_kind(kind, volume, tmp_path / "dicom", header=T1_HEADER)
    write_nifti(volume, tmp_path / "image.nii.gz")
    for again in (read_only_series(tmp_path / "dicom"), read_nifti(tmp_path / "image.nii.gz")):
        seen = np.array([np.argwhere(again.array == 100 * n)[0] for n in (1, 2, 3)], float)
        assert np.abs(world_from_voxel(again.affine, seen) - expected).max() < 0.01


def test_files_may_have_any_name_and_lie_in_any_folder(files, tmp_path):
    for n, path in enumerate(reversed(files)):
        target = tmp_path / "mixed" / f"{n % 3}" / f"I{n * 7 % 100}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, target)
    (tmp_path / "mixed" / "notes.txt").write_text("not an image")
    assert (read_only_series(tmp_path / "mixed").array == small_volume().array).all()


def test_a_left_handed_stack_is_read_right_handed_at_the_same_place(tmp_path):
    volume = small_volume()
    flipped = Volume(array=volume.array, affine=volume.affine @ np.diag([1.0, 1.0, -1.0, 1.0]))
    write_mr_series(flipped, tmp_path, header=T1_HEADER)
    again = read_only_series(tmp_path)
    assert np.linalg.det(again.affine[:3, :3]) > 0
    assert (again.array[:, :, ::-1] == volume.array).all()
    np.testing.assert_allclose(again.affine @ (0, 0, 13, 1), flipped.affine @ (0, 0, 0, 1), atol=1e-6)


def test_rescale_slope_and_intercept_are_applied(tmp_path):
    volume = small_volume()
    volume = volume.like(volume.array * np.float32(0.013) - np.float32(4.2))
    write_mr_series(volume, tmp_path, header=T1_HEADER)
    again = read_only_series(tmp_path)
    assert again.array.dtype == np.float32
    assert np.abs(again.array - volume.array).max() < 1e-3


def test_missing_slices_are_counted_and_placed(files, tmp_path):
    for index in (4, 5, 10):
        files[index].unlink()
    with pytest.raises(MissingSlice, match="3 missing among 11 present: 2 after slice 4, 1 after slice 8"):
        read_only_series(tmp_path)


def test_irregular_spacing_is_told_from_a_missing_slice(files, tmp_path):
    position = pydicom.dcmread(files[6]).ImagePositionPatient
    edit(files[6], ImagePositionPatient=[position[0], position[1], position[2] + 1.5])
    with pytest.raises(MissingSlice, match=r"irregular.*within 5%"):
        read_only_series(tmp_path)


def test_rounded_positions_are_regular(files, tmp_path):
    for path in files:
        position = pydicom.dcmread(path).ImagePositionPatient
        edit(path, ImagePositionPatient=[round(float(mm), 1) for mm in position])
    assert abs(read_only_series(tmp_path).spacing[2] - 5.0) < 0.02


def test_an_instance_sent_twice_counts_once(files, tmp_path):
    shutil.copy(files[3], tmp_path / "series" / "again.dcm")
    assert (read_only_series(tmp_path).array == small_volume().array).all()


def test_a_copy_with_another_uid_and_the_same_pixels_counts_once(files, tmp_path):
    shutil.copy(files[3], tmp_path / "series" / "again.dcm")
    edit(tmp_path / "series" / "again.dcm", SOPInstanceUID=generate_uid())
    assert (read_only_series(tmp_path).array == small_volume().array).all()


def test_two_images_at_one_position_are_a_duplicate_slice(files, tmp_path):
    shutil.copy(files[3], tmp_path / "series" / "again.dcm")
    other = pydicom.dcmread(files[9]).PixelData
    edit(tmp_path / "series" / "again.dcm", SOPInstanceUID=generate_uid(), PixelData=other)
    with pytest.raises(DuplicateSlice, match="2 different images at one position"):
        read_only_series(tmp_path)


@pytest.mark.parametrize(
    ("tag", "value"), [("EchoTime", 92.0), ("AcquisitionNumber", 2), ("TemporalPositionIdentifier", 2)]
)
def test_repeats_in_one_series_become_stacks_of_their_own(files, tmp_path, tag, value):
    for path in files:
        second = path.with_name(f"second_{path.name}")
        shutil.copy(path, second)
        edit(second, SOPInstanceUID=generate_uid(), **{tag: value})
        edit(path, **{tag: 1})
    stacks = index_folder(tmp_path).series
    assert [len(stack.slices) for stack in stacks] == [14, 14]
    assert all((read_series(stack).array == small_volume().array).all() for stack in stacks)


def test_slices_may_come_interleaved(files, tmp_path):
    """Numbered in the order of acquisition: odd slices first, then even ones."""
    order = [*range(0, 14, 2), *range(1, 14, 2)]
    for number, n in enumerate(order, start=1):
        edit(files[n], InstanceNumber=number)
        files[n].rename(files[n].with_name(f"{number:02d}"))
    assert (read_only_series(tmp_path).array == small_volume().array).all()


def test_slices_numbered_as_acquisitions_of_their_own_stay_one_stack(files, tmp_path):
    for number, path in enumerate(files):
        edit(path, AcquisitionNumber=number)
    assert (read_only_series(tmp_path).array == small_volume().array).all()


def test_turned_slices_are_refused(files, tmp_path):
    edit(files[5], ImageOrientationPatient=[0.999, 0.0447, 0, -0.0447, 0.999, 0])
    with pytest.raises(InconsistentOrientation, match=r"differ by 0.0447"):
        read_only_series(tmp_path)


def test_a_sheared_stack_is_refused(files, tmp_path):
    for n, path in enumerate(files):
        position = pydicom.dcmread(path).ImagePositionPatient
        edit(path, ImagePositionPatient=[position[0], float(position[1]) + 0.5 * n, position[2]])
    with pytest.raises(InconsistentOrientation, match="sheared"):
        read_only_series(tmp_path)


@pytest.mark.parametrize(
    ("tags", "error"),
    [
        ({"FrameOfReferenceUID": "1.2.3"}, InconsistentFrameOfReference),
        ({"PixelSpacing": [3.0, 2.6]}, InconsistentImages),
        ({"Rows": 35}, InconsistentImages),
        ({"PixelSpacing": None}, CorruptImage),
        ({"ImageOrientationPatient": None}, CorruptImage),
        ({"ImagePositionPatient": None}, CorruptImage),
    ],
)
def test_a_slice_that_does_not_fit_is_refused(files, tmp_path, tags, error):
    edit(files[5], **tags)
    with pytest.raises(error):
        read_only_series(tmp_path)


def test_equal_directions_that_are_no_unit_vectors_are_refused(files, tmp_path):
    for path in files:
        edit(path, ImageOrientationPatient=[1, 0, 0, 0.5, 0.8, 0])
    with pytest.raises(CorruptImage, match="perpendicular"):
        read_only_series(tmp_path)


@pytest.mark.parametrize("syntax", [None, RLELossless, JPEGLSLossless, JPEG2000Lossless])
def test_pixel_data_that_end_early_are_refused(tmp_path, syntax):
    options = {} if syntax is None else {"transfer_syntax": syntax}
    files = write_mr_series(small_volume(), tmp_path, header=T1_HEADER, **options)
    raw = files[5].read_bytes()
    files[5].write_bytes(raw[:-600])
    with pytest.raises(CorruptImage):
        read_only_series(tmp_path)


@pytest.mark.parametrize("kept_bytes", [140, 200, 300, 400, 700, 1000, 1300, 1500])
def test_a_header_that_ends_early_is_refused_and_not_passed_over(files, tmp_path, kept_bytes):
    files[-1].write_bytes(files[-1].read_bytes()[:kept_bytes])
    with pytest.raises(CorruptImage):
        read_only_series(tmp_path)


def test_a_single_slice_is_too_small(files, tmp_path):
    for path in files[1:]:
        path.unlink()
    with pytest.raises(ImageTooSmall):
        read_only_series(tmp_path)


def test_colour_pixels_in_an_mr_image_are_refused(files, tmp_path):
    for path in files:
        image = pydicom.dcmread(path)
        image.SamplesPerPixel, image.PhotometricInterpretation, image.PlanarConfiguration = 3, "RGB", 0
        image.BitsAllocated = image.BitsStored = 8
        image.HighBit = 7
        image.PixelData = bytes(image.Rows * image.Columns * 3)
        image["PixelData"].VR = "OW"
        image.save_as(path)
    (series,) = index_folder(tmp_path).series
    assert series.header.colour
    with pytest.raises(InconsistentImages, match="greyscale"):
        read_series(series)


def test_a_folder_of_secondary_captures_holds_no_mr_image(files, tmp_path):
    for path in files:
        image = pydicom.dcmread(path)
        image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
        image.save_as(path)
    with pytest.raises(EmptyStudy, match="14 DICOM objects, none of them an MR image"):
        index_folder(tmp_path)


def test_the_slice_thickness_is_the_header_s(tmp_path):
    write_mr_series(small_volume(), tmp_path, header=replace(T1_HEADER, slice_thickness_mm=4.0))
    assert index_folder(tmp_path).series[0].slice_thickness_mm == 4.0
