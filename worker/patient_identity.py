"""Whether images are of one person, decided without keeping who it is."""

import hmac
import re
import secrets
from collections.abc import Iterable

from pydicom.dataset import Dataset

from worker.case import Identity
from worker.dicom_values import plain, text
from worker.scan_protocol import Comparison

_KEY = secrets.token_bytes(32)
"""Digests are compared within a process; under a random key they mean nothing outside it."""

PLACEHOLDERS = {"", "anonymous", "anonymized", "anonymised", "anon", "unknown", "none", "null", "na", "xxx", "removed"}
"""What de-identification leaves behind: it says nothing. Spaces and punctuation are gone when it is compared."""
PLACEHOLDER_DATES = {"19000101", "18500101", "19010101"}
PLACEHOLDER_SEXES = {"o", "u"}


def identity_of(header: Dataset) -> Identity:
    """Digests of the normalised PatientID, birth date and sex; None where the header says nothing."""
    return Identity(
        patient=_digest(_identifier(text(header, "PatientID"))),
        birth_date=_digest(_birth_date(text(header, "PatientBirthDate"))),
        sex=_digest(_sex(text(header, "PatientSex"))),
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
        return not (patient == "different" and sex == "different")
    return birth != "different" and patient != "different" and sex != "different"


def compare_details(one: Identity, two: Identity) -> Comparison:
    """Whether sex and birth date agree, as far as both visits state them."""
    found = {_compare(one.birth_date, two.birth_date), _compare(one.sex, two.sex)}
    if "different" in found:
        return "different"
    return "same" if "same" in found else "unknown"


def count_people(headers: Iterable[Dataset]) -> int:
    """How many people the headers of one study name.

    Within one study nothing changes its format: every stated PatientID must be the same, and every stated birth
    date; the name counts only where no PatientID is stated. Absent values fit to any.
    """
    found = list(headers)
    identifiers = {_identifier(text(header, "PatientID")) for header in found} - {None}
    births = {_birth_date(text(header, "PatientBirthDate")) for header in found} - {None}
    names = {_identifier(text(header, "PatientName")) for header in found} - {None}
    return max(1, len(identifiers), len(births), 0 if identifiers else len(names))


def _compare(one: str | None, two: str | None) -> Comparison:
    if one is None or two is None:
        return "unknown"
    return "same" if one == two else "different"


def _identifier(value: str) -> str | None:
    """Letters and digits, without case, leading zeros and separators: 00-123 and 123 are one number."""
    number = re.sub(r"[\W_]+", "", value.casefold())
    return None if number in PLACEHOLDERS else number.lstrip("0") or None


def _birth_date(value: str) -> str | None:
    day = re.sub(r"[^0-9]", "", value)
    stated = len(day) == 8 and day.strip("0") != "" and day not in PLACEHOLDER_DATES
    return day if stated else None


def _sex(value: str) -> str | None:
    sex = plain(value)
    return None if sex in PLACEHOLDERS | PLACEHOLDER_SEXES else sex[:1]


def _digest(value: str | None) -> str | None:
    return None if value is None else hmac.digest(_KEY, value.encode(), "sha256").hex()
