"""What a folder of DICOM files holds: its MR stacks by header alone, whatever the files are called."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import MediaStorageDirectoryStorage, MRImageStorage

from service.contracts.dicom_headers import begins_as_dicom
from service.contracts.errors import MsDeltaError
from service.contracts.input_errors import CorruptImage, EmptyStudy, UnsupportedMultiFrame
from service.contracts.pydicom_silence import no_header_text
from worker.dicom_frames import ENHANCED_MR, FRAME_TAGS, frame_headers
from worker.dicom_geometry import Slice
from worker.dicom_stacks import Part, stacks_of
from worker.dicom_values import number, text
from worker.series_header import SeriesHeader, series_header

TAGS = [
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "StudyInstanceUID",
    "SeriesNumber",
    "InstanceNumber",
    "FrameOfReferenceUID",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "Rows",
    "Columns",
    "PhotometricInterpretation",
    "ImageType",
    "Manufacturer",
    "SeriesDescription",
    "ProtocolName",
    "SequenceName",
    "PulseSequenceName",
    "BodyPartExamined",
    "ScanningSequence",
    "SequenceVariant",
    "MRAcquisitionType",
    "EchoTime",
    "EchoNumbers",
    "RepetitionTime",
    "InversionTime",
    "FlipAngle",
    "ContrastBolusAgent",
    "AcquisitionContrast",
    "AngioFlag",
    "NumberOfTemporalPositions",
    "MagneticFieldStrength",
    "ManufacturerModelName",
    "DeviceSerialNumber",
    "DiffusionBValue",
    "TemporalPositionIdentifier",
    "AcquisitionNumber",
    "AcquisitionTime",
    "AcquisitionDate",
    "StudyDate",
    "SliceThickness",
    "SpacingBetweenSlices",
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "SpecificCharacterSet",
    "RescaleSlope",
    "RescaleIntercept",
    *FRAME_TAGS,
]


@dataclass(frozen=True, slots=True, kw_only=True)
class DicomSeries:
    """One stack: the images or frames of a series that share echo, time point and acquisition."""

    header: SeriesHeader
    slices: tuple[Slice, ...]
    slice_thickness_mm: float | None
    first: Dataset
    """The header of its first image: dates and identity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DicomIndex:
    """The MR stacks of a folder, and what else was seen there."""

    series: tuple[DicomSeries, ...]
    headers: tuple[Dataset, ...]
    """One per distinct patient statement."""
    flaws: tuple[MsDeltaError, ...]
    """Why series with a broken header were left out."""


@no_header_text()
def index_folder(folder: Path) -> DicomIndex:
    """Every MR stack below a folder.

    Raises:
        EmptyStudy: no MR image there.
        CorruptImage: a file ends within its header, or no series has usable headers.
        UnsupportedMultiFrame: no series has, and the first is of multi-frame objects without functional groups.
    """
    images: dict[str, list[tuple[Path, Dataset]]] = defaultdict(list)
    patients: dict[tuple[str, ...], Dataset] = {}
    objects = 0
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        header = read_header(path)
        if header is None:
            continue
        patients.setdefault(_patient_statement(header), header)
        objects += 1
        if header.SOPClassUID in (MRImageStorage, *ENHANCED_MR):
            images[str(header.SeriesInstanceUID)].append((path, header))
    if not images:
        raise EmptyStudy(f"saw {objects} DICOM objects, none of them an MR image")
    series, flaws = _all_series(images)
    if not series:
        raise flaws[0]
    return DicomIndex(series=tuple(series), headers=tuple(patients.values()), flaws=tuple(flaws))


def read_header(path: Path) -> Dataset | None:
    """The header values that reading needs, without pixels; None where the file is no DICOM object or a DICOMDIR.

    Raises:
        CorruptImage: it begins as DICOM but cannot be read.
    """
    if not begins_as_dicom(path):
        return None
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, force=True, specific_tags=list(TAGS))
    except (InvalidDicomError, EOFError, OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise CorruptImage("a DICOM file ends within its header or is damaged") from error
    if header.file_meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
        return None
    if "SOPClassUID" not in header or "SeriesInstanceUID" not in header:
        # to pass over it would silently shorten the series that it belongs to
        raise CorruptImage("a DICOM file ends before it says which series it belongs to")
    return header


def _patient_statement(header: Dataset) -> tuple[str, ...]:
    return tuple(text(header, name) for name in ("PatientID", "PatientBirthDate", "PatientSex", "PatientName"))


def _all_series(images: dict[str, list[tuple[Path, Dataset]]]) -> tuple[list[DicomSeries], list[MsDeltaError]]:
    series: list[DicomSeries] = []
    flaws: list[MsDeltaError] = []
    for uid, found in sorted(images.items()):
        try:
            parts = [part for path, header in found for part in _parts(path, header)]
        except (CorruptImage, UnsupportedMultiFrame) as error:
            flaws.append(error)
            continue
        series += [_series(f"{uid}|{repeat}", repeat, stack) for repeat, stack in enumerate(stacks_of(parts))]
    return series, flaws


def _parts(path: Path, header: Dataset) -> list[Part]:
    """The image of a classic object, or every frame of an enhanced one."""
    if header.SOPClassUID not in ENHANCED_MR:
        return [(_slice(path, header), header)]
    try:
        frames = frame_headers(header)
    except (EOFError, OSError, ValueError, KeyError, AttributeError, TypeError, NotImplementedError) as error:
        raise CorruptImage("the functional groups of a multi-frame object are damaged") from error
    return [(_slice(path, one), one) for one in frames]


def _slice(path: Path, header: Dataset) -> Slice:
    try:
        position, spacing = header.ImagePositionPatient, header.PixelSpacing
        orientation = tuple(float(value) for value in header.ImageOrientationPatient)
        found = Slice(
            path=path,
            uid=str(header.SOPInstanceUID),
            frame=_frame_of(header),
            position=(float(position[0]), float(position[1]), float(position[2])),
            orientation=orientation,
            pixel_spacing=(float(spacing[0]), float(spacing[1])),
            size=(int(header.Rows), int(header.Columns)),
            frame_of_reference=text(header, "FrameOfReferenceUID"),
            slope=number(header, "RescaleSlope") or 1.0,
            intercept=number(header, "RescaleIntercept") or 0.0,
        )
    except (AttributeError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise CorruptImage("an image lacks its position, orientation, pixel spacing or size") from error
    if len(orientation) != 6 or not np.isfinite([*found.position, *orientation, *found.pixel_spacing]).all():
        raise CorruptImage("an image's position or orientation is not made of finite numbers")
    return found


def _frame_of(header: Dataset) -> int | None:
    frame = number(header, "ReferencedFrameNumber")
    return None if frame is None else int(frame)


def _series(key: str, repeat: int, parts: list[Part]) -> DicomSeries:
    slices = tuple(one for one, _ in parts)
    first = parts[0][1]
    return DicomSeries(
        header=series_header(key, [header for _, header in parts], repeat=repeat),
        slices=slices,
        slice_thickness_mm=number(first, "SliceThickness"),
        first=first,
    )
