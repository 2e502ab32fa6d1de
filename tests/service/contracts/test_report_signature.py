"""A signed report can be checked, and every change to it shows."""

import json
import stat

import pytest
from typer.testing import CliRunner

from service.contracts.input_errors import InvalidOption, InvalidSignature, UnsignedReport
from service.contracts.report import Report
from service.contracts.report_signature import KEY_FILE, check_signature, key_of, make_key, new_key, signed
from service.contracts.series_report import SeriesReport
from service.contracts.settings import Settings
from tests.fixtures.report_case import not_comparable
from tests.fixtures.series_reports import small_report
from worker.cli import cli
from worker.reports.summary import build_report

KEY = b"one key of an installation, 32 b"


@pytest.fixture(scope="module")
def refusal() -> Report:
    return build_report(not_comparable())


@pytest.fixture
def document(refusal: Report) -> dict:
    """As it lies in the file."""
    return json.loads(signed(refusal, KEY).model_dump_json(indent=2))


def test_the_signature_of_a_refusal_fits(document):
    assert document["comparable"] is False
    check_signature(document, KEY)


def test_signing_changes_nothing_else(refusal):
    assert signed(refusal, KEY).model_copy(update={"signature": None}) == refusal
    assert signed(refusal, None) is refusal


@pytest.mark.parametrize(
    ("place", "value"),
    [(("comparable",), True), (("reasons", 0, "message"), "all is well"), (("volumes_ml", "follow_up"), 1.0)],
)
def test_a_changed_report_does_not_fit(document, place, value):
    *path, last = place
    part = document
    for step in path:
        part = part[step]
    part[last] = value
    with pytest.raises(InvalidSignature, match="not as it was signed"):
        check_signature(document, KEY)


def test_the_order_of_keys_and_the_layout_do_not_matter(document):
    turned = json.loads(json.dumps(dict(reversed(document.items())), indent=7))
    check_signature(turned, KEY)


def test_a_report_of_several_visits_is_signed_and_checked_likewise():
    report = small_report()
    document = json.loads(signed(report, KEY).model_dump_json(indent=2))
    assert SeriesReport.model_validate(document).model_copy(update={"signature": None}) == report
    check_signature(document, KEY)
    document["ledger"][0]["visits"][0]["volume_mm3"] += 1.0
    with pytest.raises(InvalidSignature, match="not as it was signed"):
        check_signature(document, KEY)


def test_another_installations_key_does_not_fit(document):
    with pytest.raises(InvalidSignature, match="another key"):
        check_signature(document, b"the key of another installation.")


def test_a_report_without_signature_is_told_apart(refusal):
    with pytest.raises(UnsignedReport):
        check_signature(refusal.model_dump(mode="json"), KEY)


def test_the_key_lies_in_the_data_folder_for_its_owner_alone(tmp_path):
    assert key_of(Settings(data_folder=tmp_path)) is None
    make_key(tmp_path / KEY_FILE)
    first = key_of(Settings(data_folder=tmp_path))
    make_key(tmp_path / KEY_FILE)
    assert key_of(Settings(data_folder=tmp_path)) == first is not None
    assert len(first) >= 32
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600


def test_a_key_file_that_is_named_must_be_there(tmp_path):
    with pytest.raises(InvalidOption):
        key_of(Settings(report_key_file=tmp_path / "missing.key"))


def test_the_command_verifies_a_file(tmp_path, refusal):
    key, report = tmp_path / "report.key", tmp_path / "report.json"
    key.write_text(new_key() + "\n")
    stored = key_of(Settings(report_key_file=key))
    report.write_text(signed(refusal, stored).model_dump_json(indent=2))
    shown = CliRunner().invoke(cli, ["verify", str(report), "--key", str(key)])
    assert shown.exit_code == 0
    assert "signature fits; not comparable, because: the two brain masks" in shown.stdout
    report.write_text(report.read_text().replace('"comparable": false', '"comparable": true'))
    assert isinstance(CliRunner().invoke(cli, ["verify", str(report), "--key", str(key)]).exception, InvalidSignature)


def test_without_a_key_the_command_says_who_makes_one(tmp_path, monkeypatch):
    monkeypatch.setenv("MSDELTA_DATA_FOLDER", str(tmp_path))
    (tmp_path / "report.json").write_text("{}")
    shown = CliRunner().invoke(cli, ["verify", str(tmp_path / "report.json")], env={"COLUMNS": "200"})
    assert shown.exit_code == 2
    assert "msdelta up makes one" in shown.output
