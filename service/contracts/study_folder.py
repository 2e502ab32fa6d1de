"""A folder of files as a study: what kind it is, of one patient, and its digest."""

import hashlib
import uuid
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

from service.contracts.dicom_headers import count_patients, read_header
from service.contracts.input_errors import MissingFlair, MissingT1, MixedPatients, NotAnImage, UnsupportedFile
from service.contracts.study_store import StudyRow

GZIP_MAGIC = b"\x1f\x8b"


def study_row(study: Path, *, owner: str, acquired: date | None = None, without_t1: bool = False) -> StudyRow:
    """The row of a new study whose files lie in a folder, not yet stored.

    Args:
        study: files of the study, without folders below.
        owner: who may see it.
        acquired: date of the scan, where it is known better than from the headers.
        without_t1: NIfTI of FLAIR alone is taken; a job of it has to ask for `missing_t1: flair_only`.

    Raises:
        MissingT1, MissingFlair, NotAnImage, UnsupportedFile, MixedPatients: nothing usable, or too much.
    """
    kind, found = _inspect(study, without_t1=without_t1)
    return StudyRow(
        id=uuid.uuid4().hex,
        kind=kind,
        instances=sum(1 for _ in study.iterdir()),
        bytes=sum(path.stat().st_size for path in study.iterdir()),
        sha256=_digest(study),
        acquired=acquired or found,
        owner=owner,
        created=datetime.now(UTC),
    )


def _inspect(study: Path, *, without_t1: bool) -> tuple[Literal["dicom", "nifti"], date | None]:
    """What kind of study this is; NIfTI needs its sequences, DICOM one patient.

    Raises:
        MissingT1, MissingFlair, NotAnImage, UnsupportedFile, MixedPatients: nothing usable, or too much.
    """
    names = [path.name for path in study.iterdir()]
    if any(".nii" in name for name in names):
        for sequence, error in (("flair", MissingFlair), ("t1", MissingT1)):
            needed = sequence == "flair" or not without_t1
            if needed and not any(name.startswith(sequence) for name in names):
                raise error(f"expected a NIfTI file for {sequence}, saw none (form field, or named so in the zip)")
        for path in study.iterdir():
            if ".nii" in path.name and not _looks_like_nifti(path):
                raise NotAnImage("a file for t1 or flair is not NIfTI")
        return "nifti", None
    headers = [header for path in sorted(study.iterdir()) if (header := read_header(path)) is not None]
    if not headers:
        raise UnsupportedFile(f"saw {len(names)} files, none of them DICOM or NIfTI")
    patients = count_patients(headers)
    if patients > 1:
        raise MixedPatients(f"saw images of {patients} patients in one study, expected one")
    return "dicom", next((h.study_date for h in headers if h.study_date is not None), None)


def _looks_like_nifti(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(352)
    return (
        start[:2] == GZIP_MAGIC
        or start[344:347] in (b"n+1", b"ni1")
        or start[:4] in (b"\x5c\x01\x00\x00", b"\x00\x00\x01\x5c")
    )


def _digest(study: Path) -> str:
    """Over the files' digests, sorted: a study that comes again in another order or under other names is the same."""
    digests = []
    for path in study.iterdir():
        with path.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").digest())
    return hashlib.sha256(b"".join(sorted(digests))).hexdigest()
