"""The report value."""

from dataclasses import replace

import numpy as np
import pytest

from service.contracts.report import LesionStatus, Report
from tests.fixtures import report_case
from worker.reports.summary import build_report


@pytest.fixture(scope="module")
def report():
    return build_report(report_case.longitudinal())


def test_every_kind_of_change_is_counted(report):
    assert report.counts.model_dump() == {
        "new": 2,
        "enlarging": 1,
        "stable": 1,
        "shrinking": 1,
        "resolved": 1,
        "indeterminate": 0,
    }
    assert report.comparable
    assert report.active


def test_the_same_inputs_give_the_same_report(report):
    assert build_report(report_case.longitudinal()) == report


def test_the_report_survives_json(report):
    assert Report.model_validate_json(report.model_dump_json()) == report


def test_volumes_are_the_sum_of_the_rows(report):
    assert report.volumes_ml.baseline == pytest.approx(sum(r.baseline_volume_mm3 for r in report.lesions) / 1000)
    assert report.volumes_ml.follow_up == pytest.approx(sum(r.follow_up_volume_mm3 for r in report.lesions) / 1000)


def test_centroids_lie_in_the_space_of_each_scan(report):
    (resolved,) = (row for row in report.lesions if row.status is LesionStatus.RESOLVED)
    assert resolved.centroid_mm == pytest.approx((26.0, -4.0, 32.0), abs=1.0)
    assert np.subtract(resolved.baseline_centroid_mm, resolved.centroid_mm) == pytest.approx(report_case.SHIFT_MM)


def test_small_lesions_are_in_the_table_and_not_in_the_count():
    inputs = report_case.longitudinal()
    small = tuple(
        replace(c, follow_up_mm3=10.0, baseline_mm3=0.0) if c.status == "new" else c for c in inputs.analysis.changes
    )
    report = build_report(replace(inputs, analysis=replace(inputs.analysis, changes=small)))
    assert (report.counts.new, report.counts_from_3_mm3.new) == (0, 2)


def test_a_growing_load_without_new_or_enlarging_lesions_is_not_activity():
    inputs = report_case.longitudinal()
    calm = tuple(c for c in inputs.analysis.changes if c.status not in {"new", "enlarging"})
    assert build_report(replace(inputs, analysis=replace(inputs.analysis, changes=calm))).active is False


def test_studies_that_cannot_be_compared_give_no_change_numbers():
    report = build_report(report_case.not_comparable())
    assert (report.comparable, report.active, report.counts, report.counts_from_3_mm3) == (False, None, None, None)
    assert report.lesions == ()
    assert [reason.code for reason in report.reasons if reason.flag == "red"] == ["brain_overlap"]


def test_a_single_time_point_has_rows_without_a_status():
    report = build_report(report_case.single())
    assert (report.mode, report.comparable, report.counts, report.baseline) == ("single_time_point", False, None, None)
    assert len(report.lesions) == report.lesion_counts.follow_up == 5
    assert {(r.status, r.baseline_volume_mm3, r.baseline_centroid_mm) for r in report.lesions} == {(None, None, None)}
