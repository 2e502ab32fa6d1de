"""A folder of DICOM or NIfTI files as one study: its T1 and its FLAIR, read and checked."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from service.contracts.dicom_headers import begins_as_dicom
from service.contracts.input_errors import (
    AmbiguousSeries,
    BadInput,
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
from worker.dicom_values import day
from worker.nifti_reader import read_nifti
from worker.patient_identity import count_people, identity_of, may_be_same_person
from worker.scan_protocol import protocol_of
from worker.series_pairs import TIME_POINTS, PairSelection, select_pair
from worker.series_rules import SeriesRules
from worker.series_rules_file import packaged_rules
from worker.series_selection import Choice, Selection, select

NIFTI_ENDINGS = (".nii", ".nii.gz")
NAMED_BY_FILE = "named so by its file"


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFolder:
    """Where a study lies, and what the caller knows of it."""

    folder: Path
    """Searched with all folders below; hidden files are passed over."""
    acquired: date | None = None
    """Date of the scan, where the caller knows it better than the headers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NiftiScans:
    """The NIfTI files of a folder whose names say T1 or FLAIR."""

    t1: list[str]
    flair: list[str]
    count: int
    """All NIfTI files there."""

    def check(self, *, flair_only: bool = False) -> None:
        """One file for each sequence; with `flair_only` none for T1 will do.

        Raises:
            MissingFlair, MissingT1, AmbiguousSeries: none, or more than one.
        """
        if not self.flair:
            raise MissingFlair(f"saw {self.count} NIfTI files, none whose name says FLAIR")
        if not self.t1 and not flair_only:
            raise MissingT1(f"saw {self.count} NIfTI files, none whose name says T1")
        for sequence, found in (("T1", self.t1), ("FLAIR", self.flair)):
            if len(found) > 1:
                raise AmbiguousSeries(f"saw {len(found)} NIfTI files whose names say {sequence}, expected one")


@dataclass(frozen=True, slots=True, kw_only=True)
class HowToChoose:
    """How the series of a study are chosen."""

    rules: SeriesRules = field(default_factory=packaged_rules)
    flair_only: bool = False
    """A study without T1 is not refused."""


BY_DEFAULT = HowToChoose()


def read_study(folder: Path, *, acquired: date | None = None, choice: HowToChoose = BY_DEFAULT) -> Study:
    """The study of a folder: its NIfTI files where their names say T1 and FLAIR, else its DICOM files.

    Args:
        folder: searched with all folders below; hidden files are passed over.
        acquired: date of the scan, where the caller knows it better than the headers.
        choice: how series are chosen.

    Raises:
        BadInput: what is wrong with it; the code says which.
    """
    with no_header_text():
        return study_of(study_contents(folder), acquired, choice)


def read_pair(
    baseline: StudyFolder, follow_up: StudyFolder, *, choice: HowToChoose = BY_DEFAULT
) -> tuple[Study, Study]:
    """Two studies of one person, their series chosen together where both are DICOM.

    Raises:
        BadInput: as `read_study`; DifferentPatients: the headers name two people.
    """
    with no_header_text():
        one, two = study_contents(baseline.folder), study_contents(follow_up.folder)
        if isinstance(one, DicomIndex) and isinstance(two, DicomIndex):
            chosen = select_together(one, two, choice)
            before = dicom_study(one, chosen.baseline, baseline.acquired, choice)
            after = dicom_study(two, chosen.follow_up, follow_up.acquired, choice)
        else:
            before, after = study_of(one, baseline.acquired, choice), study_of(two, follow_up.acquired, choice)
    check_same_patient(before, after)
    before, after = t1_of_all_or_none((before, after))
    return before, after


def t1_of_all_or_none(studies: Sequence[Study]) -> tuple[Study, ...]:
    """FLAIR alone where one of them has no T1: a T1 at some visits alone would look like change."""
    if any(study.t1 is None for study in studies):
        return tuple(replace(study, t1=None) for study in studies)
    return tuple(studies)


