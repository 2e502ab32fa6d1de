"""A folder becomes a study, or is refused under the code of what is wrong with it, and never names the patient."""

import logging
import shutil
import warnings
from dataclasses import replace
from datetime import date

import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid

from service.contracts.errors import MsDeltaError
from service.contracts.input_errors import DifferentPatients
from tests.fixtures.small_studies import (
    FLAIR_HEADER,
    T1_HEADER,
    edit,
    small_volume,
    write_dicom_study,
    write_nifti_study,
)
from worker.dicom_sequences import SIEMENS_FLAIR_3D
from worker.dicom_writer import Patient, write_mr_series
from worker.nifti_writer import write_nifti
from worker.study_reader import check_same_patient, read_study

CANARY = Patient(id="CANARYID77", name="Canary^Birdie", birth_date=date(1931, 2, 3), sex="F")


@pytest.fixture
def folder(tmp_path):
    return write_dicom_study(tmp_path / "study")


def code_of(folder):
    with pytest.raises(MsDeltaError) as caught:
        read_study(folder)
    return caught.value.code


def test_a_dicom_study_has_both_series_their_date_and_reasons(folder):
    study = read_study(folder)
    assert (study.t1.volume.array == small_volume().array).all()
    assert (study.flair.volume.array == small_volume(seed=1).array).all()
    assert study.acquired == date(2024, 4, 9)
    assert study.flair.source == "dicom"
    assert "fluid suppressed" in study.flair.reasons[0]
    assert study.flair.slice_thickness_mm == 5.0
    assert study.identity is not None


def test_a_given_date_beats_the_header(folder):
    assert read_study(folder, acquired=date(2020, 1, 2)).acquired == date(2020, 1, 2)


def test_dicom_and_nifti_of_the_same_images_lie_at_the_same_place(folder, tmp_path):
    dicom, nifti = read_study(folder), read_study(write_nifti_study(tmp_path / "nifti"))
    for one, two in ((dicom.t1, nifti.t1), (dicom.flair, nifti.flair)):
        assert (one.volume.array == two.volume.array).all()
        corners = np.array([(0, 0, 0, 1), (39, 35, 13, 1)]).T
        assert np.abs(one.volume.affine @ corners - two.volume.affine @ corners).max() < 0.01
    assert nifti.identity is None
    assert nifti.acquired is None


def test_masks_beside_nifti_scans_are_passed_over(tmp_path):
    folder = write_nifti_study(tmp_path / "nifti")
    for name in ("brainmask.nii.gz", "gt.nii.gz", "FLAIR_mask.nii.gz", "T1ce.nii.gz"):
        shutil.copy(folder / "T1.nii.gz", folder / name)
    assert (read_study(folder).t1.volume.array == small_volume().array).all()


def test_a_mask_as_nifti_beside_dicom_leaves_the_study_dicom(folder, tmp_path):
    write_nifti(small_volume(), folder / "lesion_mask.nii.gz")
    assert read_study(folder).t1.source == "dicom"


def test_the_better_of_two_flair_series_is_read(folder):
    header = replace(FLAIR_HEADER, sequence=SIEMENS_FLAIR_3D, series_number=8)
    write_mr_series(small_volume(seed=5), folder / "3d", header=header)
    assert (read_study(folder).flair.volume.array == small_volume(seed=5).array).all()


def test_damage_in_a_series_that_is_not_chosen_does_no_harm(folder):
    files = write_mr_series(small_volume(seed=5), folder / "old", header=replace(FLAIR_HEADER, series_number=1))
    files[3].write_bytes(files[3].read_bytes()[:-500])
    assert (read_study(folder).flair.volume.array == small_volume(seed=1).array).all()


def _no_flair(folder):
    shutil.rmtree(folder / "flair")


def _no_t1(folder):
    shutil.rmtree(folder / "t1")


def _missing_slice(folder):
    (folder / "flair" / "IM0006.dcm").unlink()


