"""The studies of several visits of one person, each read once."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from itertools import combinations

from service.contracts.input_errors import BadInput
from service.contracts.pydicom_silence import no_header_text
from service.contracts.visits import check_in_order
from worker.case import Study
from worker.dicom_index import DicomIndex
from worker.series_selection import Selection
from worker.study_reader import (
    BY_DEFAULT,
    HowToChoose,
    NiftiScans,
    StudyFolder,
    check_same_patient,
    dicom_study,
    select_together,
    study_contents,
    study_of,
    t1_of_all_or_none,
)


def read_visits(visits: Sequence[StudyFolder], *, choice: HowToChoose = BY_DEFAULT) -> tuple[Study, ...]:
    """Studies of one person in the order of time.

    Where all are DICOM, the series of the first two are chosen together, those of a later one to fit the one before it.

    Raises:
        BadInput: as `worker.study_reader.read_pair`, with the number of the visit, counted from 1.
        VisitsOutOfOrder: a visit was acquired before one that is given before it.
    """
    with no_header_text():
        contents = []
        for number, visit in enumerate(visits, start=1):
            with _naming(f"visit {number}"):
                contents.append(study_contents(visit.folder))
        studies = _studies(contents, [visit.acquired for visit in visits], choice)
    for (one, before), (other, after) in combinations(enumerate(studies, start=1), 2):
        with _naming(f"visits {one} and {other}"):
            check_same_patient(before, after)
    check_in_order([study.acquired for study in studies])
    return t1_of_all_or_none(studies)


def _studies(
    contents: Sequence[DicomIndex | NiftiScans], acquired: Sequence[date | None], choice: HowToChoose
) -> list[Study]:
    indices = [one for one in contents if isinstance(one, DicomIndex)]
    selections = _select_along(indices, choice) if 1 < len(indices) == len(contents) else []
    studies: list[Study] = []
    for number, (one, day) in enumerate(zip(contents, acquired, strict=True), start=1):
        with _naming(f"visit {number}"):
            if isinstance(one, DicomIndex) and selections:
                studies.append(dicom_study(one, selections[number - 1], day, choice))
            else:
                studies.append(study_of(one, day, choice))
    return studies


def _select_along(indices: Sequence[DicomIndex], choice: HowToChoose) -> list[Selection]:
    """The series of each visit: of the first two together, of a later one to fit those of the visit before."""
    with _naming("visits 1 and 2"):
        first = select_together(indices[0], indices[1], choice)
    found = [first.baseline, first.follow_up]
    for number, index in enumerate(indices[2:], start=3):
        taken = {one.header.key for one in (found[-1].t1, found[-1].flair) if one is not None}
        before = indices[number - 2]
        chosen = replace(before, series=tuple(one for one in before.series if one.header.key in taken))
        with _naming(f"visits {number - 1} and {number}"):
            found.append(select_together(chosen, index, choice).follow_up)
    return found


@contextmanager
def _naming(what: str) -> Iterator[None]:
    """Says in a refusal which visit it is about."""
    try:
        yield
    except BadInput as error:
        raise type(error)(f"{what}: {error.message}") from error
