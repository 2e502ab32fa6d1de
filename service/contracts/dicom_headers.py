"""What intake reads of a DICOM file: whether it is one, whose it is (as a digest), and when it was made."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pydicom
from pydicom.errors import InvalidDicomError

from service.contracts.pydicom_silence import no_header_text

IDS = ("StudyInstanceUID", "SOPInstanceUID", "SOPClassUID")
BARE_STARTS = tuple(start for n in (0x00, 0x01, 0x05, 0x08) for start in (bytes((8, 0, n, 0)), bytes((0, 8, 0, n))))
"""First tags of a data set that was stored without preamble and file header, little and big endian."""
TAGS = ["PatientID", "PatientBirthDate", "StudyDate", "SOPInstanceUID", "Modality"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DicomHeader:
    """A file's header, without anything readable about the patient."""

    patient: str | None
    birth_date: str | None
    """Digests, None where the header is silent: what is not stated fits to anybody."""
    study_date: date | None


@no_header_text()
def read_header(path: Path) -> DicomHeader | None:
    """The header of a DICOM file, None where it is none; pixels are not read."""
    try:
        if not begins_as_dicom(path):
            return None
        header = pydicom.dcmread(path, stop_before_pixels=True, force=True, specific_tags=TAGS)
    except (InvalidDicomError, EOFError, OSError, ValueError, KeyError, AttributeError, TypeError):
        return None
    if "SOPInstanceUID" not in header:
        return None
    return DicomHeader(
        patient=_digest(header.get("PatientID")),
        birth_date=_digest(header.get("PatientBirthDate")),
        study_date=_date(header.get("StudyDate")),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceIds:
    """Which instance a file is."""

    study: str
    instance: str
    sop_class: str


@no_header_text()
def read_ids(path: Path) -> InstanceIds | None:
    """Which instance a DICOM file is, None where it is none or does not say."""
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(IDS))
        study, instance, sop_class = (str(header.get(name) or "") for name in IDS)
    except (InvalidDicomError, EOFError, OSError, ValueError, KeyError):
        return None
    if not (study and instance and sop_class):
        return None
    return InstanceIds(study=study, instance=instance, sop_class=sop_class)


def begins_as_dicom(path: Path) -> bool:
    """Whether a file has the DICOM preamble, or begins with a group that only DICOM data sets begin with."""
    with path.open("rb") as file:
        start = file.read(132)
    return start[128:132] == b"DICM" or start[:4] in BARE_STARTS


def count_patients(headers: Iterable[DicomHeader]) -> int:
    """How many people the headers of one upload state, at least one."""
    found = list(headers)
    patients, births = {h.patient for h in found} - {None}, {h.birth_date for h in found} - {None}
    return max(1, len(patients), len(births))


def _digest(value: object) -> str | None:
    text = "".join(str(value or "").split()).casefold()
    return hashlib.sha256(text.encode()).hexdigest() if text else None


def _date(value: object) -> date | None:
    text = str(value or "").strip()
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8])) if len(text) == 8 else None
    except ValueError:
        return None
