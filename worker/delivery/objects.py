"""What is sent: the objects of a result, and what a receiver has to confirm."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pydicom

from service.contracts.pydicom_silence import no_header_text
from service.contracts.site import ObjectKind
from worker.reports.dicom_objects import ResultObject

IDENTIFIERS = ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One object to send, with the identifiers by which a receiver confirms it."""

    path: Path
    kind: ObjectKind
    size_bytes: int
    sop_class: str
    transfer_syntax: str
    study: str
    series: str
    instance: str


def parcels(objects: Iterable[ResultObject]) -> tuple[Parcel, ...]:
    """The objects with their identifiers; pixels are not read."""
    return tuple(_parcel(one) for one in objects)


def batches(objects: Iterable[Parcel], *, limit_bytes: int, limit_objects: int) -> Iterator[tuple[Parcel, ...]]:
    """Objects of one study and kind that are sent together; one larger than the limit goes alone."""
    batch: list[Parcel] = []
    size = 0
    for one in objects:
        fits = size + one.size_bytes <= limit_bytes and len(batch) < limit_objects
        if batch and not (fits and (one.study, one.kind) == (batch[0].study, batch[0].kind)):
            yield tuple(batch)
            batch, size = [], 0
        batch.append(one)
        size += one.size_bytes
    if batch:
        yield tuple(batch)


@no_header_text()
def _parcel(one: ResultObject) -> Parcel:
    header = pydicom.dcmread(one.path, stop_before_pixels=True, specific_tags=list(IDENTIFIERS))
    return Parcel(
        path=one.path,
        kind=one.kind,
        size_bytes=one.path.stat().st_size,
        sop_class=str(header.SOPClassUID),
        transfer_syntax=str(header.file_meta.TransferSyntaxUID),
        study=str(header.StudyInstanceUID),
        series=str(header.SeriesInstanceUID),
        instance=str(header.SOPInstanceUID),
    )
