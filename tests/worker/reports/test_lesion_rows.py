"""Rows of lesions and regions from an analysis with measures."""

import csv
from dataclasses import replace

import pytest

from model.lesion_measures import LesionMeasures
from model.lesion_regions import Place
from model.repeatability import volume_interval
from service.contracts.measures import REGIONS_NOTE, LesionRegion
from tests.fixtures import report_case
from worker.comparing import Measured
from worker.measurement_rules import packaged_measurement_rules
from worker.reports.summary import build_report
from worker.reports.table import write_csv

ORDER = (Place.PERIVENTRICULAR, Place.JUXTACORTICAL, Place.INFRATENTORIAL)


def measured(inputs):
    """Places in turn, one row without; surfaces by their ids."""
    lesions = {
        change.id: LesionMeasures(
            place=None if change.id == 1 else ORDER[change.id % 3],
            surface_mm2=10.0 * change.id,
            long_axis_mm=1.0 + change.id,
            flair_change_sd=None if change.id == 2 else 0.5 * change.id,
        )
        for change in inputs.analysis.changes
    }
    return replace(inputs, measured=Measured(lesions=lesions, regions_known=True))


@pytest.fixture(scope="module")
def report():
    return build_report(measured(report_case.longitudinal()))


def test_each_row_has_the_measures_of_its_own_id(report):
    for row in report.lesions:
        assert (row.surface_mm2, row.long_axis_mm) == (10.0 * row.id, 1.0 + row.id)
        assert row.flair_change_sd == (None if row.id == 2 else 0.5 * row.id)
        assert row.region == (None if row.id == 1 else LesionRegion(ORDER[row.id % 3].value))


def test_every_region_has_a_row_and_the_rows_add_up_to_the_lesions_with_a_region(report):
    assert [row.region for row in report.regions] == list(LesionRegion)
    placed = [row for row in report.lesions if row.region is not None]
    assert sum(row.lesions for row in report.regions) == sum(row.counted for row in placed)
    assert sum(sum(row.counts.model_dump().values()) for row in report.regions) == sum(row.counted for row in placed)
    for time in ("baseline", "follow_up"):
        of_regions = sum(getattr(row, f"{time}_volume_ml") for row in report.regions)
        assert of_regions == pytest.approx(sum(getattr(row, f"{time}_volume_mm3") for row in placed) / 1000, abs=1e-3)


def test_regions_say_what_they_do_not_say(report):
    assert report.regions_note == REGIONS_NOTE
    assert "no number here says that a criterion is met" in REGIONS_NOTE


def test_where_the_parts_of_the_brain_are_not_known_there_are_no_regions():
    plain = build_report(report_case.longitudinal())
    assert plain.regions == ()
    assert plain.regions_note is None
    assert {row.region for row in plain.lesions} == {None}


def test_a_single_scan_has_regions_without_change():
    alone = build_report(measured(report_case.single()))
    assert len(alone.regions) == len(LesionRegion)
    for row in alone.regions:
        assert (row.counts, row.baseline_volume_ml) == (None, None)
    for row in alone.lesions:
        assert (row.certainty, row.baseline_interval_mm3) == (None, None)
    assert alone.brain_volume_change is None
    assert alone.volume_intervals_ml.change is None


def test_intervals_are_those_of_the_rules_and_an_absent_lesion_has_none(report):
    table = packaged_measurement_rules().profile("default").rules.noise.volume_log_sd
    for row in report.lesions:
        expected = volume_interval(row.follow_up_volume_mm3, table)
        assert row.follow_up_interval_mm3 == (None if expected is None else pytest.approx(expected, abs=0.01))
        assert (row.baseline_interval_mm3 is None) == (row.baseline_volume_mm3 == 0)


def test_another_profile_stands_in_the_report_with_its_numbers():
    fifth = packaged_measurement_rules().profile("growth_20_percent")
    report = build_report(replace(report_case.longitudinal(), profile=fifth))
    assert (report.rules.profile, report.rules.numbers["growth_factor"]) == ("growth_20_percent", 1.2)


def test_the_table_holds_the_measures(report, tmp_path):
    write_csv(report, tmp_path / "lesions.csv")
    with (tmp_path / "lesions.csv").open(newline="", encoding="utf-8") as file:
        for cells, row in zip(csv.DictReader(file), report.lesions, strict=True):
            assert cells["region"] == ("" if row.region is None else row.region.value)
            assert float(cells["surface_mm2"]) == row.surface_mm2
            assert cells["flair_change_sd"] == ("" if row.flair_change_sd is None else str(row.flair_change_sd))
            assert float(cells["certainty"]) == row.certainty
            interval = row.baseline_interval_mm3
            assert cells["baseline_interval_low_mm3"] == ("" if interval is None else str(interval[0]))
