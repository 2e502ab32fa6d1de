"""The FHIR bundle of several visits: by the model of R4, and with the numbers of its report."""

import pytest
from fhir.resources.R4B.bundle import Bundle

from service.contracts.measures import BrainVolumeChange
from service.contracts.report import LesionStatus
from tests.fixtures.series_reports import DAYS, FOLLOWED, VOLUMES, not_comparable, small_report, whole_report
from worker.reports.fhir_bundle import write_bundle
from worker.reports.language import words
from worker.reports.series_fhir import series_bundle
from worker.reports.series_words import headline

KINDS = {"small": small_report, "whole": whole_report, "not comparable": not_comparable}


def observations(bundle, code):
    found = [one["resource"] for one in bundle["entry"] if one["resource"]["resourceType"] == "Observation"]
    return [one for one in found if one["code"]["coding"][0]["code"] == code]


def parts(observation):
    """Code of each component: its value."""
    made = {}
    for part in observation["component"]:
        (value,) = (value for key, value in part.items() if key.startswith("value"))
        number = value["value"] if isinstance(value, dict) and "value" in value else value
        made[part["code"]["coding"][0]["code"]] = number
    return made


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_written_file_follows_the_model_and_says_the_headline(kind, language, tmp_path):
    report = KINDS[kind]()
    write_bundle(series_bundle(report, language), tmp_path / "series.fhir.json")
    bundle = Bundle.model_validate_json((tmp_path / "series.fhir.json").read_text(encoding="utf-8"))
    (made,) = (one.resource for one in bundle.entry if one.resource.get_resource_type() == "DiagnosticReport")
    assert made.language == language
    assert made.conclusion.startswith(headline(report, words(language)))


@pytest.mark.parametrize("kind", KINDS)
def test_every_entry_has_a_name_of_its_own_and_every_observation_is_a_result(kind):
    bundle = series_bundle(KINDS[kind]())
    urls = [one["fullUrl"] for one in bundle["entry"]]
    assert len(set(urls)) == len(urls)
    results = [one["reference"] for one in bundle["entry"][0]["resource"]["result"]]
    assert results == urls[1:-1]
    values = [one["value"] for entry in bundle["entry"][:-1] for one in entry["resource"]["identifier"]]
    assert len(set(values)) == len(values)


def test_each_visit_has_its_load_and_its_day():
    report = whole_report()
    bundle = series_bundle(report)
    volumes, counts = (observations(bundle, code) for code in ("visit-lesion-volume", "visit-lesions"))
    assert [one["valueQuantity"]["value"] for one in volumes] == [visit.volume_ml for visit in report.visits]
    assert [one["valueInteger"] for one in counts] == [visit.lesions for visit in report.visits]
    assert [one["effectiveDateTime"] for one in counts] == list(DAYS)
    assert [parts(one)["followed"] for one in volumes] == [visit.followed for visit in report.visits]
    assert [parts(one)["lesions-of-any-size"] for one in counts] == [v.lesions_from_3_mm3 for v in report.visits]
    period = bundle["entry"][0]["resource"]["effectivePeriod"]
    assert period == {"start": DAYS[0], "end": DAYS[-1]}


def test_each_pair_that_is_reported_has_its_counts_or_says_why_not():
    report = small_report()
    reported = [pair for pair in report.pairs if pair.role != "not_used"]
    bundle = series_bundle(report)
    changes, active = observations(bundle, "lesions-by-change"), observations(bundle, "active")
    assert len(changes) == len(active) == len(reported) > 1
    for pair, counted, activity in zip(reported, changes, active, strict=True):
        which = {"baseline-visit": pair.baseline, "follow-up-visit": pair.follow_up}
        assert which.items() <= parts(counted).items()
        assert parts(activity) == which
        if pair.counts is None:
            assert "brain_overlap" in counted["dataAbsentReason"]["text"]
        else:
            numbers = {f"{name}-lesions": n for name, n in pair.counts.model_dump().items()}
            assert parts(counted) == which | numbers
            assert activity["valueBoolean"] is pair.active


def test_regions_and_brain_volume_of_a_pair_are_its_own():
    report = whole_report()
    change = BrainVolumeChange(percent=-0.4, interval_percent=(-0.9, 0.1))
    pairs = tuple(one.model_copy(update={"brain_volume_change": change}) for one in report.pairs)
    bundle = series_bundle(report.model_copy(update={"pairs": pairs}))
    reported = [pair for pair in pairs if pair.role != "not_used"]
    percents = [one["valueQuantity"]["value"] for one in observations(bundle, "brain-volume-change")]
    assert percents == [-0.4] * len(reported)
    said = [parts(one)["counted-lesions"] for one in observations(bundle, "lesions-in-region")]
    assert said == [row.lesions for pair in reported for row in pair.regions]


def test_every_lesion_has_its_volume_at_each_visit_and_its_status_between():
    report = small_report()
    bundle = series_bundle(report)
    at = {}
    for one in observations(bundle, "ledger-lesion"):
        said = parts(one)
        at.setdefault(said["row"], []).append((said["visit"], one["valueQuantity"]["value"]))
        assert said["tracking-uid"] == next(row.uid for row in report.ledger if row.id == said["row"])
    assert at == {n: list(zip(FOLLOWED, volumes, strict=True)) for n, volumes in VOLUMES.items()}
    changes = observations(bundle, "ledger-lesion-change")
    statuses = [one["valueCodeableConcept"]["coding"][0]["code"] for one in changes]
    assert statuses == [change.status.value for row in report.ledger for change in row.changes]
    assert {LesionStatus.NEW, LesionStatus.RESOLVED} <= set(statuses)


def test_the_same_report_gives_the_same_bundle_and_names_nobody():
    bundle = series_bundle(whole_report())
    assert bundle == series_bundle(whole_report())
    subjects = [one["resource"]["subject"] for one in bundle["entry"][:-1]]
    assert {one["type"] for one in subjects} == {"Patient"}
    assert all(set(one) == {"type", "identifier"} for one in subjects)
