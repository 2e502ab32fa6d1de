"""What a result sends to a PACS, in which order, and what its objects have in common."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from tests.fixtures.dicom_case import BOXES, lesion_report, written_scan
from worker.artifacts import write_dicom, write_dicom_pages, write_pages, write_report
from worker.reports.dicom_objects import result_objects
from worker.reports.dicom_seg import LesionImages


def write_result(folder: Path, *, kind: str = "binary") -> None:
    scan, headers = written_scan(folder / "scan")
    report = lesion_report()
    images = LesionImages(time_point="follow_up", ids=scan.flair.like(scan.ids), headers=headers)
    write_pages(folder, report, None)
    write_dicom(folder, report, [images], kind=kind)
    write_dicom_pages(folder, report, scan, headers)
    write_report(folder / "report.json", report)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("result")
    write_result(folder)
    return folder


def test_what_is_referred_to_is_sent_first_and_the_overlay_slice_by_slice(result: Path) -> None:
    sent = result_objects(result)

    assert [(one.kind, one.path.name) for one in sent] == [
        ("seg", "follow_up_lesions.dcm"),
        ("sr", "report.dcm"),
        ("pdf", "report_pdf.dcm"),
        *(("overlay", f"overlay_{k:04d}.dcm") for k in range(1, 15)),
    ]


def test_a_label_map_is_sent_as_a_segmentation_and_the_structured_report_refers_to_it(tmp_path: Path) -> None:
    write_result(tmp_path, kind="labelmap")

    sent = result_objects(tmp_path)

    assert [one.kind for one in sent[:3]] == ["seg", "sr", "pdf"]
    seg = pydicom.dcmread(sent[0].path)
    assert seg.SegmentationType == "LABELMAP"
    assert seg.SOPInstanceUID in str(pydicom.dcmread(sent[1].path))
    assert len([one for one in seg.SegmentSequence if one.SegmentNumber]) == len(BOXES)  # 0: the background


def test_the_kind_is_told_by_the_class_and_other_files_are_left(tmp_path: Path, result: Path) -> None:
    (tmp_path / "a").write_bytes((result / "report.dcm").read_bytes())
    (tmp_path / "overlay_0001.dcm").write_bytes(b"no DICOM")
    (tmp_path / "short.dcm").write_bytes(b"\0" * 128 + b"DICM")
    (tmp_path / "report.json").write_text("{}")
    (tmp_path / "source.dcm").write_bytes(next((result / "scan").iterdir()).read_bytes())

    assert [(one.kind, one.path.name) for one in result_objects(tmp_path)] == [("sr", "a")]


def test_a_folder_without_objects_sends_nothing(tmp_path: Path) -> None:
    assert result_objects(tmp_path) == ()


def test_all_objects_are_of_the_study_and_say_who_made_them_and_that_nobody_verified_it(result: Path) -> None:
    source = pydicom.dcmread(next((result / "scan").iterdir()))
    made = [pydicom.dcmread(one.path) for one in result_objects(result)]

    for name in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate"):
        assert {str(getattr(one, name)) for one in made} == {str(getattr(source, name))}
    for one in made:
        assert "AI result, not verified" in one.SeriesDescription
        assert len(one.SeriesDescription) <= 64
        assert (one.Manufacturer, one.ContentQualification) == ("msdelta", "RESEARCH")
        scanner = one.ContributingEquipmentSequence[0]
        assert scanner.Manufacturer == source.Manufacturer
        assert scanner.PurposeOfReferenceCodeSequence[0].CodeMeaning == "Acquisition Equipment"
    series = {str(one.SeriesInstanceUID): int(one.SeriesNumber) for one in made}
    assert sorted(series.values()) == [9001, 9002, 9003, 9004]
    assert str(source.SeriesInstanceUID) not in series


def test_a_second_run_gives_the_same_objects_byte_by_byte(tmp_path: Path, result: Path) -> None:
    write_result(tmp_path)

    for first, again in zip(result_objects(result), result_objects(tmp_path), strict=True):
        assert first.path.read_bytes() == again.path.read_bytes(), first.path.name


def test_another_job_gives_other_uids(tmp_path: Path, result: Path) -> None:
    scan, headers = written_scan(tmp_path / "scan")
    other = lesion_report().model_copy(update={"job_id": "job-2"})
    write_pages(tmp_path, other, None)
    write_dicom_pages(tmp_path, other, replace(scan, ids=np.zeros_like(scan.ids)), headers)

    uids = [
        {pydicom.dcmread(one.path).SOPInstanceUID for one in result_objects(folder)} for folder in (result, tmp_path)
    ]

    assert len(uids[1]) == 15
    assert not uids[0] & uids[1]
