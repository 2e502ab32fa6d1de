"""Written series, read back by SimpleITK's own reader, are the same voxels in the same place."""

import shutil
import subprocess
from dataclasses import replace
from datetime import date

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from model.phantom_scan import PLANES, rigid
from model.volume import Volume
from worker.dicom_sequences import GE_FLAIR_2D, PHILIPS_FLAIR_3D, PHILIPS_T1_TFE, SIEMENS_FLAIR_2D, SIEMENS_MPRAGE
from worker.dicom_writer import MrHeader, Patient, write_mr_series

HEADER = MrHeader(sequence=SIEMENS_MPRAGE, study_date=date(2024, 4, 9), series_number=2)


def volume_in(plane="axial", tilt=(0.0, 0.0, 0.0), *, spacing=(0.9, 1.1, 3.0), scale=1.0) -> Volume:
    array = np.random.default_rng(0).integers(0, 3000, (48, 40, 7)).astype(np.float32) * np.float32(scale)
    affine = np.eye(4)
    affine[:3, :3] = rigid(tilt, (0.0, 0.0, 0.0))[:3, :3] @ PLANES[plane] * np.asarray(spacing)
    affine[:3, 3] = (-87.123456, 41.9, -13.7)
    return Volume(array=array, affine=affine)


def read_back(paths) -> Volume:
    """As SimpleITK sees the series, slices sorted by position."""
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(paths[0].parent))
    image = sitk.ReadImage(names, sitk.sitkFloat64)
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * np.asarray(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return Volume(array=sitk.GetArrayFromImage(image).transpose(2, 1, 0), affine=affine)


def largest_error_mm(a: Volume, b: Volume) -> float:
    ends = np.array(np.meshgrid(*[(0, n - 1) for n in a.array.shape], [1.0])).reshape(4, -1)
    return float(np.abs((a.affine - b.affine) @ ends).max())


@pytest.mark.parametrize(
    ("plane", "tilt"),
    [
        ("axial", (0.0, 0.0, 0.0)),
        ("sagittal", (0.0, 0.0, 0.0)),
        ("axial", (-13.0, 4.0, 7.0)),
        ("sagittal", (3.0, -5.0, 11.0)),
    ],
)
def test_simpleitk_reads_the_same_voxels_at_the_same_place(tmp_path, plane, tilt):
    volume = volume_in(plane, tilt)
    again = read_back(write_mr_series(volume, tmp_path, header=HEADER))
    assert (again.array == volume.array).all()
    assert largest_error_mm(again, volume) < 1e-4


def test_fractions_and_negative_values_come_back_within_half_a_step(tmp_path):
    volume = volume_in(scale=0.01237)
    volume = volume.like(volume.array - np.float32(3.3))
    again = read_back(write_mr_series(volume, tmp_path, header=HEADER))
    step = np.ptp(volume.array) / 65535
    assert np.abs(again.array - volume.array).max() < 0.51 * step


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
def test_compressed_series_hold_the_same_voxels(tmp_path, syntax):
    volume = volume_in(tilt=(5.0, 0.0, 0.0))
    paths = write_mr_series(volume, tmp_path, header=HEADER, transfer_syntax=syntax)
    images = [pydicom.dcmread(path) for path in paths]
    assert {image.file_meta.TransferSyntaxUID for image in images} == {syntax}
    assert (np.stack([image.pixel_array.T for image in images], axis=2) == volume.array).all()
    assert (read_back(paths).array == volume.array).all()


def test_a_constant_image_is_written(tmp_path):
    volume = volume_in()
    again = read_back(write_mr_series(volume.like(np.zeros_like(volume.array)), tmp_path, header=HEADER))
    assert not again.array.any()


def test_uids_follow_from_the_header_and_differ_between_images(tmp_path):
    volume = volume_in()
    first, second = (
        [pydicom.dcmread(p) for p in write_mr_series(volume, tmp_path / name, header=HEADER)] for name in "ab"
    )
    uids = [image.SOPInstanceUID for image in first]
    assert uids == [image.SOPInstanceUID for image in second]
    assert len(set(uids)) == len(uids)
    assert all(uid.is_valid for uid in [*uids, first[0].StudyInstanceUID, first[0].FrameOfReferenceUID])


def test_series_of_a_study_share_the_frame_and_other_visits_do_not(tmp_path):
    headers = {
        "t1": HEADER,
        "flair": replace(HEADER, series_number=3),
        "later": replace(HEADER, study_date=date(2025, 1, 2)),
        "other": replace(HEADER, patient=Patient(id="PHANTOM-002")),
    }
    image = {
        name: pydicom.dcmread(write_mr_series(volume_in(), tmp_path / name, header=header)[0])
        for name, header in headers.items()
    }
    assert image["t1"].StudyInstanceUID == image["flair"].StudyInstanceUID
    assert image["t1"].FrameOfReferenceUID == image["flair"].FrameOfReferenceUID
    assert len({i.SeriesInstanceUID for i in image.values()}) == 4
    assert len({i.StudyInstanceUID for i in image.values()}) == 3


def test_sheared_axes_are_refused(tmp_path):
    affine = volume_in().affine.copy()
    affine[0, 2] += 0.1
    with pytest.raises(ValueError, match="orthogonal"):
        write_mr_series(Volume(array=volume_in().array, affine=affine), tmp_path, header=HEADER)


def test_voxels_without_a_value_are_refused(tmp_path):
    volume = volume_in()
    broken = volume.array.copy()
    broken[3, 3, 3] = np.nan
    with pytest.raises(ValueError, match="finite"):
        write_mr_series(volume.like(broken), tmp_path, header=HEADER)


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (dicom3tools) is not installed")
@pytest.mark.parametrize("sequence", [SIEMENS_MPRAGE, SIEMENS_FLAIR_2D, PHILIPS_T1_TFE, PHILIPS_FLAIR_3D, GE_FLAIR_2D])
def test_dciodvfy_finds_no_error(tmp_path, sequence):
    path = write_mr_series(volume_in(tilt=(5.0, 2.0, 1.0)), tmp_path, header=replace(HEADER, sequence=sequence))[0]
    verdict = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False)
    assert "MRImage" in verdict.stderr
    assert "Error" not in verdict.stderr


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["study1_FLAIR", "study2_T1W"])
def test_a_real_clinical_image_survives_the_way_through_dicom(tmp_path, shared_folder, name):
    source = shared_folder / "data/open_ms_data/longitudinal/patient01" / f"{name}.nii.gz"
    image = sitk.ReadImage(str(source), sitk.sitkFloat32)
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * np.asarray(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    volume = Volume(array=sitk.GetArrayFromImage(image).transpose(2, 1, 0), affine=affine)
    again = read_back(write_mr_series(volume, tmp_path, header=HEADER))
    if np.linalg.det(affine[:3, :3]) < 0:  # readers make the slices right-handed
        again = Volume(array=again.array[:, :, ::-1], affine=again.affine @ _reversed(again.array.shape[2]))
    assert largest_error_mm(again, volume) < 0.01
    assert np.abs(again.array - volume.array).max() <= np.ptp(volume.array) / 65535


def _reversed(count):
    flip = np.diag([1.0, 1.0, -1.0, 1.0])
    flip[2, 3] = count - 1
    return flip
