"""Lesions as DICOM Segmentations, read back by means that share no code with the writer."""

import shutil
import subprocess
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pydicom
import pytest

from model.volume import Volume
from service.contracts.errors import ResultInconsistent
from service.contracts.options import SegmentationKind
from service.contracts.pydicom_silence import no_header_text
from service.contracts.report import LesionRow, LesionStatus, Report
from tests.fixtures.multi_frame import KINDS, write_kind
from tests.fixtures.report_case import longitudinal
from tests.fixtures.small_studies import FLAIR_HEADER, edit, small_volume
from worker.dicom_index import index_folder
from worker.dicom_reader import read_headers, read_stack
from worker.dicom_writer import write_mr_series
from worker.reports.dicom_seg import LesionImages, TimePointName, check_seg, tracking, write_seg
from worker.reports.summary import build_report

BOXES = {3: (slice(5, 9), slice(6, 8), slice(2, 5)), 7: (slice(20, 23), slice(10, 11), slice(8, 9))}
"""Voxels of each lesion: columns, rows, slices."""
ORIENTATIONS = [
    ("axial", (0.0, 0.0, 0.0), False),
    ("sagittal", (0.0, 0.0, 0.0), False),
    ("coronal", (0.0, 0.0, 0.0), False),
    ("axial", (-13.0, 4.0, 7.0), False),
    ("axial", (0.0, 0.0, 0.0), True),
    ("coronal", (5.0, -3.0, 160.0), True),
]
"""Plane, tilt in degrees, slices stored in reversed order."""


@pytest.fixture(scope="module")
def report() -> Report:
    row = build_report(longitudinal()).lesions[0]
    rows = (("new", 3), ("stable", 7))
    made: tuple[LesionRow, ...] = tuple(
        row.model_copy(update={"id": number, "status": LesionStatus(status), "tracking_uid": f"2.25.{number}"})
        for status, number in rows
    )
    return build_report(longitudinal()).model_copy(update={"lesions": made})


def images_in(
    folder: Path, plane: str = "axial", tilt=(0.0, 0.0, 0.0), *, reverse: bool = False, kind: str = "classic"
) -> LesionImages:
    """A written FLAIR series, and lesions on the grid that it is read on."""
    volume = small_volume(plane, tilt)
    if reverse:
        flip = np.diag([1.0, 1.0, -1.0, 1.0])
        flip[2, 3] = volume.array.shape[2] - 1
        volume = Volume(array=volume.array[:, :, ::-1], affine=volume.affine @ flip)
    write_kind(kind, volume, folder, header=FLAIR_HEADER)
    stack = read_stack(index_folder(folder).series[0])
    ids = np.zeros(stack.volume.array.shape, np.int32)
    for lesion, box in BOXES.items():
        ids[box] = lesion
    return LesionImages(time_point="follow_up", ids=stack.volume.like(ids), headers=read_headers(stack.instances))


def with_ids(images: LesionImages, ids: np.ndarray) -> LesionImages:
    return replace(images, ids=images.ids.like(ids))


