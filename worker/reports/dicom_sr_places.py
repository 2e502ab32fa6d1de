"""Where each lesion lies, as a point of patient space in its measurement group (PS3.3 C.18.9, TID 1411 extended).

Viewers jump to it; a lesion that the scan's own grid holds no voxel of, and that has no segment, has its place.
"""

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from service.contracts.errors import ResultInconsistent
from service.contracts.report import LesionRow, Point
from worker.reports.dicom_seg import TimePointName

CENTRE = codes.DCM.Center
ROUNDING_MM = 0.001
"""Coordinates are 32-bit floats."""


def place_of(row: LesionRow, time_point: TimePointName) -> Point | None:
    """Centre of the lesion in the patient space of that scan, LPS mm."""
    return row.baseline_centroid_mm if time_point == "baseline" else row.centroid_mm


def add_place(container: Dataset, place: Point | None, header: Dataset) -> None:
    """Puts the point into a measurement group; nothing where the scan names no frame of reference."""
    frame = header.get("FrameOfReferenceUID")
    if place is None or not frame:
        return
    point = hd.sr.Scoord3DContentItem(
        name=CENTRE,
        graphic_type=hd.sr.GraphicTypeValues3D.POINT,
        graphic_data=np.array([place], np.float32),
        frame_of_reference_uid=frame,
        relationship_type=hd.sr.RelationshipTypeValues.CONTAINS,
    )
    container.ContentSequence.append(point)


def check_place(container: Dataset, place: Point | None, lesion: int) -> None:
    """Compares the point of a group with the report's; without a place there may be none.

    Raises:
        ResultInconsistent: names the lesion.
    """
    found = places_in(container)
    expected = [] if place is None else [np.asarray(place)]
    if len(found) != len(expected):
        raise ResultInconsistent(f"DICOM SR: lesion {lesion} has {len(found)} places, expected {len(expected)}")
    if any(np.linalg.norm(one - other) > ROUNDING_MM for one, other in zip(found, expected, strict=True)):
        raise ResultInconsistent(f"DICOM SR: lesion {lesion} has another place than in the report")


def places_in(container: Dataset) -> list[np.ndarray]:
    """The centres that a measurement group states, patient mm: one or none."""
    return [
        np.asarray(item.GraphicData, float)
        for item in container.ContentSequence
        if item.ValueType == "SCOORD3D" and item.ConceptNameCodeSequence[0].CodeValue == CENTRE.value
    ]
