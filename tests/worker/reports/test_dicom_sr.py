"""The report's numbers as a Structured Report, read by dcmtk as well."""

import shutil
import subprocess
from dataclasses import replace
from datetime import date
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest

from service.contracts.errors import ResultInconsistent
from service.contracts.report import LesionStatus, Report
from tests.fixtures.measured_report import measured_report
from tests.fixtures.report_case import longitudinal
from tests.fixtures.small_studies import FLAIR_HEADER, small_volume
from worker.artifacts import write_dicom
from worker.dicom_index import index_folder
from worker.dicom_reader import read_headers, read_stack
from worker.dicom_writer import write_mr_series
from worker.reports.dicom_seg import LesionImages, TimePointName, tracking
from worker.reports.dicom_sr import Findings, check_sr, write_sr
from worker.reports.dicom_sr_places import places_in
from worker.reports.summary import build_report

ROWS = (
    (1, LesionStatus.NEW, 0.0, 420.0),
    (2, LesionStatus.ENLARGING, 100.5, 300.25),
    (3, LesionStatus.STABLE, 50.0, 51.0),
    (4, LesionStatus.SHRINKING, 90.0, 30.0),
    (5, LesionStatus.RESOLVED, 75.0, 0.0),
    (6, LesionStatus.INDETERMINATE, 20.0, 20.0),
)


def report_of(rows: tuple[tuple[int, LesionStatus, float, float], ...]) -> Report:
    whole = build_report(longitudinal())
    made = [
        whole.lesions[0].model_copy(
            update={
                "id": n,
                "tracking_uid": f"2.25.{n}",
                "status": status,
                "baseline_volume_mm3": before,
                "follow_up_volume_mm3": after,
            }
        )
        for n, status, before, after in rows
    ]
    return whole.model_copy(update={"lesions": tuple(made)})


def images_of(folder: Path, name: TimePointName, ids: list[int]) -> LesionImages:
    day = date(2023, 4, 9) if name == "baseline" else date(2024, 4, 9)
    write_mr_series(small_volume(), folder, header=replace(FLAIR_HEADER, study_date=day))
    stack = read_stack(index_folder(folder).series[0])
    array = np.zeros(stack.volume.array.shape, np.int32)
    for n in ids:
        array[4 * n : 4 * n + 3, 10:13, 5:7] = n
    return LesionImages(time_point=name, ids=stack.volume.like(array), headers=read_headers(stack.instances))


@pytest.fixture(scope="module")
def report() -> Report:
    return report_of(ROWS)


