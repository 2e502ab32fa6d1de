"""A folder of DICOM or NIfTI files as one study: its T1 and its FLAIR, read and checked."""

import hmac
import secrets
from datetime import date
from pathlib import Path
from typing import Literal

from pydicom.dataset import Dataset

from service.contracts.errors import (
    AmbiguousSeries,
    DifferentPatients,
    EmptyStudy,
    MissingFlair,
    MissingT1,
    MixedPatients,
    UnsupportedFile,
)
from service.contracts.nifti_names import sequence_of
from worker.case import Identity, Series, Study
from worker.dicom_reader import DicomSeries, index_folder, read_series
from worker.nifti_reader import read_nifti
from worker.series_selection import Choice, select

_KEY = secrets.token_bytes(32)
"""Identity is compared by digests under a key that lives as long as the process."""


def read_study(folder: Path, *, acquired: date | None = None) -> Study:
    """The study of a folder. NIfTI files count when there are any whose names say T1 or FLAIR; else DICOM.

    Raises:
        BadInput: what is wrong with it; the code says which.
    """
    if not folder.is_dir():
        raise EmptyStudy("expected a folder with DICOM or NIfTI files, saw none")
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    if not files:
        raise EmptyStudy("the folder holds no files")
    nifti = [path for path in files if path.name.lower().endswith((".nii", ".nii.gz"))]
    if nifti:
        return _read_nifti_study(nifti, acquired)
    if not any(_is_dicom(path) for path in files):
        raise UnsupportedFile(f"saw {len(files)} files, none of them DICOM or NIfTI")
    return _read_dicom_study(folder, acquired)


def check_same_patient(baseline: Study, follow_up: Study) -> None:
    """Refuses two studies whose headers name different people.

    Sites change their numbering and pseudonymise per visit, so a different PatientID alone is no proof: it takes a
    second difference (birth date or sex), or a birth date that differs although the PatientID is the same.
    A different PatientID with nothing else stated is refused as well: nothing says that it is the same person.

    Raises:
        DifferentPatients: baseline and follow-up belong to different people.
    """
    one, two = baseline.identity, follow_up.identity
    if one is None or two is None:
        return  # NIfTI says nothing of the person; the brain volumes are compared later
    ids, births, sexes = (
        _compare(a, b)
        for a, b in ((one.patient, two.patient), (one.birth_date, two.birth_date), (one.sex, two.sex))
    )
    refused = births == "differ" or (ids == "differ" and (sexes == "differ" or births == "unknown"))
    if refused:
        raise DifferentPatients("the identifying header fields of baseline and follow-up differ")


def _compare(a: str | None, b: str | None) -> Literal["same", "differ", "unknown"]:
    if a is None or b is None:
        return "unknown"
    return "same" if a == b else "differ"


def _read_nifti_study(paths: list[Path], acquired: date | None) -> Study:
    found: dict[str, list[Path]] = {"t1": [], "flair": []}
    for path in paths:
        sequence = sequence_of(path.name)
        if sequence is not None:
            found[sequence].append(path)
    if not found["flair"]:
        raise MissingFlair(f"saw {len(paths)} NIfTI files, none whose name says FLAIR")
    if not found["t1"]:
        raise MissingT1(f"saw {len(paths)} NIfTI files, none whose name says T1")
    for sequence, candidates in found.items():
        if len(candidates) > 1:
            raise AmbiguousSeries(f"saw {len(candidates)} NIfTI files whose names say {sequence.upper()}, expected one")
    reasons = ("by its file name",)
    t1, flair = (
        Series(volume=volume, source="nifti", reasons=reasons, slice_thickness_mm=None)
        for volume in (read_nifti(found["t1"][0]), read_nifti(found["flair"][0]))
    )
    return Study(t1=t1, flair=flair, acquired=acquired, identity=None)


def _read_dicom_study(folder: Path, acquired: date | None) -> Study:
    series, patients = index_folder(folder)
    if len(patients) > 1:
        raise MixedPatients(f"saw images of {len(patients)} patients in one study, expected one")
    selection = select([one.header for one in series])
    by_key = {one.header.key: one for one in series}
    return Study(
        t1=_read_choice(selection.t1, by_key),
        flair=_read_choice(selection.flair, by_key),
        acquired=acquired or _study_date(patients[0]),
        identity=_identity(patients[0]),
    )


def _read_choice(choice: Choice, by_key: dict[str, DicomSeries]) -> Series:
    return Series(
        volume=read_series(by_key[choice.header.key]),
        source="dicom",
        reasons=choice.reasons,
        slice_thickness_mm=choice.header.slice_spacing,
    )


def _identity(header: Dataset) -> Identity:
    return Identity(
        patient=_digest(header.get("PatientID")),
        birth_date=_digest(header.get("PatientBirthDate")),
        sex=_digest(header.get("PatientSex")),
    )


def _digest(value: object) -> str | None:
    text = "" if value is None else str(value).strip().casefold()
    if not text or text in {"anonymous", "anonymized", "anon", "unknown", "o"}:
        return None
    return hmac.digest(_KEY, text.encode(), "sha256").hex()


def _study_date(header: Dataset) -> date | None:
    for name in ("AcquisitionDate", "StudyDate"):
        text = str(header.get(name, "")).strip()
        if len(text) == 8 and text.isdigit():
            try:
                return date(int(text[:4]), int(text[4:6]), int(text[6:]))
            except ValueError:
                continue
    return None


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(132)
    return start[128:132] == b"DICM" or start[:2] in (b"\x08\x00", b"\x02\x00")
