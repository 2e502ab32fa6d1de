"""The catalogue of phrases: whole in both languages, and what falls back to the report's own English."""

import ast
import re
import string
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from service.contracts.measures import REGIONS_NOTE, BrainVolumeChange, LesionRegion, NotGivenCode
from service.contracts.options import AlignmentKind
from service.contracts.report import AI_RESULT, RESEARCH_USE, Check, Flag, LesionStatus, Reason
from service.contracts.series_report import EventName
from tests.fixtures.measured_report import measured_report
from worker.quality_limits import LIMITS
from worker.quality_notes import DIFFERENCES
from worker.reports import html, language
from worker.reports.glass_brain import ALONG
from worker.reports.language import OWN_WORDS, words
from worker.reports.series_summary import REASONS
from worker.reports.tables import ALONE, COMPARED
from worker.scan_protocol import Comparison
from worker.series_drift import DRIFT

WORKER = Path(__file__).parents[3] / "worker"
QUALITY = [*sorted(WORKER.glob("quality*.py")), WORKER / "series_drift.py"]
EN, DE = words("en"), words("de")


def placeholders(text: str) -> list[str]:
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)


def test_both_languages_have_the_same_keys_and_placeholders():
    german = {key: text for key, text in DE._phrases.items() if key.split(".")[0] not in OWN_WORDS}

    assert german.keys() == EN._phrases.keys()
    differ = [key for key, text in german.items() if placeholders(text) != placeholders(EN._phrases[key])]
    assert differ == []


def codes_of_quality() -> set[str]:
    """Every name of a limit and every code of a reason that the gates can give, by their source."""
    found = set()
    for path in QUALITY:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"Limit", "Reason"}:
                wanted = "name" if node.func.id == "Limit" else "code"
                found |= {k.value.value for k in node.keywords if k.arg == wanted and isinstance(k.value, ast.Constant)}
            if (
                isinstance(node, ast.Assign)
                and isinstance(node.value, ast.Dict)
                and node.targets[0].id == "DIFFERENCES"
            ):
                found |= {key.value for key in node.value.keys}
    return found


NAMED = {
    "status": [*LesionStatus, "lesion"],
    "status_head": [*LesionStatus],
    "flag": [*Flag],
    "time": ["baseline", "follow_up", "study"],
    "region": [*LesionRegion],
    "conclusion.new": ["one", "other"],
    "conclusion.enlarging": ["one", "other"],
    "load": ["time", "counted", "every", "volume"],
    "glass": [*ALONG],
    "lesions_table": [*COMPARED, *ALONE],
    "quality": ["gate", "flag", "value", "expected"],
    "method": ["settle", "keep"],
    "method.alignment": [*get_args(AlignmentKind)],
    "method.common_space": ["half_way", "baseline"],
    "method.prior": ["follow_up", "self"],
    "series.role": ["adjacent", "first_to_last"],
    "series.event": [*get_args(EventName)],
    "series.common_space": ["half_way", "baseline"],
    "gates": [*LIMITS, *DIFFERENCES, DRIFT.name],
    "answers": [*get_args(Comparison), "yes", "no"],
    "reasons": codes_of_quality() | {*REASONS},
    "not_given": [*get_args(NotGivenCode)],
    "units": [one.unit for one in LIMITS.values()],
    "limits": ["at least", "at most", "red below", "red above"],
}
"""What stands behind the dot in keys that the program puts together: every name that there can be, and no other."""


def test_every_phrase_is_used_by_its_key_or_by_a_name_that_there_can_be():
    folder = Path(html.__file__).parent
    source = "".join(path.read_text() for path in folder.rglob("*") if path.suffix in {".py", ".html"})
    quoted = {double or single for double, single in re.findall(r"""\"([\w.]+)\"|'([\w.]+)'""", source)}
    several = {f"{key}.{number}" for key in quoted for number in ("one", "other")}
    named = {f"{group}.{name}" for group, names in NAMED.items() for name in names}

    assert len(NAMED["reasons"]) > 20
    unused = {key for says in (EN, DE) for key in says._phrases} - quoted - several - named
    assert unused == set()


@pytest.mark.parametrize("says", [EN, DE], ids=["en", "de"])
def test_every_name_that_there_can_be_has_its_phrase(says):
    """The page would fall back to the report's English words without a sign."""
    own = {*OWN_WORDS} if says is EN else {"units", "limits"}  # of German units some are those of English
    named = {f"{group}.{name}" for group, names in NAMED.items() if group not in own for name in names}
    assert {key for key in named if key not in says} == set()


