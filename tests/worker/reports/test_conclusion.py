"""The conclusion: one sentence from the report, in both languages, and no diagnosis."""

from dataclasses import replace

import pytest

from service.contracts.report import Counts, RegistrationInfo, Signature
from tests.fixtures import report_case
from tests.fixtures.measured_report import measured_report
from worker.reports.conclusion import conclusion, made_with, subtitle
from worker.reports.language import words
from worker.reports.remarks import brain_volume_words, method_lines, version_words
from worker.reports.summary import build_report

NOT_SURE = "Keine neue oder größenprogrediente Läsion seit dem 01.03.2023: nicht aktiv. 1 Läsion ist im Verlauf unklar."
EN, DE = words("en"), words("de")


@pytest.fixture(scope="module")
def report():
    return build_report(report_case.longitudinal())


@pytest.mark.parametrize(
    ("counts", "english", "german"),
    [
        (
            {"new": 2, "enlarging": 1},
            "2 new and 1 enlarging lesion since 2023-03-01: active.",
            "2 neue und 1 größenprogrediente Läsion seit dem 01.03.2023: aktiv.",
        ),
        (
            {"new": 1},
            "1 new lesion since 2023-03-01: active.",
            "1 neue Läsion seit dem 01.03.2023: aktiv.",
        ),
        (
            {"enlarging": 3, "stable": 4},
            "3 enlarging lesions since 2023-03-01: active.",
            "3 größenprogrediente Läsionen seit dem 01.03.2023: aktiv.",
        ),
        (
            {"stable": 9, "resolved": 1},
            "No new or enlarging lesion since 2023-03-01: not active.",
            "Keine neue oder größenprogrediente Läsion seit dem 01.03.2023: nicht aktiv.",
        ),
        (
            {"indeterminate": 1},
            "No new or enlarging lesion since 2023-03-01: not active. 1 lesion is indeterminate.",
            NOT_SURE,
        ),
    ],
)
def test_the_conclusion_is_the_answer(report, counts, english, german):
    changed = report.model_copy(update={"counts": Counts(**counts)})
    assert conclusion(changed, EN) == english
    assert conclusion(changed, DE) == german


def test_studies_that_cannot_be_compared_say_why():
    report = build_report(report_case.not_comparable())
    assert conclusion(report, EN).startswith("Not comparable: the two brain masks do not lie on each other")
    assert conclusion(report, DE).startswith(
        "Nicht vergleichbar: die Hirnmasken beider Untersuchungen sind nach der Registrierung"
    )
    assert "gemessen 0,4 Dice" in conclusion(report, DE)


def test_one_time_point_counts_its_lesions():
    report = build_report(report_case.single())
    assert conclusion(report, EN) == "5 lesions, 3.37 ml, at one time point."
    assert conclusion(report, DE) == "5 Läsionen, 3,37 ml, nur ein Untersuchungszeitpunkt."


def test_without_a_date_it_speaks_of_the_baseline(report):
    dateless = report.model_copy(update={"baseline": report.baseline.model_copy(update={"acquired": None})})
    assert "since the baseline: active" in conclusion(dateless, EN)


def test_nothing_came_since_a_later_day(report):
    """The order of the dates is reversed: the gate says so, and the sentence does not say since."""
    later = report.model_copy(update={"baseline": report.baseline.model_copy(update={"acquired": "2025-01-01"})})
    assert "compared with 2025-01-01" in conclusion(later, EN)
    assert "since" not in conclusion(later, EN)


@pytest.mark.parametrize("says", [EN, DE], ids=["en", "de"])
def test_no_sentence_claims_a_criterion(says):
    for case in (report_case.longitudinal, report_case.single, report_case.not_comparable):
        report = build_report(case())
        text = " ".join((conclusion(report, says), subtitle(report, says), made_with(report, says)))
        assert "McDonald" not in text
        assert "criteri" not in text.lower()
        assert "Kriteri" not in text


def test_brain_volume_is_given_with_its_interval_or_with_the_reason():
    report = measured_report()
    assert brain_volume_words(report, EN) == "Brain volume: -0.42 % since the baseline (95 %: -0.71 to -0.13 %)."
    reason = report.brain_volume_change.model_copy(
        update={"percent": None, "interval_percent": None, "reason": "two scanners"}
    )
    without = report.model_copy(update={"brain_volume_change": reason})
    assert brain_volume_words(without, EN) == "Brain volume change is not given: two scanners."


def test_a_signed_report_shows_its_signature():
    report = measured_report()
    signature = Signature(key_id="0123456789abcdef", value="ab" * 32)
    signed = report.model_copy(update={"signature": signature})
    assert f"key 0123456789abcdef): {'ab' * 32}." in version_words(signed, EN)
    assert "igned" not in version_words(report, EN)


def test_the_method_says_how_the_visits_were_aligned_and_where_they_meet():
    rigid = replace(report_case.PAIR, kind="rigid", backend="flirt", common_space="baseline")
    report = build_report(replace(report_case.longitudinal(), pair=rigid))
    assert (report.registration.kind, report.registration.common_space) == ("rigid", "baseline")
    assert any("into the space of the baseline" in line for line in method_lines(report, EN))
    assert any("aligned rigidly (flirt)" in line for line in method_lines(report, EN))
    assert any("starr aufeinander registriert (flirt)" in line for line in method_lines(report, DE))
    before = report.registration.model_dump(exclude={"kind", "common_space"})
    old = report.model_copy(update={"registration": RegistrationInfo.model_validate(before)})
    assert not any("aligned" in line or "resampled" in line for line in method_lines(old, EN))


def test_the_method_names_the_rule_set_with_every_number():
    lines = " ".join(method_lines(measured_report(), EN))
    assert "Rule set msdelta, version 1.3, profile default, digest c0ffee." in lines
    for number in ("growth_factor 1.5", "growth_mm3 14", "smallest_mm3 3"):
        assert number in lines
    assert "Follow-up FLAIR (NIfTI): 10 x 10 x 10 voxels of 1 x 1 x 3 mm" in lines