@pytest.fixture(scope="module")
def written(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the objects of both time points."""
    folder = tmp_path_factory.mktemp("sr")
    baseline = images_of(folder / "baseline", "baseline", [n for n, _, before, _ in ROWS if before])
    follow_up = images_of(folder / "follow_up", "follow_up", [n for n, _, _, after in ROWS if after])
    write_dicom(folder, report, [baseline, follow_up])
    return folder


CODE_OF_REGION = {
    "infratentorial": "INFRATENTORIAL",
    "periventricular": "PERIVENTRICULAR",
    "juxtacortical": "JUXTACORTICAL",
    "deep_white_matter": "DEEP_WM",
}
BOTH: tuple[TimePointName, TimePointName] = ("baseline", "follow_up")


@pytest.mark.skipif(shutil.which("dsrdump") is None, reason="dsrdump (dcmtk) is not installed")
def test_dcmtk_reads_volume_and_trend_of_every_lesion(written: Path, report: Report) -> None:
    dump = subprocess.run(["dsrdump", str(written / "report.dcm")], capture_output=True, text=True, check=True).stdout

    groups = dump.split('"Measurement Group"')[1:]
    lesions = [group for group in groups if "totals" not in group.split("Time Point")[0]]
    assert len(lesions) == sum(bool(before) + bool(after) for _, _, before, after in ROWS)
    trends = ("New finding", "Increase in size", "No change", "Decrease in size", "Absent", "Indeterminate")
    for (n, _, before, after), trend in zip(ROWS, trends, strict=True):
        of_lesion = [group for group in lesions if f'="lesion {n}"' in group]
        assert len(of_lesion) == bool(before) + bool(after)
        assert all(tracking(report, n, "baseline")[1] in group and f'"{trend}"' in group for group in of_lesion)
        volumes = [v for v in (before, after) if v]
        assert all(f'"Volume")="{v}"' in group for v, group in zip(volumes, of_lesion, strict=True))


def test_it_stands_in_the_follow_up_study_and_refers_to_both_segmentations(written: Path) -> None:
    sr = pydicom.dcmread(written / "report.dcm")
    first, second = (pydicom.dcmread(written / f"{name}_lesions.dcm") for name in ("baseline", "follow_up"))

    assert sr.StudyInstanceUID == second.StudyInstanceUID != first.StudyInstanceUID
    assert sr.PatientID == second.PatientID
    text = str(sr)
    assert first.SOPInstanceUID in text
    assert second.SOPInstanceUID in text
    assert (sr.VerificationFlag, sr.CompletionFlag) == ("UNVERIFIED", "COMPLETE")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((1, LesionStatus.NEW, 0.0, 421.0), "lesion 1 has 420.0 mm3, expected 421.0"),
        ((3, LesionStatus.ENLARGING, 50.0, 51.0), "lesion 3 has another status"),
        ((5, LesionStatus.RESOLVED, 75.0, 3.0), "saw 10 lesions, expected 11"),
    ],
)
def test_numbers_that_are_not_the_report_s_are_not_delivered(
    written: Path, row: tuple[int, LesionStatus, float, float], message: str
) -> None:
    other = report_of(tuple(row if one[0] == row[0] else one for one in ROWS))

    check_sr(written / "report.dcm", BOTH, report_of(ROWS))
    with pytest.raises(ResultInconsistent, match=message):
        check_sr(written / "report.dcm", BOTH, other)


def test_a_lesion_s_place_is_the_report_s_at_each_time_and_checked(written: Path, report: Report) -> None:
    groups = hd.sr.srread(written / "report.dcm").content.get_volumetric_roi_measurement_groups()
    places = [tuple(point) for group in groups for point in places_in(group[0])]

    expected = [row.baseline_centroid_mm for row in report.lesions if row.baseline_volume_mm3]
    expected += [row.centroid_mm for row in report.lesions if row.follow_up_volume_mm3]
    np.testing.assert_allclose(places, expected, atol=0.001)
    x, y, z = report.lesions[3].centroid_mm
    moved = report.lesions[3].model_copy(update={"centroid_mm": (x, y + 1.0, z)})
    other = report.model_copy(update={"lesions": (*report.lesions[:3], moved, *report.lesions[4:])})
    with pytest.raises(ResultInconsistent, match="lesion 4 has another place"):
        check_sr(written / "report.dcm", BOTH, other)


def without_places(source: Path, target: Path) -> None:
    """The object as it would be if no lesion's place had been written."""
    sr = pydicom.dcmread(source)
    imaging = next(one for one in sr.ContentSequence if meaning(one) == "Imaging Measurements")
    for group in imaging.ContentSequence:
        group.ContentSequence = [one for one in group.ContentSequence if one.ValueType != "SCOORD3D"]
    sr.save_as(target)


def test_lesions_without_their_places_are_not_delivered_unless_the_scan_names_no_frame(
    written: Path, report: Report, tmp_path: Path
) -> None:
    without_places(written / "report.dcm", tmp_path / "report.dcm")

    with pytest.raises(ResultInconsistent, match="lesion 2 has 0 places, expected 1"):
        check_sr(tmp_path / "report.dcm", BOTH, report)
    check_sr(tmp_path / "report.dcm", BOTH, report, unlocated=BOTH)
    with pytest.raises(ResultInconsistent, match="lesion 2 has 1 places, expected 0"):
        check_sr(written / "report.dcm", BOTH, report, unlocated=BOTH)


def test_a_lesion_under_another_tracking_uid_is_not_delivered(written: Path, report: Report) -> None:
    first, *others = report.lesions
    renamed = report.model_copy(update={"lesions": (first.model_copy(update={"tracking_uid": "2.25.77"}), *others)})

    with pytest.raises(ResultInconsistent, match="saw 10 lesions, expected 10 by tracking UID"):
        check_sr(written / "report.dcm", BOTH, renamed)


NEEDS_DCIODVFY = pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (dicom3tools) is not installed")


@NEEDS_DCIODVFY
def test_dciodvfy_finds_no_error(written: Path) -> None:
    verdict = subprocess.run(
        ["dciodvfy", "-new", str(written / "report.dcm")], capture_output=True, text=True, check=False
    )

    assert "Comprehensive3DSR" in verdict.stderr
    assert "Error" not in verdict.stderr


@NEEDS_DCIODVFY
def test_a_lesion_without_a_voxel_of_the_scan_keeps_its_numbers(tmp_path: Path) -> None:
    """It lies beyond the scan, or others filled the thick voxels that it touches: no segment can be referred to."""
    rows = report_of(ROWS[:3])

    write_dicom(tmp_path, rows, [images_of(tmp_path / "follow_up", "follow_up", [1, 3])])

    check_sr(tmp_path / "report.dcm", ["follow_up"], rows)
    assert "lesion 2" in str(pydicom.dcmread(tmp_path / "report.dcm"))
    verdict = subprocess.run(["dciodvfy", "-new", str(tmp_path / "report.dcm")], capture_output=True, text=True)
    assert "Error" not in verdict.stderr


def test_a_scan_without_lesions_has_its_totals(tmp_path: Path) -> None:
    single = report_of(()).model_copy(update={"mode": "single_time_point", "baseline": None})

    write_dicom(tmp_path, single, [images_of(tmp_path / "scan", "follow_up", [])])

    assert {path.name for path in tmp_path.glob("*.dcm")} == {"report.dcm"}
    assert "follow-up totals" in str(pydicom.dcmread(tmp_path / "report.dcm"))


def test_a_baseline_alone_has_no_structured_report(tmp_path: Path) -> None:
    """The follow-up came as NIfTI: there is no study to put it in."""
    write_dicom(tmp_path, report_of(ROWS), [images_of(tmp_path / "scan", "baseline", [2])])

    assert {path.name for path in tmp_path.glob("*.dcm")} == {"baseline_lesions.dcm"}


def measurements_of(path: Path) -> dict[tuple[str, str], dict[str, float]]:
    """Every number of each group by the meaning of its code; the group by time point and tracking identifier."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    imaging = next(one for one in pydicom.dcmread(path).ContentSequence if meaning(one) == "Imaging Measurements")
    for group in imaging.ContentSequence:
        words = {meaning(one): one for one in group.ContentSequence}
        key = (str(words["Time Point"].TextValue), str(words["Tracking Identifier"].TextValue))
        found[key] = {
            meaning(one): float(one.MeasuredValueSequence[0].NumericValue)
            for one in group.ContentSequence
            if one.ValueType == "NUM"
        }
        site = words["Finding Site"]
        region = [one for one in site.get("ContentSequence", []) if meaning(one) == "Topographical modifier"]
        found[key]["region"] = region[0].ConceptCodeSequence[0] if region else None
        found[key]["uncertainty"] = [
            (float(value.NumericValue), value.MeasurementUnitsCodeSequence[0].CodeValue)
            for one in group.ContentSequence
            if one.ValueType == "NUM"
            for part in one.get("ContentSequence", [])
            if "uncertainty" in meaning(part)
            for value in part.MeasuredValueSequence
        ]
    return found


def meaning(item) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeMeaning)


def test_what_was_measured_of_a_lesion_stands_in_its_groups_by_codes_of_the_standard(tmp_path: Path) -> None:
    report = measured_report()
    ids = [row.id for row in report.lesions]
    images = [images_of(tmp_path / name, name, ids) for name in BOTH]

    write_dicom(tmp_path, report, images)

    groups = measurements_of(tmp_path / "report.dcm")
    for row in report.lesions:
        before, after = row.baseline_volume_mm3 or 0.0, row.follow_up_volume_mm3
        volumes = {"baseline": (before, row.baseline_interval_mm3), "follow-up": (after, row.follow_up_interval_mm3)}
        for time, (volume, interval) in volumes.items():
            if not volume:
                continue
            group = groups[time, f"lesion {row.id}"]
            assert group["Volume"] == volume
            reach = [round(interval[1] - volume, 2), round(volume - interval[0], 2)]
            assert group["uncertainty"] == [(mm3, "mm3") for mm3 in reach]
            assert group["Certainty of Finding"] == pytest.approx(100 * row.certainty)
            assert group["Probability"] == row.probability
            assert group.get("Long axis") == (row.long_axis_mm if volume == max(before, after) else None)
            assert group["region"].CodeMeaning.lower().replace(" ", "_") == row.region.value
            assert group["region"].CodeValue == CODE_OF_REGION[row.region.value]
    if shutil.which("dciodvfy"):
        verdict = subprocess.run(["dciodvfy", "-new", str(tmp_path / "report.dcm")], capture_output=True, text=True)
        assert "Error" not in verdict.stderr


def test_lesions_of_a_scan_without_a_frame_of_reference_have_no_place(report: Report, tmp_path: Path) -> None:
    images = images_of(tmp_path / "scan", "follow_up", [])
    for header in images.headers:
        del header.FrameOfReferenceUID
    found = Findings(time_point="follow_up", headers=images.headers, seg=None)

    write_sr([found], report, tmp_path / "report.dcm")

    groups = hd.sr.srread(tmp_path / "report.dcm").content.get_image_measurement_groups()
    assert len(groups) == sum(row.follow_up_volume_mm3 > 0 for row in report.lesions) + 1  # and the totals
    assert [point for group in groups for point in places_in(group[0])] == []
