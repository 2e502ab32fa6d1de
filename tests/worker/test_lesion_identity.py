"""Lesions keep their tracking UID from one comparison to the next."""

from datetime import date
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest

from model.volume import Volume
from service.contracts.options import CompareOptions
from service.contracts.report import LesionRow, LesionStatus, Report
from tests.fixtures.bright_brain import tools
from tests.fixtures.visits import COURSES, centre_mm, images, nonzero_brain
from worker.dicom_sequences import SIEMENS_FLAIR_3D
from worker.dicom_writer import MrHeader, write_mr_series
from worker.lesion_identity import EarlierLesions, known_uids, read_earlier
from worker.outcome import CaseRequest
from worker.pipeline import run_case

SHAPE = (12, 12, 6)


def on_grid(*boxes: tuple[int, slice, slice], affine: np.ndarray | None = None) -> Volume:
    """Ids in boxes of columns and rows, two slices thick."""
    array = np.zeros(SHAPE, np.int32)
    for number, columns, rows in boxes:
        array[columns, rows, 2:4] = number
    return Volume(array=array, affine=np.eye(4) if affine is None else affine)


def test_a_row_takes_the_uid_of_the_lesion_that_it_shares_most_voxels_with() -> None:
    earlier = EarlierLesions(
        rows=on_grid((1, slice(0, 3), slice(0, 3)), (2, slice(6, 9), slice(6, 9))), uids={1: "1.1", 2: "1.2"}
    )
    now = on_grid((5, slice(6, 10), slice(6, 9)), (6, slice(1, 4), slice(0, 3)), (7, slice(0, 2), slice(9, 12)))
    assert known_uids(earlier, now) == {5: "1.2", 6: "1.1"}


def test_after_a_split_the_larger_part_keeps_the_uid() -> None:
    earlier = EarlierLesions(rows=on_grid((1, slice(0, 8), slice(0, 3))), uids={1: "1.1"})
    now = on_grid((1, slice(0, 3), slice(0, 3)), (2, slice(4, 8), slice(0, 3)))
    assert known_uids(earlier, now) == {2: "1.1"}


def test_after_a_merger_the_uid_of_the_largest_lesion_stays() -> None:
    earlier = EarlierLesions(
        rows=on_grid((1, slice(0, 3), slice(0, 3)), (2, slice(4, 9), slice(0, 3))), uids={1: "1.1", 2: "1.2"}
    )
    assert known_uids(earlier, on_grid((9, slice(0, 9), slice(0, 3)))) == {9: "1.2"}


def test_another_scan_s_result_gives_no_uid() -> None:
    earlier = EarlierLesions(rows=on_grid((1, slice(0, 3), slice(0, 3))), uids={1: "1.1"})
    elsewhere = on_grid((1, slice(0, 3), slice(0, 3)), affine=np.diag([1.0, 1.0, 1.5, 1.0]))
    assert known_uids(earlier, elsewhere) == {}
    assert known_uids(None, elsewhere) == {}


def test_a_folder_without_a_result_is_no_earlier_result(tmp_path: Path) -> None:
    assert read_earlier(tmp_path) is None


LESION = 0.96
"""Of a lesion's surest voxel. Hundreds of spots of cortex are nearly as bright: this leaves fewer rows of it."""

DAYS = (date(2022, 4, 9), date(2023, 4, 9))
BRIGHT = 2.0
"""Between cortex and lesion, in standard deviations of the brain.

At 2.5 the part by which one lesion grows has, before, just the half of its contrast that decides whether it changed."""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Visit 1 alone, then visit 2 compared with it, knowing that result."""
    folder = tmp_path_factory.mktemp("visits")
    for visit, day in enumerate(DAYS):
        header = MrHeader(sequence=SIEMENS_FLAIR_3D, study_date=day, series_number=3, study_key=str(visit))
        write_mr_series(images(visit)[1], folder / str(visit), header=header)
    found: list[Path] = []
    for visit in (0, 1):
        request = CaseRequest(
            baseline=folder / "0" if found else None,
            follow_up=folder / str(visit),
            out=folder / f"out{visit}",
            options=CompareOptions(missing_t1="flair_only", certainty=False, lesion_threshold=LESION),
            job_id=f"job-{visit}",
            earlier=found[-1] if found else None,
        )
        run_case(request, tools=tools(bright=BRIGHT, brain_masker=nonzero_brain), progress=lambda stage, part: None)
        found.append(request.out)
    return found


def row_at(folder: Path, name: str, visit: int) -> LesionRow:
    """The row at the place of a course in the follow-up of a result."""
    report = Report.model_validate_json((folder / "report.json").read_text())
    place = centre_mm(next(one for one in COURSES if one.name == name), visit)
    row = min(report.lesions, key=lambda row: np.linalg.norm(np.subtract(row.centroid_mm, place)))
    assert np.linalg.norm(np.subtract(row.centroid_mm, place)) < 2
    return row


@pytest.mark.slow
def test_a_lesion_keeps_its_uid_whatever_becomes_of_it(results: list[Path]) -> None:
    first, second = results
    known = ("stays", "grows", "shrinks", "goes and returns")
    assert [row_at(second, name, 1).status for name in (*known, "comes")] == [
        LesionStatus.STABLE,
        LesionStatus.ENLARGING,
        LesionStatus.STABLE,
        LesionStatus.RESOLVED,
        LesionStatus.NEW,
    ]
    uids = [row_at(second, name, 1).tracking_uid for name in known]
    assert uids == [row_at(first, name, 0).tracking_uid for name in known]
    assert row_at(second, "comes", 1).tracking_uid not in uids


@pytest.mark.slow
def test_the_segmentations_name_the_lesion_by_that_uid(results: list[Path]) -> None:
    uid = row_at(results[0], "grows", 0).tracking_uid
    for folder, name in ((results[0], "follow_up"), (results[1], "baseline"), (results[1], "follow_up")):
        seg = hd.seg.segread(folder / f"{name}_lesions.dcm")
        assert uid in {str(one.TrackingUID) for one in seg.SegmentSequence}
