"""A PACS asked by QIDO-RS and WADO-RS (DICOM PS3.18 10.4, 10.6)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import requests
from pydicom.dataset import Dataset

from service.contracts.errors import PacsUnavailable
from service.contracts.input_errors import CorruptImage, PacsRefused, StudyGone
from service.contracts.pydicom_silence import no_header_text
from service.contracts.site import DicomWebServer
from worker.dicom_values import day, text
from worker.dicomweb_session import open_dicomweb
from worker.pacs.study_source import ListedSeries, ListedStudy

REFUSALS = frozenset({400, 401, 403, 404, 405, 406, 415, 501})
ANY_SYNTAX = (("application/dicom", "*"),)
"""As the images are stored: no transcoding by the PACS, whose lossy idea could be another."""
PERSON = ("PatientID", "IssuerOfPatientID", "PatientBirthDate", "StudyDate")
PAGE = 5000


@contextmanager
def named_failures() -> Iterator[None]:
    """Failures of a DICOMweb request by our names; their text could quote addresses and identifiers.

    Raises:
        PacsRefused: the server says no.
        PacsUnavailable: it does not answer, or with an error of its own.
    """
    try:
        yield
    except requests.HTTPError as error:
        status = 0 if error.response is None else error.response.status_code
        if status in REFUSALS:
            raise PacsRefused(f"the PACS answered {status}, expected 200") from None
        raise PacsUnavailable(f"the PACS answered {status}, expected 200") from None
    except (requests.RequestException, OSError) as error:
        raise PacsUnavailable(f"the PACS does not answer ({type(error).__name__})") from None


class DicomWebSource:
    """Studies at a DICOMweb server."""

    def __init__(self, server: DicomWebServer) -> None:
        self._client = open_dicomweb(server)

    def images(self, study_uid: str) -> frozenset[str]:
        """SOP Instance UIDs of the MR images of a study."""
        return frozenset(
            text(image, "SOPInstanceUID")
            for series in self._mr_series(study_uid)
            for image in self._images(study_uid, text(series, "SeriesInstanceUID"))
        )

    def earlier(self, study_uid: str, *, least_days: int, most: int) -> list[ListedStudy]:
        """MR studies of the same patient before a study; none where the PACS does not say who and when."""
        found = self._search("search_for_studies", search_filters={"StudyInstanceUID": study_uid}, fields=list(PERSON))
        if not found:
            raise StudyGone("the PACS does not find the study that it told us of")
        this = found[0]
        if (made := day(this, "StudyDate")) is None or not text(this, "PatientID"):
            return []
        last = made - timedelta(days=least_days)
        filters = {
            "PatientID": text(this, "PatientID"),
            "ModalitiesInStudy": "MR",
            "StudyDate": f"19000101-{last:%Y%m%d}",
        }
        others = self._search("search_for_studies", search_filters=filters, fields=list(PERSON))
        studies = [
            ListedStudy(uid=uid, date=earlier)
            for other in others
            if (uid := text(other, "StudyInstanceUID")) not in ("", study_uid)
            and (earlier := day(other, "StudyDate")) is not None
            and earlier <= last
            and _same_person(this, other)
        ]
        return sorted(studies, key=lambda one: (one.date, one.uid), reverse=True)[:most]

    def series(self, study_uid: str) -> list[ListedSeries]:
        """The MR series of a study, each with the header of one of its images."""
        listed = []
        for series in self._mr_series(study_uid):
            uid = text(series, "SeriesInstanceUID")
            images = self._images(study_uid, uid)
            if images:
                middle = text(images[len(images) // 2], "SOPInstanceUID")
                with named_failures():
                    header = self._client.retrieve_instance_metadata(study_uid, uid, middle)
                listed.append(ListedSeries(uid=uid, images=len(images), header=_dataset(header)))
        return listed

    def fetch(self, study_uid: str, folder: Path) -> None:
        """Writes the MR images of a study, in the transfer syntax in which the PACS has them."""
        number = 0
        for series in self._mr_series(study_uid):
            with named_failures(), no_header_text():
                images = self._client.iter_series(study_uid, text(series, "SeriesInstanceUID"), media_types=ANY_SYNTAX)
                for image in images:
                    number += 1
                    _write(image, folder / f"{number:06d}.dcm")

    def _mr_series(self, study_uid: str) -> list[Dataset]:
        filters = {"Modality": "MR"}
        found = self._search("search_for_series", study_instance_uid=study_uid, search_filters=filters)
        return [one for one in found if text(one, "Modality") == "MR"]

    def _images(self, study_uid: str, series_uid: str) -> list[Dataset]:
        return self._search("search_for_instances", study_instance_uid=study_uid, series_instance_uid=series_uid)

    def _search(self, method: str, **arguments: Any) -> list[Dataset]:
        search: Callable[..., list[dict[str, Any]]] = getattr(self._client, method)
        with named_failures():
            return [_dataset(one) for one in search(get_remaining=False, limit=PAGE, **arguments)]


def _dataset(document: dict[str, Any]) -> Dataset:
    """A DICOM JSON document without its bulk data."""
    with no_header_text():
        return Dataset.from_json(document, bulk_data_uri_handler=lambda *_: None)


def _write(image: Dataset, path: Path) -> None:
    try:
        image.save_as(path, enforce_file_format=True)
    except (ValueError, AttributeError, KeyError) as error:
        raise CorruptImage("an image of the PACS cannot be stored as a DICOM file") from error


def _same_person(this: Dataset, other: Dataset) -> bool:
    """The same PatientID may be another person's at another issuer; a birth date that differs tells."""
    return text(this, "PatientID") == text(other, "PatientID") and all(
        text(this, name) == text(other, name) or not text(this, name) or not text(other, name)
        for name in ("IssuerOfPatientID", "PatientBirthDate")
    )
