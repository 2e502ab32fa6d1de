"""lesions.csv."""

import csv

import pytest

from tests.fixtures import report_case
from worker.reports.summary import build_report
from worker.reports.table import write_csv


def read(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_table_holds_what_the_report_holds(tmp_path):
    report = build_report(report_case.longitudinal())
    write_csv(report, tmp_path / "lesions.csv")
    for row, lesion in zip(read(tmp_path / "lesions.csv"), report.lesions, strict=True):
        assert (int(row["id"]), row["status"], row["counted"]) == (lesion.id, lesion.status, "true")
        assert float(row["follow_up_volume_mm3"]) == lesion.follow_up_volume_mm3
        assert row["tracking_uid"] == lesion.tracking_uid
        centroid = [float(row[f"baseline_centroid_{axis}_mm_lps"]) for axis in "xyz"]
        assert centroid == pytest.approx(lesion.baseline_centroid_mm)


def test_what_does_not_exist_is_an_empty_cell(tmp_path):
    write_csv(build_report(report_case.single()), tmp_path / "lesions.csv")
    row = read(tmp_path / "lesions.csv")[0]
    assert (row["status"], row["baseline_volume_mm3"], row["baseline_centroid_x_mm_lps"]) == ("", "", "")


def test_studies_that_cannot_be_compared_leave_only_the_header(tmp_path):
    write_csv(build_report(report_case.not_comparable()), tmp_path / "lesions.csv")
    assert read(tmp_path / "lesions.csv") == []
