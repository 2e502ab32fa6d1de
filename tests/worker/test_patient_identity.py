"""Whether two headers name one person."""

import pytest
from pydicom.dataset import Dataset

from worker.case import Identity
from worker.patient_identity import count_people, identity_of, may_be_same_person


def header(patient_id="", birth_date="", sex="", name=""):
    dataset = Dataset()
    dataset.PatientID, dataset.PatientBirthDate, dataset.PatientSex = patient_id, birth_date, sex
    dataset.PatientName = name
    return dataset


FULL = ("00-123", "19840517", "F")


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        (FULL, FULL, True),
        (FULL, ("123", "19840517", "F"), True),  # another format of the same number
        (FULL, ("PSEUDO-77", "19840517", "F"), True),  # pseudonymised per visit, birth date kept
        (FULL, ("PSEUDO-77", "19840517", ""), True),
        (FULL, ("PSEUDO-77", "19840517", "M"), False),
        (FULL, ("PSEUDO-77", "19710101", "F"), False),
        (FULL, ("PSEUDO-77", "", "F"), False),  # nothing says that it is the same person
        (FULL, ("PSEUDO-77", "", ""), False),
        (FULL, ("00-123", "19710101", "F"), False),  # 123 exists at every site
        (FULL, ("00-123", "19840517", "M"), True),  # a corrected sex
        (FULL, ("00-123", "", "F"), True),
        (FULL, ("00-123", "", "M"), False),
        (FULL, ("", "", ""), True),  # nothing stated: nothing to compare
        (FULL, ("", "19840517", "F"), True),
        (FULL, ("", "19710101", "F"), False),
        (FULL, ("", "", "M"), False),
        (FULL, ("Anonymous", "19000101", "O"), True),  # placeholders say nothing
        (("", "", ""), ("", "", ""), True),
        (("", "19000101", "F"), ("", "19840517", "F"), True),
    ],
)
def test_the_table_of_the_rule(one, two, same):
    a, b = identity_of(header(*one)), identity_of(header(*two))
    assert may_be_same_person(a, b) is same
    assert may_be_same_person(b, a) is same


def test_an_identity_holds_no_readable_text():
    identity = identity_of(header("CANARYID", "19840517", "F", "CANARY^NAME"))
    assert isinstance(identity, Identity)
    text = repr(identity).lower()
    assert "canary" not in text
    assert "1984" not in text.replace(str(identity.patient), "").replace(str(identity.birth_date), "").replace(
        str(identity.sex), ""
    )
    assert len(identity.birth_date) == 64


@pytest.mark.parametrize(
    ("headers", "people"),
    [
        ([FULL, FULL], 1),
        ([FULL, ("00-123", "", "")], 1),
        ([FULL, ("", "", "")], 1),
        ([FULL, ("00-124", "19840517", "F")], 2),
        ([FULL, ("00-123", "19840518", "F")], 2),
        ([("", "", "", "A^B"), ("", "", "", "C^D")], 2),
        ([("", "", "", "Петров^И"), ("", "", "", "Сидоров^И")], 2),
        ([("1", "", "", "A^B"), ("1", "", "", "B^A")], 1),
        ([], 1),
    ],
)
def test_people_of_one_study_are_counted(headers, people):
    assert count_people(header(*one) for one in headers) == people
