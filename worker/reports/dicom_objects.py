"""The DICOM objects among the files of a result, each with its kind."""

from dataclasses import dataclass
from pathlib import Path

from pydicom import uid
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info

from service.contracts.pydicom_silence import no_header_text
from service.contracts.site import OBJECT_KINDS, ObjectKind

LABEL_MAP_SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.7"
"""Label Map Segmentation Storage, which pydicom has no name for yet."""
KIND_OF_CLASS: dict[str, ObjectKind] = {
    uid.SegmentationStorage: "seg",
    LABEL_MAP_SEGMENTATION: "seg",
    uid.BasicTextSRStorage: "sr",
    uid.EnhancedSRStorage: "sr",
    uid.ComprehensiveSRStorage: "sr",
    uid.Comprehensive3DSRStorage: "sr",
    uid.EncapsulatedPDFStorage: "pdf",
    uid.SecondaryCaptureImageStorage: "overlay",
    uid.MultiFrameSingleBitSecondaryCaptureImageStorage: "overlay",
    uid.MultiFrameGrayscaleByteSecondaryCaptureImageStorage: "overlay",
    uid.MultiFrameGrayscaleWordSecondaryCaptureImageStorage: "overlay",
    uid.MultiFrameTrueColorSecondaryCaptureImageStorage: "overlay",
}
"""SOP classes of PS3.4 Table B.5-1; an object of another class is no result of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultObject:
    """One DICOM file of a result."""

    path: Path
    kind: ObjectKind


@no_header_text()
def result_objects(folder: Path) -> tuple[ResultObject, ...]:
    """The objects in a folder: segmentations first, then what refers to them; files of one kind by name.

    The kind is that of the SOP class in the file's meta header (PS3.10 7.1); a file's name says nothing.
    """
    found = [
        ResultObject(path=path, kind=kind)
        for path in sorted(folder.iterdir())
        if path.is_file() and (kind := _kind(path)) is not None
    ]
    return tuple(sorted(found, key=lambda one: OBJECT_KINDS.index(one.kind)))


def _kind(path: Path) -> ObjectKind | None:
    try:
        meta = read_file_meta_info(path)
    except (InvalidDicomError, EOFError, ValueError, KeyError):
        return None
    return KIND_OF_CLASS.get(str(meta.get("MediaStorageSOPClassUID", "")))
