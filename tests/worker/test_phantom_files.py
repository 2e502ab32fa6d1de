"""The phantom's files: DICOM and NIfTI of a pair show the same head at the same place."""

import json
from dataclasses import replace

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from model.phantom import SITE_A, SITE_B, PhantomOptions, make_phantom_pair
from worker.phantom_files import write_pair
from worker.study_reader import read_study


def coarse(visit):
    thick = replace(visit.flair, voxel_mm=(2.5, 2.5, 5.0 if visit is SITE_A else 2.5), sub_voxel_mm=2.5)
    return replace(visit, t1=replace(visit.t1, voxel_mm=(2.5, 2.5, 2.5), sub_voxel_mm=2.5), flair=thick)


@pytest.fixture(scope="module")
def pair():
    return make_phantom_pair(PhantomOptions(head_size=0.8, baseline=coarse(SITE_A), follow_up=coarse(SITE_B)))


@pytest.fixture(scope="module")
def folders(pair, tmp_path_factory):
    root = tmp_path_factory.mktemp("phantom")
    for kind in ("dicom", "enhanced_dicom", "legacy_converted_dicom", "nifti"):
        write_pair(pair, root / kind, kind=kind)
    return root


@pytest.mark.parametrize("visit", ["baseline", "follow_up"])
@pytest.mark.parametrize("image", ["t1", "flair"])
def test_dicom_and_nifti_hold_the_same_image_in_the_same_place(pair, folders, visit, image):
    volume = getattr(getattr(pair, visit), image)
    nifti = sitk.ReadImage(str(folders / "nifti" / visit / f"{image.upper()}.nii.gz"), sitk.sitkFloat32)
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folders / "dicom" / visit / image))
    dicom = sitk.ReadImage(names, sitk.sitkFloat32)
    for read in (nifti, dicom):
        assert (sitk.GetArrayFromImage(read).transpose(2, 1, 0) == volume.array).all()
        for corner in ((0, 0, 0), tuple(n - 1 for n in volume.array.shape)):
            world = read.TransformIndexToPhysicalPoint(corner)
            assert np.linalg.norm(world - (volume.affine @ (*corner, 1))[:3]) < 0.01


@pytest.mark.parametrize("kind", ["enhanced_dicom", "legacy_converted_dicom"])
@pytest.mark.parametrize("visit", ["baseline", "follow_up"])
def test_multi_frame_objects_are_the_same_study_as_single_images(folders, visit, kind):
    classic, frames = read_study(folders / "dicom" / visit), read_study(folders / kind / visit)
    assert len(list((folders / kind / visit).rglob("*.dcm"))) == 2
    for name in ("t1", "flair"):
        one, other = getattr(classic, name), getattr(frames, name)
        assert (one.volume.array == other.volume.array).all()
        np.testing.assert_allclose(one.volume.affine, other.volume.affine, atol=1e-6)
        assert one.slice_thickness_mm == other.slice_thickness_mm
    assert classic.acquired == frames.acquired


def test_truth_stands_beside_the_images(pair, folders):
    truth = json.loads((folders / "nifti/truth/truth.json").read_text())
    assert [lesion["status"] for lesion in truth["lesions"]] == [lesion.status for lesion in pair.truth.lesions]
    np.testing.assert_array_equal(truth["baseline_from_follow_up"], pair.truth.baseline_from_follow_up)
    ids = nib.load(folders / "nifti/truth/follow_up_lesion_ids.nii.gz")
    flair = nib.load(folders / "nifti/follow_up/FLAIR.nii.gz")
    np.testing.assert_allclose(ids.affine, flair.affine)
    assert (np.asarray(ids.dataobj) == pair.follow_up.lesion_ids.array).all()


def test_both_visits_are_of_one_patient_on_two_days(folders):
    baseline, follow_up = (
        pydicom.dcmread(folders / "dicom" / visit / "flair/IM0001.dcm", stop_before_pixels=True)
        for visit in ("baseline", "follow_up")
    )
    assert baseline.PatientID == follow_up.PatientID
    assert baseline.StudyDate < follow_up.StudyDate
    assert baseline.StudyInstanceUID != follow_up.StudyInstanceUID
    assert (baseline.MRAcquisitionType, follow_up.MRAcquisitionType) == ("2D", "3D")
