"""What headers and dates say of a pair, in rows and reasons."""

from dataclasses import replace
from datetime import date

import pytest

from service.contracts.report import Flag
from tests.fixtures.report_case import time_point
from tests.fixtures.small_studies import write_dicom_study
from worker.case import Identity
from worker.quality_notes import DIFFERENCES, compare_studies
from worker.scan_protocol import ScanProtocol
from worker.study_reader import read_study

FLAIR = ScanProtocol(
    scanner="a",
    model="m",
    field_t=3.0,
    after_contrast=False,
    family=("IR", "SE"),
    dimension="3D",
    echo_time=390.0,
    repetition_time=5000.0,
    inversion_time=1800.0,
)
PERSON = Identity(patient="p", birth_date="b", sex="s")


def study(*, t1=FLAIR, flair=FLAIR, identity=PERSON, acquired=date(2023, 1, 1)):
    plain = time_point(acquired).study
    return replace(
        plain, t1=replace(plain.t1, protocol=t1), flair=replace(plain.flair, protocol=flair), identity=identity
    )


def compared(one, two, correlation=0.9):
    rows, reasons = compare_studies(one, two, correlation)
    assert [row.name for row in rows] == list(DIFFERENCES)
    assert {r.code: r.flag for r in reasons} == {row.name: row.flag for row in rows if row.flag is not Flag.GREEN}
    return {row.name: row.value for row in rows}, {reason.code: reason.flag for reason in reasons}


def test_two_scans_of_one_protocol_are_the_same_in_everything():
    values, reasons = compared(study(), study())
    assert set(values.values()) == {"same", "no"}
    assert reasons == {}


def test_files_without_headers_say_nothing():
    values, reasons = compared(*[study(t1=None, flair=None, identity=None, acquired=None)] * 2)
    assert set(values.values()) == {"unknown", "no"}
    assert values["near_duplicate"] == "no"
    assert reasons == {}


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"t1": replace(FLAIR, after_contrast=True)}, "contrast_state"),
        ({"flair": replace(FLAIR, scanner="other")}, "same_scanner"),
        ({"flair": replace(FLAIR, scanner=None, model="other")}, "same_scanner"),
        ({"flair": replace(FLAIR, field_t=1.5)}, "same_field_strength"),
        ({"flair": replace(FLAIR, dimension="2D")}, "same_protocol"),
        ({"flair": replace(FLAIR, family=("GR",))}, "same_protocol"),
        ({"flair": replace(FLAIR, echo_time=120.0)}, "same_protocol"),
        ({"flair": replace(FLAIR, inversion_time=2500.0)}, "same_protocol"),
        ({"identity": replace(PERSON, sex="other")}, "patient_details"),
        ({"acquired": date(2022, 1, 1)}, "reversed_order"),
    ],
)
def test_a_difference_is_amber_under_its_code(changed, code):
    values, reasons = compared(study(), study(**changed))
    assert values[code] in {"different", "yes"}
    assert reasons == {code: Flag.AMBER}


def test_another_birth_date_is_red():
    values, reasons = compared(study(), study(identity=replace(PERSON, birth_date="other")))
    assert values["patient_details"] == "different"
    assert reasons == {"patient_details": Flag.RED}


def test_the_same_scan_twice_is_amber():
    assert compared(study(), study(), correlation=0.9999)[1] == {"near_duplicate": Flag.AMBER}


@pytest.mark.parametrize(
    "silent",
    [
        {"scanner": None, "model": None},
        {"field_t": None},
        {"family": (), "dimension": None, "echo_time": None, "repetition_time": None, "inversion_time": None},
    ],
)
def test_a_silent_header_is_no_difference(silent):
    values, reasons = compared(study(), study(flair=replace(FLAIR, **silent)))
    assert list(values.values()).count("unknown") == 1
    assert reasons == {}


def test_the_same_model_without_serial_number_may_be_another_scanner():
    alike = replace(FLAIR, scanner=None)
    assert compared(study(flair=alike), study(flair=alike))[0]["same_scanner"] == "unknown"


def test_the_protocol_of_a_dicom_series_is_read_and_names_no_scanner(tmp_path):
    found = read_study(write_dicom_study(tmp_path))
    assert found.flair.protocol is not None
    assert compared(found, found)[0]["same_protocol"] == "same"
    stated = [value for value in (found.flair.protocol.scanner, found.flair.protocol.model) if value]
    assert all(len(value) == 64 for value in stated)
