"""Headers of the images that results refer to, with what a result must state and scanners or anonymisers left out."""

from collections.abc import Sequence

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pydicom.valuerep import DSfloat

from worker.dicom_frames import put
from worker.dicom_values import number, text

MAY_BE_EMPTY = (
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
    "StudyID",
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
)
"""Type 2 of patient and study: results must have them, if only empty (PS3.3 C.7.1.1, C.7.2.1)."""


def completed(headers: Sequence[Dataset]) -> tuple[Dataset, ...]:
    """The headers of one stack, in its order, each of its own elements; what is there stays as it is, but for rounding.

    Direction cosines, which may differ in the last digits, become those of the first image. A missing slice thickness
    becomes the distance between the slices, a missing frame of reference one that the series alone has.
    """
    first = headers[0]
    apart = np.subtract(headers[-1].ImagePositionPatient, first.ImagePositionPatient) if len(headers) > 1 else [1.0]
    thickness = DSfloat(float(np.linalg.norm(apart)) / max(len(headers) - 1, 1), auto_format=True)
    frame_of_reference = generate_uid(entropy_srcs=[f"{first.SeriesInstanceUID}/frame of reference"])
    whole = []
    for header in headers:
        one = Dataset()
        one.update(dict(header.items()))
        put(one, "ImageOrientationPatient", first.ImageOrientationPatient)
        if not number(one, "SliceThickness"):
            put(one, "SliceThickness", thickness)
        if not text(one, "FrameOfReferenceUID"):
            put(one, "FrameOfReferenceUID", frame_of_reference)
        for name in MAY_BE_EMPTY:
            if name not in one:
                put(one, name, "")
        whole.append(one)
    return tuple(whole)