def measured(path: Path) -> dict[str, tuple[int, np.ndarray]]:
    """Voxels and centroid (patient mm) of each segment, from the frames' own plane positions."""
    seg = pydicom.dcmread(path)
    shared = seg.SharedFunctionalGroupsSequence[0]
    orientation = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float)
    spacing = [float(one) for one in shared.PixelMeasuresSequence[0].PixelSpacing]
    points: dict[int, list[np.ndarray]] = {}
    for frame, pixels in zip(seg.PerFrameFunctionalGroupsSequence, seg.pixel_array, strict=True):
        number = int(frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        origin = np.array(frame.PlanePositionSequence[0].ImagePositionPatient, float)
        rows, columns = np.nonzero(pixels)
        across, down = np.outer(columns * spacing[1], orientation[:3]), np.outer(rows * spacing[0], orientation[3:])
        points.setdefault(number, []).append(origin + across + down)
    labels = {int(one.SegmentNumber): str(one.SegmentLabel) for one in seg.SegmentSequence}
    every = {labels[number]: np.concatenate(parts) for number, parts in points.items()}
    return {label: (len(at), at.mean(axis=0)) for label, at in every.items()}


@pytest.mark.parametrize("kind", ["binary", "labelmap"])
def test_one_voxel_elsewhere_is_seen_in_either_kind_of_object(
    tmp_path: Path, report: Report, kind: SegmentationKind
) -> None:
    images = images_in(tmp_path / "flair", tilt=(5.0, 2.0, 1.0))
    write_seg(images, report, tmp_path / "seg.dcm", kind=kind)
    check_seg(tmp_path / "seg.dcm", images, report)
    elsewhere = images.ids.array.copy()
    elsewhere[5, 6, 2], elsewhere[9, 6, 2] = 0, 3  # as many voxels

    with pytest.raises(ResultInconsistent, match=r"lesion 3 lies \d+\.\d+ mm"):
        check_seg(tmp_path / "seg.dcm", with_ids(images, elsewhere), report)


@pytest.mark.parametrize(("plane", "tilt", "reverse"), ORIENTATIONS)
def test_a_label_map_holds_the_same_lesions_in_a_frame_for_each_slice(
    tmp_path: Path, report: Report, plane: str, tilt: tuple[float, float, float], reverse: bool
) -> None:
    """dciodvfy of 2022 does not know this class: pydicom reads it here, highdicom in `check_seg`."""
    images = images_in(tmp_path / "flair", plane, tilt, reverse=reverse)

    made = write_seg(images, report, tmp_path / "seg.dcm", kind="labelmap")

    assert made is not None
    seg = pydicom.dcmread(tmp_path / "seg.dcm")
    assert (seg.SOPClassUID, seg.SegmentationType) == ("1.2.840.10008.5.1.4.1.1.66.7", "LABELMAP")
    assert seg.NumberOfFrames == 4  # slices 2, 3, 4 and 8 have lesions
    names = {int(one.SegmentNumber): one.SegmentLabel for one in seg.SegmentSequence}
    orientation = np.array(
        seg.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient, float
    )
    down, across = map(float, seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing)
    for lesion, label in ((3, "new lesion 3"), (7, "stable lesion 7")):
        points = []
        for frame, pixels in zip(seg.PerFrameFunctionalGroupsSequence, seg.pixel_array, strict=True):
            rows, columns = np.nonzero(np.isin(pixels, [n for n, name in names.items() if name == label]))
            origin = np.array(frame.PlanePositionSequence[0].ImagePositionPatient, float)
            points.append(origin + np.outer(columns * across, orientation[:3]) + np.outer(rows * down, orientation[3:]))
        voxels = np.argwhere(images.ids.array == lesion)
        centre = images.ids.affine[:3, :3] @ voxels.mean(axis=0) + images.ids.affine[:3, 3]
        assert np.linalg.norm(np.concatenate(points).mean(axis=0) - centre) < 0.01
        assert sum(map(len, points)) == len(voxels)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("plane", "tilt", "reverse"), ORIENTATIONS)
def test_every_lesion_lies_where_it_is_in_the_patient(
    tmp_path: Path, report: Report, kind: str, plane: str, tilt: tuple[float, float, float], reverse: bool
) -> None:
    images = images_in(tmp_path / "flair", plane, tilt, reverse=reverse, kind=kind)

    assert write_seg(images, report, tmp_path / "seg.dcm")

    found = measured(tmp_path / "seg.dcm")
    assert set(found) == {"new lesion 3", "stable lesion 7"}
    for lesion, label in ((3, "new lesion 3"), (7, "stable lesion 7")):
        voxels = np.argwhere(images.ids.array == lesion)
        centre = images.ids.affine[:3, :3] @ voxels.mean(axis=0) + images.ids.affine[:3, 3]
        assert found[label][0] == len(voxels)
        assert np.linalg.norm(found[label][1] - centre) < 0.01


