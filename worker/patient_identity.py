"""Whether images are of one person, decided without keeping who it is."""

import hmac
import re
import secrets
from collections.abc import Iterable
from typing import Literal

from pydicom.dataset import Dataset

from worker.case import Identity
from worker.dicom_index import plain

_KEY = secrets.token_bytes(32)
"""Digests are compared within a process; under a random key they mean nothing outside it."""

PLACEHOLDERS = {"", "anonymous", "anonymized", "anonymised", "anon", "unknown", "none", "null", "na", "xxx", "removed"}
"""What de-identification leaves behind: it says nothing. Spaces and punctuation are gone when it is compared."""
PLACEHOLDER_DATES = {"19000101", "18500101", "19010101"}
PLACEHOLDER_SEXES = {"o", "u"}

Comparison = Literal["same", "differ", "unknown"]


def identity_of(header: Dataset) -> Identity:
    """Digests of the normalised PatientID, birth date and sex; None where the header says nothing."""
    return Identity(
        patient=_digest(_identifier(header.get("PatientID"))),
        birth_date=_digest(_birth_date(header.get("PatientBirthDate"))),
        sex=_digest(_sex(header.get("PatientSex"))),
    )


def may_be_same_person(one: Identity, two: Identity) -> bool:
    """False where the headers of two visits name different people.

    Sites change the format of their numbers and pseudonymise per visit, so another PatientID alone is no proof; and
    study numbers such as 001 occur at every site, so the same PatientID alone is none either. The birth date decides
    where both visits state one:

    - birth dates differ: different people;
    - birth dates agree: the same person, unless PatientID and sex both differ;
    - no birth date to compare: different people where PatientID or sex differ.
    """
    patient = _compare(one.patient, two.patient)
    birth = _compare(one.birth_date, two.birth_date)
    sex = _compare(one.sex, two.sex)
    if birth == "same":
        return not (patient == "differ" and sex == "differ")
    return birth != "differ" and patient != "differ" and sex != "differ"


def count_people(headers: Iterable[Dataset]) -> int:
    """How many people the headers of one study name.

    Within one study nothing changes its format: every stated PatientID must be the same, and every stated birth
    date; the name counts only where no PatientID is stated. Absent values fit to any.
    """
    found = list(headers)
    identifiers = {_identifier(header.get("PatientID")) for header in found} - {None}
    births = {_birth_date(header.get("PatientBirthDate")) for header in found} - {None}
    names = {_identifier(header.get("PatientName")) for header in found} - {None}
    return max(1, len(identifiers), len(births), 0 if identifiers else len(names))


def _compare(one: str | None, two: str | None) -> Comparison:
    if one is None or two is None:
        return "unknown"
    return "same" if one == two else "differ"


def _identifier(value: object) -> str | None:
    """Letters and digits, without case, leading zeros and separators: 00-123 and 123 are one number."""
    text = plain("" if value is None else str(value)).replace(" ", "")
    return None if text in PLACEHOLDERS else text.lstrip("0") or None


def _birth_date(value: object) -> str | None:
    text = re.sub(r"[^0-9]", "", "" if value is None else str(value))
    stated = len(text) == 8 and text.strip("0") != "" and text not in PLACEHOLDER_DATES
    return text if stated else None


def _sex(value: object) -> str | None:
    text = plain("" if value is None else str(value))
    return None if text in PLACEHOLDERS | PLACEHOLDER_SEXES else text[:1]


def _digest(text: str | None) -> str | None:
    return None if text is None else hmac.digest(_KEY, text.encode(), "sha256").hex()
