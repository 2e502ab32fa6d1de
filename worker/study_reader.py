"""A folder of DICOM or NIfTI files as one study: its T1 and its FLAIR, read and checked."""

from datetime import date
from pathlib import Path

from pydicom.dataset import Dataset

from service.contracts.dicom_headers import begins_as_dicom
from service.contracts.errors import (
    AmbiguousSeries,
    DifferentPatients,
    EmptyStudy,
    MissingFlair,
    MissingT1,
    MixedPatients,
    UnsupportedFile,
)
from service.contracts.nifti_names import scans_by_sequence
from service.contracts.pydicom_silence import no_header_text
from worker.case import Series, Study
from worker.dicom_index import DicomIndex, DicomSeries, index_folder
from worker.dicom_reader import read_stack
from worker.dicom_values import text
from worker.nifti_reader import read_nifti
from worker.patient_identity import count_people, identity_of, may_be_same_person
from worker.series_selection import Choice, Selection, select

NIFTI_ENDINGS = (".nii", ".nii.gz")


def read_study(folder: Path, *, acquired: date | None = None) -> Study:
    """The study of a folder: its NIfTI files where their names say T1 and FLAIR, else its DICOM files.

    Args:
        folder: searched with all folders below; hidden files are passed over.
        acquired: date of the scan, where the caller knows it better than the headers.

    Raises:
        BadInput: what is wrong with it; the code says which.
    """
    if not folder.is_dir():
        raise EmptyStudy("expected a folder with DICOM or NIfTI files, saw none")
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    if not files:
        raise EmptyStudy("the folder holds no files")
    nifti = [path for path in files if path.name.lower().endswith(NIFTI_ENDINGS)]
    found = scans_by_sequence(path.as_posix() for path in nifti)
    has_dicom = any(begins_as_dicom(path) for path in files if path not in nifti)
    if has_dicom and not (found["t1"] and found["flair"]):
        return _read_dicom_study(folder, acquired)
    if not nifti:
        raise UnsupportedFile(f"saw {len(files)} files, none of them DICOM or NIfTI")
    return _read_nifti_study(found["t1"], found["flair"], count=len(nifti), acquired=acquired)


def check_same_patient(baseline: Study, follow_up: Study) -> None:
    """Refuses two studies whose headers name different people; `worker/patient_identity.py` states the rule.

    NIfTI says nothing of the person: there only the brains are compared, later.

    Raises:
        DifferentPatients: baseline and follow-up belong to different people.
    """
    one, two = baseline.identity, follow_up.identity
    if one is not None and two is not None and not may_be_same_person(one, two):
        raise DifferentPatients("the identifying header fields of baseline and follow-up differ, expected one person")


def _read_nifti_study(t1: list[str], flair: list[str], *, count: int, acquired: date | None) -> Study:
    if not flair:
        raise MissingFlair(f"saw {count} NIfTI files, none whose name says FLAIR")
    if not t1:
        raise MissingT1(f"saw {count} NIfTI files, none whose name says T1")
    for sequence, candidates in (("T1", t1), ("FLAIR", flair)):
        if len(candidates) > 1:
            raise AmbiguousSeries(f"saw {len(candidates)} NIfTI files whose names say {sequence}, expected one")
    return Study(t1=_nifti_series(t1[0]), flair=_nifti_series(flair[0]), acquired=acquired, identity=None)


def _nifti_series(path: str) -> Series:
    volume = read_nifti(Path(path))
    return Series(volume=volume, source="nifti", reasons=("named so by its file",), slice_thickness_mm=None)


@no_header_text()
def _read_dicom_study(folder: Path, acquired: date | None) -> Study:
    index = index_folder(folder)
    people = count_people(index.headers)
    if people > 1:
        raise MixedPatients(f"saw images of {people} patients in one study, expected one")
    selection = _select(index)
    by_key = {one.header.key: one for one in index.series}
    flair = by_key[selection.flair.header.key]
    return Study(
        t1=_dicom_series(selection.t1, by_key),
        flair=_dicom_series(selection.flair, by_key),
        acquired=acquired or _date_of(flair.first),
        identity=identity_of(flair.first),
    )


def _select(index: DicomIndex) -> Selection:
    """The chosen series; where one is missing, the error tells what was left out."""
    try:
        return select(one.header for one in index.series)
    except (MissingT1, MissingFlair) as error:
        if index.flaws:
            first = index.flaws[0]
            left_out = f"{len(index.flaws)} series left out, the first because {first.message}"
            raise type(first)(f"{left_out}; of the rest: {error.message}") from error
        raise


def _dicom_series(choice: Choice, by_key: dict[str, DicomSeries]) -> Series:
    series = by_key[choice.header.key]
    stack = read_stack(series)
    return Series(
        volume=stack.volume,
        instances=stack.instances,
        source="dicom",
        reasons=choice.reasons,
        slice_thickness_mm=series.slice_thickness_mm,
    )


def _date_of(header: Dataset) -> date | None:
    for name in ("AcquisitionDate", "StudyDate"):
        day = text(header, name)
        if len(day) == 8 and day.isdigit():
            try:
                return date(int(day[:4]), int(day[4:6]), int(day[6:]))
            except ValueError:
                continue
    return None
