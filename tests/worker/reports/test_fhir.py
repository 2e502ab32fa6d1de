"""The FHIR bundle: by the model of R4, whole in itself, and about nobody by name."""

import re

import pytest
from fhir.resources.R4B.bundle import Bundle

from service.contracts.errors import ResultInconsistent
from tests.fixtures import report_case
from tests.fixtures.measured_report import measured_report
from worker.reports.fhir import fhir_bundle
from worker.reports.fhir_bundle import write_bundle
from worker.reports.fhir_codes import OWN, UCUM, UNITS, own
from worker.reports.summary import build_report

KINDS = {
    "measured": measured_report,
    "longitudinal": lambda: build_report(report_case.longitudinal()),
    "single": lambda: build_report(report_case.single()),
    "not comparable": lambda: build_report(report_case.not_comparable()),
}


def resources(bundle, kind):
    return [one["resource"] for one in bundle["entry"] if one["resource"]["resourceType"] == kind]


def identifiers(bundle):
    """System and value of every report and observation."""
    made = [*resources(bundle, "DiagnosticReport"), *resources(bundle, "Observation")]
    return [(one["system"], one["value"]) for resource in made for one in resource["identifier"]]


def is_lesion(observation):
    return observation["code"]["coding"][0]["code"] == "lesion-change"


def codes_in(tree):
    """Every system and code, wherever it stands."""
    if isinstance(tree, dict):
        if "system" in tree and "code" in tree:
            yield tree["system"], tree["code"]
        for value in tree.values():
            yield from codes_in(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from codes_in(value)


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_written_file_follows_the_model_of_fhir(kind, language, tmp_path):
    write_bundle(fhir_bundle(KINDS[kind](), language), tmp_path / "report.fhir.json")
    bundle = Bundle.model_validate_json((tmp_path / "report.fhir.json").read_text(encoding="utf-8"))
    (report,) = (one.resource for one in bundle.entry if one.resource.get_resource_type() == "DiagnosticReport")
    assert (report.language, report.status) == (language, "preliminary")


@pytest.mark.parametrize("kind", KINDS)
def test_every_reference_is_an_entry_and_every_observation_is_a_result(kind):
    bundle = fhir_bundle(KINDS[kind]())
    urls = [one["fullUrl"] for one in bundle["entry"]]
    assert len(set(urls)) == len(urls)
    assert all(re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", url) for url in urls)
    (report,) = resources(bundle, "DiagnosticReport")
    of_observations = [e["fullUrl"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Observation"]
    assert [one["reference"] for one in report["result"]] == of_observations
    assert {one["device"]["reference"] for one in resources(bundle, "Observation")} <= set(urls)


def test_the_patient_is_a_placeholder_and_nobody_is_named():
    bundle = fhir_bundle(measured_report())
    subjects = [one["subject"] for kind in ("DiagnosticReport", "Observation") for one in resources(bundle, kind)]
    placeholder = {"type": "Patient", "identifier": {"system": "urn:msdelta:subject", "value": "job-1"}}
    assert all(one == placeholder for one in subjects)
    assert resources(bundle, "Patient") == []


def test_units_are_ucum_and_codes_are_standard_or_openly_ours():
    bundle = fhir_bundle(measured_report())
    systems = {system for system, _ in codes_in(bundle)}
    assert systems == {
        OWN,
        UCUM,
        "http://loinc.org",
        "http://snomed.info/sct",
        "http://dicom.nema.org/resources/ontology/DCM",
        "http://terminology.hl7.org/CodeSystem/v2-0074",
        "http://terminology.hl7.org/CodeSystem/observation-category",
    }
    assert {code for system, code in codes_in(bundle) if system == UCUM} <= set(UNITS.values())
    assert {code for system, code in codes_in(bundle) if system == "http://loinc.org"} == {"24590-2"}


def test_what_is_not_compared_is_absent_with_the_reason():
    bundle = fhir_bundle(KINDS["not comparable"]())
    absent = [one for one in resources(bundle, "Observation") if "dataAbsentReason" in one]
    brain = next(one for one in absent if one["code"]["coding"][0]["code"] == "brain-volume-change")
    assert brain["dataAbsentReason"]["coding"][1] == own("not_comparable", "not comparable")
    why = {one["code"]["coding"][0]["code"]: one["dataAbsentReason"]["text"] for one in absent}
    assert why.pop("brain-volume-change") == "the studies cannot be compared"
    assert set(why) == {"active", "lesions-by-change", "lesions-by-change-of-any-size"}
    assert all("brain_overlap" in text for text in why.values())
    assert all(not any(key.startswith("value") for key in one) for one in absent)


def test_the_same_report_gives_the_same_bundle_and_another_job_other_identifiers():
    report = measured_report()
    other = fhir_bundle(report.model_copy(update={"job_id": "job-2"}))
    bundle = fhir_bundle(report)
    assert bundle == fhir_bundle(measured_report())
    assert not {one["fullUrl"] for one in bundle["entry"]} & {one["fullUrl"] for one in other["entry"]}
    assert not set(identifiers(bundle)) & set(identifiers(other))


@pytest.mark.parametrize("kind", KINDS)
def test_every_report_and_observation_has_an_identifier_of_its_own(kind):
    bundle = fhir_bundle(KINDS[kind]())
    found = identifiers(bundle)
    assert len(found) == len(set(found)) == len(bundle["entry"]) - 1  # the device is that of every job


def test_a_lesion_s_observation_names_its_row_and_the_uid_that_it_is_tracked_by():
    report = measured_report()
    parts = [one["component"][:2] for one in resources(fhir_bundle(report), "Observation") if is_lesion(one)]
    said = [(row["valueInteger"], uid["valueString"]) for row, uid in parts]
    assert said == [(row.id, row.tracking_uid) for row in report.lesions]


def test_a_bundle_that_does_not_follow_the_model_is_not_delivered(tmp_path):
    wrong = fhir_bundle(measured_report())
    wrong["entry"][1]["resource"]["status"] = None
    wrong["entry"][1]["resource"]["valueQuantity"] = {"value": "much"}
    with pytest.raises(ResultInconsistent, match="does not follow the model at entry"):
        write_bundle(wrong, tmp_path / "report.fhir.json")
