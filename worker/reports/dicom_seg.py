"""The lesions of one time point as a DICOM Segmentation (PS3.3 A.51) of the FLAIR images they were found in.

One segment per row of the report, with a tracking identifier that is the same at both time points. Each object is read
again from its file, and every lesion's volume and centroid in patient millimetres is compared with the mask before it
may be delivered.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID, generate_uid

from model.volume import Volume, world_from_voxel
from service.contracts.errors import ResultInconsistent
from service.contracts.pydicom_silence import no_header_text
from service.contracts.report import Report

MANUFACTURER = "msdelta"
SERIES_NUMBER = 9001
CENTROID_TOLERANCE_MM = 0.01
"""Between a lesion's centroid in the mask and in the written object: decimals of the header."""
TRACKING = "lesion "
"""Before the number of the report's row in a tracking identifier."""
NOT_VERIFIED = "AI result, not verified. For research use."


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LesionImages:
    """The lesions of one time point and the images that they belong to."""

    ids: Volume
    """int32 on the FLAIR's own grid: the id of the report's row at each lesion voxel."""
    instances: tuple[Path, ...]
    """FLAIR files in the order of the third axis."""


@no_header_text()
def write_seg(images: LesionImages, report: Report, path: Path) -> bool:
    """Writes the object, reads it again and compares; false where there is no lesion, since a SEG needs a segment.

    Patient, study and frame of reference are those of the images. The same report gives the same UIDs.

    Raises:
        ResultInconsistent: what was written holds another lesion, volume or place than the mask.
    """
    ids = [int(one) for one in np.unique(images.ids.array) if one > 0]
    if not ids:
        return False
    sources = [pydicom.dcmread(file, stop_before_pixels=True) for file in images.instances]
    stack = np.moveaxis(images.ids.array, 2, 0).transpose(0, 2, 1)  # column, row, slice -> slice, row, column
    numbers = np.searchsorted([0, *ids], stack).astype(np.uint16)
    made_by = _made_by(sources, report)
    seg = hd.seg.Segmentation(
        source_images=sources,
        pixel_array=numbers,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[_segment(n, id_, report) for n, id_ in enumerate(ids, start=1)],
        series_instance_uid=_uid(made_by, "series"),
        series_number=SERIES_NUMBER,
        sop_instance_uid=_uid(made_by, "instance"),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MANUFACTURER,
        software_versions=report.versions.msdelta,
        device_serial_number=report.model.sha256[0][:16],
        content_label="LESIONS",
        content_description=NOT_VERIFIED,
    )
    seg.SeriesDescription = f"MS lesions ({NOT_VERIFIED})"
    seg.save_as(path)
    check_seg(path, images.ids)
    return True


@no_header_text()
def check_seg(path: Path, ids: Volume) -> None:
    """Compares every lesion of a written object with the mask.

    Raises:
        ResultInconsistent: a lesion is missing, or has another volume or place; names it by its number.
    """
    seg = hd.seg.segread(path)
    written = {lesion_of(seg.get_segment_description(n).tracking_id): n for n in seg.segment_numbers}
    expected = {int(one) for one in np.unique(ids.array) if one > 0}
    if set(written) != expected:
        raise ResultInconsistent(f"DICOM SEG: saw {len(written)} lesions, expected {len(expected)}")
    for id_, number in sorted(written.items()):
        volume = seg.get_volume(segment_numbers=[number], combine_segments=True)
        found = _measured(np.asarray(volume.array) > 0, volume.affine)
        wanted = _measured(ids.array == id_, ids.affine)
        if abs(found[0] - wanted[0]) > 1e-3 * wanted[0]:
            raise ResultInconsistent(
                f"DICOM SEG: lesion {id_} has {found[0]:.2f} mm3 in the object, expected {wanted[0]:.2f}"
            )
        apart = float(np.linalg.norm(found[1] - wanted[1]))
        if apart > CENTROID_TOLERANCE_MM:
            raise ResultInconsistent(f"DICOM SEG: lesion {id_} lies {apart:.2f} mm from its place in the mask")


def lesion_of(tracking_id: str | None) -> int:
    """The number of the report's row, 0 where the identifier is not ours."""
    number = (tracking_id or "").removeprefix(TRACKING)
    return int(number) if number.isdigit() else 0


def _measured(mask: NDArray[np.bool_], affine: NDArray[Any]) -> tuple[float, NDArray[np.float64]]:
    """Volume, mm3, and centroid, patient mm."""
    voxels = np.argwhere(mask).astype(np.float64)
    volume = len(voxels) * abs(float(np.linalg.det(affine[:3, :3])))
    centre = voxels.mean(axis=0) if len(voxels) else np.full(3, np.inf)
    return volume, np.asarray(world_from_voxel(affine, centre[None])[0])


def _made_by(sources: Sequence[Dataset], report: Report) -> str:
    """What the UIDs hang on: the images, the weights, and the job."""
    images = "/".join(str(one.SOPInstanceUID) for one in sources)
    return f"{images}/{'/'.join(report.model.sha256)}/{report.job_id or report.created.isoformat()}"


def _uid(made_by: str, *what: str) -> UID:
    return generate_uid(entropy_srcs=[made_by, *what])


def tracking_uid(report: Report, lesion: int) -> UID:
    """Of a row of the report: the same in the objects of both time points."""
    case = report.job_id or report.created.isoformat()
    return generate_uid(entropy_srcs=[case, *report.model.sha256, f"lesion {lesion}"])


def _segment(number: int, lesion: int, report: Report) -> hd.seg.SegmentDescription:
    status = next((row.status for row in report.lesions if row.id == lesion), None)
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=f"{status.value} lesion {lesion}" if status else f"lesion {lesion}",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Lesion,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name=f"{MANUFACTURER} {report.model.name}",
            family=codes.cid7162.ArtificialIntelligence,
            version=report.versions.msdelta,
            parameters={"weights": report.model.sha256[0], "rules": report.versions.measurement_rules},
        ),
        tracking_uid=tracking_uid(report, lesion),
        tracking_id=f"{TRACKING}{lesion}",
        anatomic_regions=[codes.SCT.Brain],
    )