def _duplicate_slice(folder):
    first, other = folder / "flair" / "IM0006.dcm", folder / "flair" / "again.dcm"
    shutil.copy(first, other)
    edit(other, SOPInstanceUID=generate_uid(), PixelData=pydicom.dcmread(folder / "flair" / "IM0009.dcm").PixelData)


def _truncated(folder):
    path = folder / "flair" / "IM0006.dcm"
    path.write_bytes(path.read_bytes()[:-500])


def _truncated_header(folder):
    path = folder / "flair" / "IM0014.dcm"
    path.write_bytes(path.read_bytes()[:1100])


def _two_patients(folder):
    for path in (folder / "t1").iterdir():
        edit(path, PatientID="SOMEONE-ELSE")


def _turned(folder):
    edit(folder / "flair" / "IM0006.dcm", ImageOrientationPatient=[0.999, 0.0447, 0, -0.0447, 0.999, 0])


def _zero(folder):
    for path in (folder / "flair").iterdir():
        edit(path, PixelData=bytes(len(pydicom.dcmread(path).PixelData)))


def _secondary_captures(folder):
    for path in folder.rglob("*.dcm"):
        image = pydicom.dcmread(path)
        image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
        image.save_as(path)


def _enhanced_flair(folder):
    for path in (folder / "flair").iterdir():
        image = pydicom.dcmread(path)
        image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = pydicom.uid.EnhancedMRImageStorage
        image.save_as(path)


def _not_images(folder):
    for path in folder.rglob("*.dcm"):
        path.write_text("CANARY not an image")


def _nothing(folder):
    for path in folder.rglob("*.dcm"):
        path.unlink()


BAD_DICOM = [
    (_no_flair, "missing_flair"),
    (_no_t1, "missing_t1"),
    (_missing_slice, "missing_slice"),
    (_duplicate_slice, "duplicate_slice"),
    (_truncated, "corrupt_image"),
    (_truncated_header, "corrupt_image"),
    (_two_patients, "mixed_patients"),
    (_turned, "inconsistent_orientation"),
    (_zero, "empty_image"),
    (_secondary_captures, "empty_study"),
    (_enhanced_flair, "unsupported_multi_frame"),
    (_not_images, "unsupported_file"),
    (_nothing, "empty_study"),
]


@pytest.mark.parametrize(("damage", "code"), BAD_DICOM, ids=[damage.__name__[1:] for damage, _ in BAD_DICOM])
def test_bad_dicom_is_refused_by_its_code(folder, damage, code):
    damage(folder)
    assert code_of(folder) == code


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["T1.nii.gz"], "missing_flair"),
        (["FLAIR.nii.gz", "T2.nii.gz"], "missing_t1"),
        (["T1.nii.gz", "study1_FLAIR.nii.gz", "study2_FLAIR.nii.gz"], "ambiguous_series"),
        (["gt.nii.gz"], "missing_flair"),
    ],
)
def test_nifti_names_that_do_not_make_a_study_are_refused(tmp_path, names, code):
    for name in names:
        write_nifti(small_volume(), tmp_path / name)
    assert code_of(tmp_path) == code


@pytest.mark.parametrize(
    ("array", "code"),
    [
        (np.zeros((40, 36, 14), np.float32), "empty_image"),
        (np.ones((12, 36, 14), np.float32), "image_too_small"),
    ],
)
def test_bad_nifti_is_refused_by_its_code(tmp_path, array, code):
    folder = write_nifti_study(tmp_path / "nifti")
    write_nifti(replace(small_volume(), array=array), folder / "FLAIR.nii.gz")
    assert code_of(folder) == code


def test_a_nifti_that_is_none_is_refused(tmp_path):
    folder = write_nifti_study(tmp_path / "nifti")
    (folder / "FLAIR.nii.gz").write_text("not an image")
    assert code_of(folder) == "not_an_image"