def test_it_belongs_to_the_patient_and_refers_to_the_images(tmp_path: Path, report: Report) -> None:
    images = images_in(tmp_path / "flair")
    write_seg(images, report, tmp_path / "seg.dcm")

    seg, first = pydicom.dcmread(tmp_path / "seg.dcm"), images.headers[0]

    for name in ("PatientID", "PatientName", "PatientBirthDate", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert getattr(seg, name) == getattr(first, name)
    assert seg.SeriesInstanceUID != first.SeriesInstanceUID
    uids = {one.SOPInstanceUID for one in images.headers}
    referenced = seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    assert {one.ReferencedSOPInstanceUID for one in referenced} <= uids
    assert "not verified" in seg.ContentDescription
    lesion = seg.SegmentSequence[0]
    assert lesion.SegmentAlgorithmType == "AUTOMATIC"
    assert lesion.SegmentationAlgorithmIdentificationSequence[0].AlgorithmFamilyCodeSequence[0].CodeValue == "123110"


def test_a_lesion_is_tracked_over_both_time_points_and_uids_are_repeatable(tmp_path: Path, report: Report) -> None:
    times: tuple[tuple[TimePointName, date], ...] = (("baseline", date(2023, 4, 9)), ("follow_up", date(2024, 4, 9)))
    for name, day in times:
        folder = tmp_path / name
        write_mr_series(small_volume(), folder, header=replace(FLAIR_HEADER, study_date=day))
        stack = read_stack(index_folder(folder).series[0])
        ids = np.zeros(stack.volume.array.shape, np.int32)
        ids[BOXES[3]] = 3
        headers = read_headers(stack.instances)
        images = LesionImages(time_point=name, ids=stack.volume.like(ids), headers=headers)
        write_seg(images, report, tmp_path / f"{name}.dcm")
        write_seg(images, report, tmp_path / f"{name}_again.dcm")

    first, second, again = (
        pydicom.dcmread(tmp_path / f"{n}.dcm") for n in ("baseline", "follow_up", "follow_up_again")
    )

    tracked = {one.SegmentSequence[0].TrackingUID for one in (first, second)}
    assert tracked == {tracking(report, 3, "baseline")[1]} == {tracking(report, 3, "follow_up")[1]}
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert (second.SOPInstanceUID, second.SeriesInstanceUID) == (again.SOPInstanceUID, again.SeriesInstanceUID)


def test_an_object_that_lies_elsewhere_is_not_delivered(tmp_path: Path, report: Report) -> None:
    images = images_in(tmp_path / "flair")
    write_seg(images, report, tmp_path / "seg.dcm")
    check_seg(tmp_path / "seg.dcm", images, report)
    moved = images.ids.affine.copy()
    moved[0, 3] += 1.0
    smaller = images.ids.array.copy()
    smaller[5, 6, 2] = 0

    with pytest.raises(ResultInconsistent, match=r"lesion 3 lies 1\.00 mm"):
        check_seg(tmp_path / "seg.dcm", replace(images, ids=Volume(array=images.ids.array, affine=moved)), report)
    with pytest.raises(ResultInconsistent, match="lesion 3 has"):
        check_seg(tmp_path / "seg.dcm", with_ids(images, smaller), report)
    row = report.lesions[0].model_copy(update={"tracking_uid": "2.25.33"})
    renamed = report.model_copy(update={"lesions": (row, *report.lesions[1:])})
    with pytest.raises(ResultInconsistent, match="expected 2 by tracking UID"):
        check_seg(tmp_path / "seg.dcm", images, renamed)
    with pytest.raises(ResultInconsistent, match="2 lesions, expected 1"):
        check_seg(tmp_path / "seg.dcm", with_ids(images, np.where(images.ids.array == 3, 3, 0)), report)


def test_without_lesions_there_is_no_object(tmp_path: Path, report: Report) -> None:
    images = images_in(tmp_path / "flair")

    assert (
        write_seg(replace(images, ids=images.ids.like(np.zeros_like(images.ids.array))), report, tmp_path / "s") is None
    )
    assert not (tmp_path / "s").exists()


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (dicom3tools) is not installed")
@pytest.mark.parametrize("kind", KINDS)
def test_dciodvfy_finds_no_error(tmp_path: Path, report: Report, kind: str) -> None:
    write_seg(images_in(tmp_path / "flair", tilt=(5.0, 2.0, 1.0), kind=kind), report, tmp_path / "seg.dcm")

    verdict = subprocess.run(
        ["dciodvfy", "-new", str(tmp_path / "seg.dcm")], capture_output=True, text=True, check=False
    )

    assert "Segmentation" in verdict.stderr
    assert "Error" not in verdict.stderr


def test_odd_headers_of_the_images_leave_no_trace_in_warnings(tmp_path: Path, report: Report) -> None:
    images_in(tmp_path / "flair")
    with no_header_text():
        for path in (tmp_path / "flair").iterdir():
            edit(path, PatientAge="fortyone", AccessionNumber="A" * 20)
    stack = read_stack(index_folder(tmp_path / "flair").series[0])
    ids = stack.volume.like(np.ones(stack.volume.array.shape, np.int32))

    images = LesionImages(time_point="follow_up", ids=ids, headers=read_headers(stack.instances))

    assert write_seg(images, report, tmp_path / "seg.dcm") is not None


def test_one_voxel_less_in_a_large_lesion_is_seen(tmp_path: Path, report: Report) -> None:
    """Of several thousand: no tolerance of volumes may hide it."""
    images = images_in(tmp_path / "flair")
    ids = np.zeros_like(images.ids.array)
    ids[5:30, 5:30, 2:12] = 3
    write_seg(replace(images, ids=images.ids.like(ids)), report, tmp_path / "seg.dcm")
    ids[17, 17, 7] = 0

    with pytest.raises(ResultInconsistent, match="lesion 3 has"):
        check_seg(tmp_path / "seg.dcm", with_ids(images, ids), report)


def test_what_could_not_be_compared_is_not_tracked_as_the_same(report: Report) -> None:
    """Lesion 1 of the baseline and lesion 1 of the follow-up are then two lesions."""
    apart = report.model_copy(update={"comparable": False})
    single = apart.model_copy(update={"mode": "single_time_point"})

    assert tracking(apart, 1, "baseline")[1] != tracking(apart, 1, "follow_up")[1]
    assert tracking(apart, 1, "baseline")[0] == "baseline lesion 1"
    assert tracking(single, 1, "follow_up")[0] == "lesion 1"