def study_contents(folder: Path) -> DicomIndex | NiftiScans:
    """What a folder holds, by headers and names: DICOM of one patient, or NIfTI.

    Raises:
        EmptyStudy, UnsupportedFile, CorruptImage, MixedPatients: nothing that can be used.
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
        return _index(folder)
    if not nifti:
        raise UnsupportedFile(f"saw {len(files)} files, none of them DICOM or NIfTI")
    return NiftiScans(t1=found["t1"], flair=found["flair"], count=len(nifti))


def check_same_patient(baseline: Study, follow_up: Study) -> None:
    """Refuses two studies whose headers name different people; `worker/patient_identity.py` states the rule.

    NIfTI says nothing of the person: there only the brains are compared, later.

    Raises:
        DifferentPatients: baseline and follow-up belong to different people.
    """
    one, two = baseline.identity, follow_up.identity
    if one is not None and two is not None and not may_be_same_person(one, two):
        raise DifferentPatients("the identifying header fields of baseline and follow-up differ, expected one person")


def study_of(contents: DicomIndex | NiftiScans, acquired: date | None, choice: HowToChoose) -> Study:
    """The study of what a folder holds, its series chosen by themselves."""
    if isinstance(contents, NiftiScans):
        return _nifti_study(contents, acquired, choice)
    return dicom_study(contents, _select(contents, choice), acquired, choice)


def _nifti_study(scans: NiftiScans, acquired: date | None, choice: HowToChoose) -> Study:
    scans.check(flair_only=choice.flair_only)
    t1 = _nifti_series(scans.t1[0]) if scans.t1 else None
    return Study(t1=t1, flair=_nifti_series(scans.flair[0]), acquired=acquired, identity=None)


def _nifti_series(path: str) -> Series:
    volume = read_nifti(Path(path))
    return Series(volume=volume, source="nifti", reasons=(NAMED_BY_FILE,), slice_thickness_mm=None)


@no_header_text()
def _index(folder: Path) -> DicomIndex:
    index = index_folder(folder)
    people = count_people(index.headers)
    if people > 1:
        raise MixedPatients(f"saw images of {people} patients in one study, expected one")
    return index


def dicom_study(index: DicomIndex, selection: Selection, acquired: date | None, how: HowToChoose) -> Study:
    """The study of the chosen series."""
    by_key = {one.header.key: one for one in index.series}
    flair = by_key[selection.flair.header.key]
    return Study(
        t1=None if selection.t1 is None else _dicom_series(selection.t1, by_key, how),
        flair=_dicom_series(selection.flair, by_key, how),
        acquired=acquired or day(flair.first, "AcquisitionDate") or day(flair.first, "StudyDate"),
        identity=identity_of(flair.first),
    )


def select_together(baseline: DicomIndex, follow_up: DicomIndex, choice: HowToChoose) -> PairSelection:
    """The series of two DICOM studies; where one is missing, the error tells what was left out."""
    try:
        before, after = ([one.header for one in index.series] for index in (baseline, follow_up))
        return select_pair(before, after, choice.rules, flair_only=choice.flair_only)
    except (MissingT1, MissingFlair):
        for name, index in zip(TIME_POINTS, (baseline, follow_up), strict=True):
            _check_left_out(name, index, choice)
        raise


def _check_left_out(name: str, index: DicomIndex, choice: HowToChoose) -> None:
    """Says it where the series that a study lacks may be one that could not be read."""
    try:
        _select(index, choice)
    except (AmbiguousSeries, MissingT1, MissingFlair):
        return
    except BadInput as error:
        raise type(error)(f"{name}: {error.message}") from error


def _select(index: DicomIndex, choice: HowToChoose) -> Selection:
    """The chosen series; where one is missing, the error tells what was left out."""
    try:
        return select((one.header for one in index.series), choice.rules, flair_only=choice.flair_only)
    except (MissingT1, MissingFlair) as error:
        if index.flaws:
            first = index.flaws[0]
            left_out = f"{len(index.flaws)} series left out, the first because {first.message}"
            raise type(first)(f"{left_out}; of the rest: {error.message}") from error
        raise


def _dicom_series(choice: Choice, by_key: dict[str, DicomSeries], how: HowToChoose) -> Series:
    series = by_key[choice.header.key]
    stack = read_stack(series)
    return Series(
        volume=stack.volume,
        instances=stack.instances,
        source="dicom",
        reasons=choice.reasons,
        slice_thickness_mm=series.slice_thickness_mm,
        protocol=protocol_of(choice.header, how.rules),
    )