def test_two_visits_of_one_patient_pass_and_two_patients_do_not(folder, tmp_path):
    other = Patient(id="PHANTOM-002", name="Other^Head", birth_date=date(1990, 1, 3), sex="M")
    for name, patient in (("later", T1_HEADER.patient), ("other", other)):
        for header, seed in ((T1_HEADER, 0), (FLAIR_HEADER, 1)):
            visit = replace(header, patient=patient, study_date=date(2025, 5, 5))
            write_mr_series(small_volume(seed=seed), tmp_path / name / str(seed), header=visit)
    check_same_patient(read_study(folder), read_study(tmp_path / "later"))
    with pytest.raises(DifferentPatients):
        check_same_patient(read_study(folder), read_study(tmp_path / "other"))


def test_nifti_says_nothing_of_the_patient_and_passes(folder, tmp_path):
    check_same_patient(read_study(folder), read_study(write_nifti_study(tmp_path / "nifti")))


@pytest.fixture
def canary_folder(tmp_path):
    folder = tmp_path / "canary_folder"
    for header, name in ((T1_HEADER, "t1"), (FLAIR_HEADER, "flair")):
        write_mr_series(small_volume(), folder / name, header=replace(header, patient=CANARY))
    for path in folder.rglob("*.dcm"):  # values that pydicom would warn about, and quote
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            edit(
                path,
                SeriesDescription=f"{'flair' if path.parent.name == 'flair' else 't1'} CANARYDESCRIPTION",
                PatientBirthDate="CANARYDATE",
                ImageComments="CANARYCOMMENT",
                AcquisitionDate="CANARYDAY",
            )
        raw = path.read_bytes()  # what pydicom itself would not write
        for written, damaged in ((b"ISO_IR 100", b"CANARY_SET"), (b"2500.0", b"CANARY"), (b"900.0 ", b"CANARY")):
            raw = raw.replace(written, damaged)
        path.write_bytes(raw)
    return folder


@pytest.mark.parametrize("damage", [None, *(damage for damage, _ in BAD_DICOM)])
def test_no_message_log_warning_or_value_holds_what_the_scanner_wrote(canary_folder, caplog, capfd, damage):
    caplog.set_level(logging.DEBUG)
    said = ""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if damage is None:
            study = read_study(canary_folder)
            said = repr((study.t1.reasons, study.flair.reasons, study.identity, study.acquired))
        else:
            damage(canary_folder)
            caplog.clear()
            caught.clear()
            try:
                read_study(canary_folder)
            except MsDeltaError as error:
                said = error.message
    out, err = capfd.readouterr()
    everything = " ".join([said, caplog.text, out, err, *(str(one.message) for one in caught)]).lower()
    assert said
    for word in ("canary", "birdie", "1931"):
        assert word not in everything


@pytest.mark.shared_data
def test_a_real_clinical_pair_is_the_same_as_nifti_and_as_dicom_written_from_it(shared_folder, tmp_path):
    source = shared_folder / "data/open_ms_data/longitudinal/patient01"
    for name in ("T1W", "FLAIR"):
        (tmp_path / "nifti").mkdir(exist_ok=True)
        shutil.copy(source / f"study1_{name}.nii.gz", tmp_path / "nifti")
    nifti = read_study(tmp_path / "nifti")
    write_mr_series(nifti.t1.volume, tmp_path / "dicom" / "a", header=T1_HEADER)
    write_mr_series(nifti.flair.volume, tmp_path / "dicom" / "b", header=FLAIR_HEADER)
    dicom = read_study(tmp_path / "dicom")
    for one, two in ((nifti.t1.volume, dicom.t1.volume), (nifti.flair.volume, dicom.flair.volume)):
        brightest = np.unravel_index(np.argsort(one.array, axis=None)[-50:], one.array.shape)
        world = one.affine @ np.vstack([*brightest, np.ones(50)])
        index = np.round(np.linalg.inv(two.affine) @ world)
        assert np.abs(two.affine @ index - world).max() < 0.01
        np.testing.assert_allclose(two.array[tuple(index[:3].astype(int))], one.array[brightest], rtol=1e-4)
