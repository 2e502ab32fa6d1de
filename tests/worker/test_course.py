"""Three visits of a phantom through `msdelta course`: the ledger against the known course of every lesion."""

import csv
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from service.contracts.report import RESEARCH_USE, LesionStatus
from service.contracts.report_signature import make_key
from service.contracts.series_report import LedgerRow, SeriesReport
from tests.fixtures.pdf_words import reader_of
from tests.fixtures.visits import COURSES, MOTIONS, Course, centre_mm, write_visits
from worker.cli import cli

pytestmark = pytest.mark.slow

DAYS = ("2020-01-05", "2021-02-01", "2024-05-05")


@dataclass
class Followed:
    visits: tuple[Path, ...]
    out: Path
    key: Path
    report: SeriesReport
    output: str


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Followed:
    folder = tmp_path_factory.mktemp("visits")
    visits, out = write_visits(folder), folder / "out"
    days = [word for day in DAYS for word in ("--acquired", day)]
    command = [
        sys.executable,
        "-m",
        "worker.cli",
        "course",
        *map(str, visits),
        "-o",
        str(out),
        "--json",
        "--no-certainty",
        "--language",
        "de",
        *days,
    ]
    key = folder / "report.key"
    make_key(key)
    named = os.environ | {"MSDELTA_REPORT_KEY_FILE": str(key)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, env=named)
    assert done.returncode == 0, done.stderr[-2000:]
    report = SeriesReport.model_validate_json((out / "series.json").read_text())
    return Followed(visits=visits, out=out, key=key, report=report, output=done.stdout)


def row_of(course: Course, report: SeriesReport) -> LedgerRow:
    """The row whose lesion lies at the centre of the course's at each visit that shows it."""

    def distance(row: LedgerRow) -> float:
        apart = [
            np.linalg.norm(np.subtract(at.centroid_mm, centre_mm(course, at.visit - 1)))
            for at in row.visits
            if at.centroid_mm is not None
        ]
        return float(max(apart))

    best = min(report.ledger, key=distance)
    assert distance(best) < 2.5
    return best


def test_the_artifacts_are_there_and_the_printed_report_is_the_written_one(followed: Followed) -> None:
    masks = {f"visit_{visit}_lesions.nii.gz" for visit in (1, 2, 3)}
    reports = {"series.json", "series.html", "series.pdf", "series.fhir.json", "ledger.csv"}
    assert {path.name for path in followed.out.iterdir()} == masks | reports
    assert json.loads(followed.output) == json.loads((followed.out / "series.json").read_text())
    assert [visit.study.acquired for visit in followed.report.visits] == list(DAYS)


def test_page_and_pdf_are_in_the_language_that_was_asked_for_and_the_report_in_english(followed: Followed) -> None:
    assert '<html lang="de">' in (followed.out / "series.html").read_text(encoding="utf-8")
    assert reader_of((followed.out / "series.pdf").read_bytes()).root_object["/Lang"] == "de"
    assert followed.report.notice == RESEARCH_USE


def test_the_report_is_signed_with_the_key_of_the_installation(followed: Followed) -> None:
    shown = CliRunner().invoke(cli, ["verify", str(followed.out / "series.json"), "--key", str(followed.key)])

    assert (shown.exit_code, shown.stdout) == (0, "signature fits; comparable\n")


@pytest.mark.parametrize("course", COURSES, ids=lambda course: course.name)
@pytest.mark.parametrize("visit", [1, 2, 3])
def test_a_lesion_is_one_row_with_its_volume_at_every_visit(followed: Followed, course: Course, visit: int) -> None:
    at, truth = row_of(course, followed.report).visits[visit - 1], course.volumes_mm3[visit - 1]
    assert (at.components > 0, at.covered) == (truth > 0, True)
    assert at.volume_mm3 == pytest.approx(truth, rel=0.25, abs=1.0)