def test_the_catalogue_says_what_the_contract_says():
    assert EN("notice") == RESEARCH_USE
    assert EN("not_verified") == AI_RESULT
    assert EN("regions.note") == REGIONS_NOTE
    for says in (EN, DE):
        assert all(f"status.{one}" in says and f"status_head.{one}" in says for one in LesionStatus)
        assert all(f"region.{one}" in says for one in LesionRegion)


def test_a_place_where_a_head_may_break_changes_no_letter():
    for says in (EN, DE):
        for status in LesionStatus:
            assert says(f"status_head.{status}").replace("\N{SOFT HYPHEN}", "") == says(f"status.{status}")


@pytest.mark.parametrize(
    ("value", "decimals", "sign", "english", "german"),
    [
        (3.215, 1, False, "3.2", "3,2"),
        (1432.0, 0, False, "1432", "1432"),
        (0.04, 1, True, "0.0", "0,0"),
        (-0.04, 1, True, "0.0", "0,0"),
        (0.144, 2, True, "+0.14", "+0,14"),
        (-976.0, 0, True, "-976", "-976"),
        (0.9, None, False, "0.9", "0,9"),
    ],
)
def test_numbers_follow_the_language(value, decimals, sign, english, german):
    assert EN.number(value, decimals, sign=sign) == english
    assert DE.number(value, decimals, sign=sign) == german


def test_dates_follow_the_language():
    assert (EN.date("2023-04-02"), DE.date("2023-04-02"), DE.date(None)) == ("2023-04-02", "02.04.2023", "")
    when = datetime(2024, 3, 2, 12, 5, tzinfo=UTC)
    assert (EN.moment(when), DE.moment(when)) == ("2024-03-02 12:05 UTC", "02.03.2024 12:05 UTC")


def test_a_reason_is_put_in_german_by_its_code_with_the_numbers_of_its_gate():
    report = measured_report()
    (reason,) = report.reasons
    assert EN.reason(reason, report.quality) == reason.message
    assert DE.reason(reason, report.quality) == (
        "die FLAIR-Bilder beider Untersuchungen stimmen nach der Registrierung nicht überein "
        "(gemessen 0,53, erwartet mindestens 0,6, rot unter 0,45)"
    )


def test_an_unknown_code_keeps_its_english_message():
    unknown = Reason(code="of_tomorrow", flag="red", message="saw 1.5, expected 2")
    check = Check(name="of_tomorrow", value=1.5, unit="furlong", flag="red", expected="at least 2 furlongs")
    assert DE.reason(unknown, (check,)) == unknown.message
    assert (DE.gate(check.name), DE.value(check)) == ("of tomorrow", "1,5 furlong")


def test_a_gate_whose_value_is_a_word_is_put_in_german_too():
    check = Check(name="same_scanner", value="different", flag="amber", expected="same")
    assert (DE.gate(check.name), DE.value(check), DE.limits(check.expected)) == ("Scanner", "verschieden", "gleich")
    reason = Reason(code="same_scanner", flag="amber", message="the two studies come from different scanners")
    assert DE.reason(reason, (check,)).startswith("die Untersuchungen stammen von verschiedenen Scannern")
    nothing = check.model_copy(update={"name": "noise_ratio", "value": None, "expected": "at most 3"})
    unmeasured = DE.reason(Reason(code="noise_ratio", flag="amber", message="noise"), (nothing,))
    assert unmeasured.endswith("(nicht messbar, erwartet höchstens 3)")


def test_why_the_change_of_the_brain_is_not_given_is_put_in_german_by_its_code():
    text = "not every quality gate is green: noise, flair_correlation"
    named = BrainVolumeChange(code="gates_not_green", reason=text)
    assert DE.why_not_given(named) == "nicht jede Qualitätsprüfung ist grün: Rauschen, Korrelation der FLAIR"
    assert EN.why_not_given(named) == text
    assert DE.why_not_given(BrainVolumeChange(reason=text)) == text  # of a report from before the codes


def test_limits_are_put_in_german_word_by_word():
    assert DE.limits("at least 0.9, red below 0.75") == "mindestens 0,9, rot unter 0,75"
    assert DE.limits("at most 3.5, red above 8") == "höchstens 3,5, rot über 8"
    assert EN.limits("at least 0.9, red below 0.75") == "at least 0.9, red below 0.75"


def test_a_phrase_that_does_not_exist_is_an_error():
    with pytest.raises(KeyError, match="no such"):
        language.words("en")("no such")
