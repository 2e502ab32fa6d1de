"""What intake reads of a DICOM file: whether it is one, whose it is (as a digest), and when it was made."""

import hashlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pydicom
from pydicom.errors import InvalidDicomError

from service.contracts.pydicom_silence import no_header_text

TAGS = ["PatientID", "PatientBirthDate", "StudyDate", "SOPInstanceUID", "Modality"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DicomHeader:
    """A file's header, without anything readable about the patient."""

    patient: str
    """Digest of PatientID and birth date: equal for one patient, meaningless otherwise."""
    study_date: date | None


@no_header_text()
def read_header(path: Path) -> DicomHeader | None:
    """The header of a DICOM file, None where it is none; pixels are not read."""
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=TAGS)
    except (InvalidDicomError, EOFError, OSError, ValueError, KeyError):
        return None
    if "SOPInstanceUID" not in header:
        return None
    who = "\x1f".join(str(header.get(name, "")).strip() for name in ("PatientID", "PatientBirthDate"))
    return DicomHeader(patient=hashlib.sha256(who.encode()).hexdigest(), study_date=_date(header.get("StudyDate")))


def _date(value: object) -> date | None:
    text = str(value or "").strip()
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8])) if len(text) == 8 else None
    except ValueError:
        return None