@pytest.mark.parametrize(
    ("name", "statuses"),
    [
        ("stays", ("stable", "stable", "stable")),
        ("grows", ("enlarging", "enlarging", "enlarging")),
        ("shrinks", ("stable", "shrinking", "shrinking")),
        ("comes", ("new", "stable", "new")),
        ("goes and returns", ("resolved", "new", "stable")),
    ],
)
def test_a_lesion_has_its_status_between_visits_and_from_first_to_last(
    followed: Followed, name: str, statuses: tuple[str, ...]
) -> None:
    row = row_of(next(course for course in COURSES if course.name == name), followed.report)

    found = {(change.baseline, change.follow_up): change.status for change in row.changes}
    assert found == dict(zip(((1, 2), (2, 3), (1, 3)), map(LesionStatus, statuses), strict=True))


def test_coming_going_and_returning_are_told(followed: Followed) -> None:
    told = {course.name: [(e.kind, e.visit) for e in row_of(course, followed.report).events] for course in COURSES}

    assert told["goes and returns"] == [("gone", 2), ("returned", 3)]
    assert told["comes"] == [("appeared", 2)]
    assert told["stays"] == []


def test_each_mask_carries_the_numbers_of_the_ledger_on_its_own_flair(followed: Followed) -> None:
    for visit, folder in enumerate(followed.visits, start=1):
        flair = nib.load(folder / "FLAIR.nii.gz")
        mask = nib.load(followed.out / f"visit_{visit}_lesions.nii.gz")
        np.testing.assert_allclose(mask.affine, flair.affine, atol=1e-3)
        ids = np.asarray(mask.dataobj)
        ras_from_lps = np.diag([-1.0, -1.0, 1.0, 1.0])
        for course in COURSES:
            at = np.linalg.inv(ras_from_lps @ mask.affine) @ [*centre_mm(course, visit - 1), 1.0]
            expected = row_of(course, followed.report).id if course.volumes_mm3[visit - 1] else 0
            assert ids[tuple(np.round(at[:3]).astype(int))] == expected
        rows = {row.id: row.visits[visit - 1] for row in followed.report.ledger}
        for number in np.unique(ids[ids > 0]):
            at_visit = rows[int(number)]  # each part to the nearest voxel of 8 mm3, in the scale of the scan
            written = (ids == number).sum() * 8.0
            assert written == pytest.approx(at_visit.volume_mm3, rel=0.03, abs=8.0 * at_visit.components)


def test_the_alignments_find_the_motion_and_agree_over_all_visits(followed: Followed) -> None:
    points = np.array([[*centre_mm(course, 2), 1.0] for course in COURSES])
    (pair,) = (pair for pair in followed.report.pairs if pair.role == "first_to_last")
    assert pair.registration is not None

    found = points @ np.array(pair.registration.baseline_from_follow_up).T
    truth = points @ (MOTIONS[0] @ np.linalg.inv(MOTIONS[2])).T

    assert np.linalg.norm((found - truth)[:, :3], axis=1).max() < 1.0
    (drift,) = (check for check in pair.quality if check.name == "drift")
    assert isinstance(drift.value, float)
    assert drift.value < 0.5


def test_counts_of_a_pair_are_the_parts_of_the_rows(followed: Followed) -> None:
    for pair in followed.report.pairs:
        parts = [
            part.status.value
            for row in followed.report.ledger
            for change in row.changes
            if (change.baseline, change.follow_up) == (pair.baseline, pair.follow_up)
            for part in change.parts
            if part.counted
        ]
        assert pair.counts is not None
        assert pair.counts.model_dump() == {status.value: parts.count(status.value) for status in LesionStatus}


def test_volumes_of_a_visit_are_the_sum_of_its_rows_in_report_and_table(followed: Followed) -> None:
    with (followed.out / "ledger.csv").open() as file:
        table = list(csv.DictReader(file))
    for visit in followed.report.visits:
        rows = sum(at.volume_mm3 for row in followed.report.ledger for at in row.visits if at.visit == visit.visit)
        written = sum(float(line["volume_mm3"]) for line in table if int(line["visit"]) == visit.visit)
        assert visit.volume_ml == pytest.approx(rows / 1000, abs=1e-3)
        assert visit.volume_ml == pytest.approx(written / 1000, abs=1e-3)
