"""Studies that were pushed to us by STOW-RS, in the folder where the front end put them."""

import os
from collections import defaultdict
from datetime import timedelta
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage

from service.contracts.blobs import BlobStore
from service.contracts.input_errors import StudyGone
from service.contracts.pydicom_silence import no_header_text
from worker.dicom_frames import ENHANCED_MR
from worker.dicom_index import read_header
from worker.dicom_values import day, text
from worker.pacs.study_source import ListedSeries, ListedStudy
from worker.patient_identity import identity_of, may_be_same_person


class ReceivedSource:
    """What one API key has pushed."""

    def __init__(self, blobs: BlobStore, owner: str) -> None:
        self._blobs, self._owner = blobs, owner

    def images(self, study_uid: str) -> frozenset[str]:
        """SOP Instance UIDs of the MR images of a study."""
        return frozenset(text(header, "SOPInstanceUID") for _, header in self._mr_images(study_uid))

    def earlier(self, study_uid: str, *, least_days: int, most: int) -> list[ListedStudy]:
        """Studies that the same key pushed of the same patient; the rule is that of `worker/patient_identity.py`."""
        this = self._one_header(self._folder(study_uid))
        if this is None or (made := day(this, "StudyDate")) is None or identity_of(this).patient is None:
            return []
        studies = []
        for folder in self._blobs.received_studies(self._owner):
            other = self._one_header(folder)
            if other is None or text(other, "StudyInstanceUID") == study_uid:
                continue
            earlier = day(other, "StudyDate")
            mine, yours = identity_of(this), identity_of(other)
            same = mine.patient == yours.patient and may_be_same_person(mine, yours)
            if same and earlier is not None and earlier <= made - timedelta(days=least_days):
                studies.append(ListedStudy(uid=text(other, "StudyInstanceUID"), date=earlier))
        return sorted(studies, key=lambda one: (one.date, one.uid), reverse=True)[:most]

    def series(self, study_uid: str) -> list[ListedSeries]:
        """The MR series of a study, each with the header of one of its images."""
        found: dict[str, list[Dataset]] = defaultdict(list)
        for _, header in self._mr_images(study_uid):
            found[text(header, "SeriesInstanceUID")].append(header)
        return [
            ListedSeries(uid=uid, images=len(headers), header=headers[len(headers) // 2])
            for uid, headers in sorted(found.items())
        ]

    def fetch(self, study_uid: str, folder: Path) -> None:
        """Links the MR images of a study: no byte is copied."""
        images = self._mr_images(study_uid)
        if not images:
            raise StudyGone("the study that was pushed is not there any more")
        for number, (path, _) in enumerate(images, start=1):
            os.link(path, folder / f"{number:06d}.dcm")

    def _folder(self, study_uid: str) -> Path:
        return self._blobs.received_folder(self._owner, study_uid)

    def _mr_images(self, study_uid: str) -> list[tuple[Path, Dataset]]:
        return [
            (path, header)
            for path in sorted(self._folder(study_uid).glob("*.dcm"))
            if (header := _header(path)) is not None
        ]

    def _one_header(self, folder: Path) -> Dataset | None:
        return next((header for path in sorted(folder.glob("*.dcm")) if (header := _header(path)) is not None), None)


@no_header_text()
def _header(path: Path) -> Dataset | None:
    header = read_header(path)
    return header if header is not None and header.SOPClassUID in (MRImageStorage, *ENHANCED_MR) else None
