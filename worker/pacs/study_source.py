"""Where studies are that came by themselves: what the worker asks of a PACS, or of the folder of pushed studies."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

from pydicom.dataset import Dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedStudy:
    """An earlier MR study of a patient."""

    uid: str
    date: date


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSeries:
    """An MR series as its source describes it, without fetching it."""

    uid: str
    images: int
    header: Dataset
    """Of one of its images, without pixels."""


class StudySource(Protocol):
    """A place that holds studies.

    Every method raises PacsUnavailable (try again later) or PacsRefused (it answers, and says no).
    """

    def images(self, study_uid: str) -> frozenset[str]:
        """SOP Instance UIDs of the MR images of a study; results of ours, of other modalities, are not among them."""
        ...

    def earlier(self, study_uid: str, *, least_days: int, most: int) -> list[ListedStudy]:
        """MR studies of the same patient, at least so many days before, the newest first, `most` at most."""
        ...

    def series(self, study_uid: str) -> list[ListedSeries]:
        """The MR series of a study."""
        ...

    def fetch(self, study_uid: str, folder: Path) -> None:
        """Writes the MR images of a study into a folder, under names of ours."""
        ...
