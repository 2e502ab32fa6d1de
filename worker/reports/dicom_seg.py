"""The lesions of one time point as a DICOM Segmentation (PS3.3 A.51) of the FLAIR images they were found in.

One segment per row of the report, with a tracking identifier that is the same at both time points, where they could be
compared. Each object is read again from its file, and every lesion's volume and centroid in patient millimetres is
compared with the mask before it may be delivered.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID
from scipy import ndimage

from model.volume import Volume, voxel_volume_of, world_from_voxel
from service.contracts.errors import ResultInconsistent
from service.contracts.options import SegmentationKind
from service.contracts.pydicom_silence import no_header_text
from service.contracts.report import Report
from worker.reports.dicom_series import (
    MANUFACTURER,
    NOT_VERIFIED,
    SEG_SERIES,
    check_joins,
    describe,
    made_by,
    uid_of,
)
from worker.reports.dicom_sources import as_single_images, refer_to_frames
from worker.reports.tracking import case_of, tracking_uid

CENTROID_TOLERANCE_MM = 0.01
"""Between a lesion's centroid in the mask and in the written object: decimals of the header."""
SPACING_TOLERANCE = 1e-3
"""Of the volume of a voxel, likewise; the number of voxels must be the same."""
KINDS: dict[SegmentationKind, hd.seg.SegmentationTypeValues] = {
    "binary": hd.seg.SegmentationTypeValues.BINARY,
    "labelmap": hd.seg.SegmentationTypeValues.LABELMAP,
}


TimePointName = Literal["baseline", "follow_up"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LesionImages:
    """The lesions of one time point and the images that they belong to."""

    time_point: TimePointName
    ids: Volume
    """int32 on the FLAIR's own grid: the id of the report's row at each lesion voxel."""
    headers: Sequence[Dataset]
    """Of the FLAIR images or frames, in the order of the third axis (`worker.dicom_reader.read_headers`)."""


@no_header_text()
def write_seg(
    images: LesionImages, report: Report, path: Path, *, kind: SegmentationKind = "binary"
) -> hd.seg.Segmentation | None:
    """Writes the object, reads it again, compares, and returns it; None without a lesion, since a SEG needs a segment.

    Patient, study and frame of reference are those of the images. The same report gives the same UIDs. A label map
    (PS3.3 A.51, Label Map Segmentation Storage) has one frame per slice in place of one per slice and segment.

    Raises:
        ResultInconsistent: what was written holds another lesion, volume or place than the mask.
    """
    ids = [int(one) for one in np.unique(images.ids.array) if one > 0]
    if not ids:
        return None
    stack = images.ids.array.transpose(2, 1, 0)  # column, row, slice -> slice, row, column
    origin = made_by(images.headers, report)
    seg = hd.seg.Segmentation(
        source_images=as_single_images(images.headers),
        pixel_array=np.searchsorted([0, *ids], stack).astype(np.uint16),
        segmentation_type=KINDS[kind],
        segment_descriptions=[_segment(n, id_, images, report) for n, id_ in enumerate(ids, start=1)],
        series_instance_uid=uid_of(origin, "series"),
        series_number=SEG_SERIES,
        sop_instance_uid=uid_of(origin, "instance"),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MANUFACTURER,
        software_versions=report.versions.msdelta,
        device_serial_number=report.model.sha256[0][:16],  # the device is the weights
        content_label="LESIONS",
        content_description=NOT_VERIFIED,
    )
    refer_to_frames(seg, images.headers)
    for dimension in (*seg.DimensionOrganizationSequence, *seg.DimensionIndexSequence):
        dimension.DimensionOrganizationUID = uid_of(origin, "dimensions")  # highdicom's is random
    describe(seg, report, "MS lesions")
    seg.save_as(path)
    written = check_seg(path, images, report)
    check_joins(written, images.headers[0], "DICOM SEG")
    return written


@no_header_text()
def check_seg(path: Path, images: LesionImages, report: Report) -> hd.seg.Segmentation:
    """Reads an object and compares every lesion in it with the mask; its segment is that of the lesion's tracking UID.

    Raises:
        ResultInconsistent: a lesion is missing, or has another volume or place; names it by its number.
    """
    seg = hd.seg.segread(path)
    numbers = segment_numbers(seg)
    wanted = _measured(images.ids.array, images.ids.affine)
    uids = {lesion: tracking(report, lesion, images.time_point)[1] for lesion in wanted}
    if sorted(numbers) != sorted(uids.values()):
        raise ResultInconsistent(f"DICOM SEG: saw {len(numbers)} lesions, expected {len(wanted)} by tracking UID")
    volume = seg.get_volume(combine_segments=True)  # the number of the segment at each voxel
    found = _measured(np.asarray(volume.array), volume.affine)
    for lesion, other in wanted.items():
        one = found.get(numbers[uids[lesion]])
        if one is None or one.voxels != other.voxels or abs(one.mm3 - other.mm3) > SPACING_TOLERANCE * other.mm3:
            seen = 0.0 if one is None else one.mm3
            raise ResultInconsistent(
                f"DICOM SEG: lesion {lesion} has {seen:.2f} mm3 in the object, expected {other.mm3:.2f}"
            )
        apart = float(np.linalg.norm(one.centroid_mm - other.centroid_mm))
        if apart > CENTROID_TOLERANCE_MM:
            raise ResultInconsistent(f"DICOM SEG: lesion {lesion} lies {apart:.2f} mm from its place in the mask")
    return seg


def segment_numbers(seg: hd.seg.Segmentation) -> dict[str, int]:
    """The number of each segment by its tracking UID."""
    return {str(seg.get_segment_description(n).tracking_uid): n for n in seg.segment_numbers}


def tracking(report: Report, lesion: int, time_point: TimePointName) -> tuple[str, UID]:
    """Identifier and UID of a row of the report: the same at both time points, where these were compared."""
    known = next((row.tracking_uid for row in report.lesions if row.id == lesion), None)
    if known is not None:
        return f"lesion {lesion}", UID(known)
    apart = report.mode == "longitudinal" and not report.comparable
    name = f"{time_point} lesion {lesion}" if apart else f"lesion {lesion}"
    return name, tracking_uid(case_of(report), report.model.sha256, name)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Measured:
    voxels: int
    mm3: float
    centroid_mm: NDArray[np.float64]
    """Patient space."""


def _measured(labels: NDArray[Any], affine: NDArray[Any]) -> dict[int, _Measured]:
    """Each label of an array."""
    voxel_mm3 = voxel_volume_of(affine)
    found: dict[int, _Measured] = {}
    for label, box in enumerate(ndimage.find_objects(labels.astype(np.int32)), start=1):
        if box is None:
            continue
        at = np.argwhere(labels[box] == label) + [one.start for one in box]
        centroid = world_from_voxel(affine, at.mean(axis=0)[None])[0]
        found[label] = _Measured(voxels=len(at), mm3=len(at) * voxel_mm3, centroid_mm=centroid)
    return found


def _segment(number: int, lesion: int, images: LesionImages, report: Report) -> hd.seg.SegmentDescription:
    identifier, uid = tracking(report, lesion, images.time_point)
    status = next((row.status for row in report.lesions if row.id == lesion), None)
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=f"{status.value} lesion {lesion}" if status else identifier,
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Lesion,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name=f"{MANUFACTURER} {report.model.name}",
            family=codes.cid7162.ArtificialIntelligence,
            version=report.versions.msdelta,
            parameters={"weights": report.model.sha256[0], "rules": report.versions.measurement_rules},
        ),
        tracking_uid=uid,
        tracking_id=identifier,
        anatomic_regions=[codes.SCT.Brain],
    )
