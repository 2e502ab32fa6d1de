"""Which files of a result are DICOM objects, and in which order a PACS should get them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from pydicom import uid
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info

ObjectKind = Literal["seg", "sr", "pdf", "overlay"]

LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"
"""Label Map Segmentation Storage, younger than pydicom's dictionary."""
KIND_OF_CLASS: dict[str, ObjectKind] = {
    uid.SegmentationStorage: "seg",
    LABEL_MAP: "seg",
    uid.Comprehensive3DSRStorage: "sr",
    uid.EncapsulatedPDFStorage: "pdf",
    uid.SecondaryCaptureImageStorage: "overlay",
}
"""By SOP class (PS3.4 B.5): what a result is made of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultObject:
    """One DICOM file of a result."""

    path: Path
    kind: ObjectKind


def result_objects(folder: Path) -> tuple[ResultObject, ...]:
    """The objects of a result in sending order: segmentations, the structured report that refers to them, PDF, overlay.

    Objects of one kind come in the order of their names: an overlay series slice by slice. The kind is told by the
    file's meta header (PS3.10 7.1); its name counts for nothing.
    """
    kinds = get_args(ObjectKind)
    found = [(path, _kind(path)) for path in sorted(folder.iterdir()) if path.is_file()]
    objects = [ResultObject(path=path, kind=kind) for path, kind in found if kind is not None]
    return tuple(sorted(objects, key=lambda one: kinds.index(one.kind)))


def _kind(path: Path) -> ObjectKind | None:
    try:
        meta = read_file_meta_info(path)
    except (InvalidDicomError, EOFError, ValueError, KeyError):
        return None
    return KIND_OF_CLASS.get(str(meta.get("MediaStorageSOPClassUID", "")))
