"""Intake takes for DICOM what the worker reads as DICOM."""

from datetime import date
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from service.contracts.dicom_headers import count_patients, read_header


def header(patient: str = "PHANTOM-001") -> Dataset:
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = MRImageStorage, generate_uid()
    made.ImageType = ["ORIGINAL", "PRIMARY"]
    made.StudyDate, made.Modality, made.PatientID = "20240409", "MR", patient
    return made


def with_file_header(path: Path) -> Path:
    made = header()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.save_as(path, enforce_file_format=True)
    return path


def bare(path: Path, *, implicit_vr: bool, little_endian: bool, patient: str = "PHANTOM-001") -> Path:
    pydicom.dcmwrite(path, header(patient), implicit_vr=implicit_vr, little_endian=little_endian)
    return path


ENCODINGS = [(True, True), (False, True), (False, False)]


@pytest.mark.parametrize(("implicit_vr", "little_endian"), ENCODINGS)
def test_a_data_set_without_preamble_says_what_a_file_with_one_does(tmp_path, implicit_vr, little_endian):
    one = read_header(bare(tmp_path / "a", implicit_vr=implicit_vr, little_endian=little_endian))
    assert one == read_header(with_file_header(tmp_path / "b"))
    assert one is not None
    assert one.study_date == date(2024, 4, 9)


def test_two_patients_without_preambles_are_two(tmp_path):
    names = ("PHANTOM-001", "PHANTOM-002")
    found = [read_header(bare(tmp_path / n, implicit_vr=True, little_endian=True, patient=n)) for n in names]
    assert count_patients(one for one in found if one is not None) == 2


@pytest.mark.parametrize("content", [b"", b"notes", b"\x08\x00\x05", b"\x1f\x8b\x08\x00" + bytes(200), bytes(200)])
def test_what_is_no_dicom_has_no_header(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    assert read_header(tmp_path / "file") is None
