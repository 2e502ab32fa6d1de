"""Written multi-frame objects are valid, and others read the voxels that were written."""

import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from tests.fixtures.multi_frame import write_kind
from tests.fixtures.small_studies import T1_HEADER, small_volume
from worker.dicom_enhanced_writer import write_enhanced_mr
from worker.dicom_sequences import GE_FLAIR_2D, PHILIPS_FLAIR_3D, PHILIPS_T1_TFE, SIEMENS_FLAIR_2D, SIEMENS_MPRAGE

SEQUENCES = [SIEMENS_MPRAGE, SIEMENS_FLAIR_2D, PHILIPS_T1_TFE, PHILIPS_FLAIR_3D, GE_FLAIR_2D]
MULTI_FRAME = ("enhanced", "legacy_converted")


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (dicom3tools) is not installed")
@pytest.mark.parametrize("kind", MULTI_FRAME)
@pytest.mark.parametrize("sequence", SEQUENCES, ids=lambda one: one.series_description)
def test_dciodvfy_finds_no_error(tmp_path, kind, sequence):
    header = replace(T1_HEADER, sequence=sequence)
    (path,) = write_kind(kind, small_volume(tilt=(5.0, 2.0, 1.0)), tmp_path, header=header)
    verdict = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True)
    assert "EnhancedMRImage" in verdict.stderr
    errors = [line for line in verdict.stderr.splitlines() if "Error" in line]
    # of a converted object, dciodvfy does not take the sources of the conversion for references
    known = "ReferencedSeriesSequence present but Instance does not reference Instances"
    assert [line for line in errors if kind == "enhanced" or known not in line] == []


@pytest.mark.parametrize("kind", MULTI_FRAME)
@pytest.mark.parametrize("tilt", [(0.0, 0.0, 0.0), (-13.0, 4.0, 7.0)])
def test_simpleitk_reads_the_same_voxels_at_the_same_place(tmp_path, kind, tilt):
    """In the order of the frames, which highdicom reverses in converted objects."""
    volume = small_volume(tilt=tilt)
    (path,) = write_kind(kind, volume, tmp_path, header=T1_HEADER)
    image = sitk.ReadImage(str(path), sitk.sitkFloat32)
    array = sitk.GetArrayFromImage(image).transpose(2, 1, 0)
    for corner in ((0, 0, 0), (39, 0, 0), (0, 35, 13), (20, 17, 6)):
        world = np.array(image.TransformIndexToPhysicalPoint(corner))
        there = np.linalg.inv(volume.affine) @ (*world, 1)
        index = np.round(there[:3]).astype(int)
        assert np.abs(there[:3] - index).max() < 0.01
        assert array[corner] == volume.array[tuple(index)]


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
def test_compressed_objects_hold_the_same_voxels(tmp_path, syntax):
    path = write_enhanced_mr(small_volume(), tmp_path / "a.dcm", header=T1_HEADER, transfer_syntax=syntax)
    image = pydicom.dcmread(path)
    assert image.file_meta.TransferSyntaxUID == syntax
    assert (image.pixel_array.transpose(2, 1, 0) == small_volume().array).all()


@pytest.mark.parametrize("kind", MULTI_FRAME)
def test_fractions_and_negative_values_are_stored_with_a_rescale(tmp_path, kind):
    volume = small_volume()
    volume = volume.like(volume.array * np.float32(0.013) - np.float32(4.2))
    (path,) = write_kind(kind, volume, tmp_path, header=T1_HEADER)
    image = pydicom.dcmread(path)
    rescale = image.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence[0]
    values = image.pixel_array.transpose(2, 1, 0) * float(rescale.RescaleSlope) + float(rescale.RescaleIntercept)
    expected = volume.array if kind == "enhanced" else volume.array[:, :, ::-1]
    assert np.abs(values - expected).max() < 1e-3


@pytest.mark.parametrize("kind", MULTI_FRAME)
def test_uids_follow_from_the_header(tmp_path, kind):
    first, second = (
        pydicom.dcmread(write_kind(kind, small_volume(), tmp_path / name, header=T1_HEADER)[0]) for name in "ab"
    )
    for name in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert first[name].value == second[name].value
