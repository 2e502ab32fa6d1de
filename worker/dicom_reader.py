"""DICOM series as volumes: one complete stack of classic MR images, its geometry checked before it is believed.

Positions and axes follow DICOM PS3.3 C.7.6.2.1.1; world coordinates are DICOM's own (LPS mm).
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID

from model.volume import Volume
from service.contracts.errors import (
    CorruptImage,
    DuplicateSlice,
    EmptyStudy,
    InconsistentFrameOfReference,
    InconsistentImages,
    InconsistentOrientation,
    MissingSlice,
    NotThreeDimensional,
    UnsupportedTransferSyntax,
)
from worker.nifti_reader import checked
from worker.series_selection import SeriesHeader

MR_IMAGE_STORAGE = UID("1.2.840.10008.5.1.4.1.1.4")
ENHANCED_MR = (UID("1.2.840.10008.5.1.4.1.1.4.1"), UID("1.2.840.10008.5.1.4.1.1.4.4"))

ORIENTATION_TOLERANCE = 1e-3
"""Largest difference of a direction cosine within a series: 0.06 degrees."""
SPACING_TOLERANCE = 0.05
"""Largest deviation of a slice gap from the median gap, as a part of it: rounding in headers, not a lost slice."""
SAME_POSITION_MM = 1e-2


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One image of a series: its file and the header values that geometry needs."""

    path: Path
    uid: str
    position: tuple[float, float, float]
    orientation: tuple[float, ...]
    pixel_spacing: tuple[float, float]
    size: tuple[int, int]
    frame_of_reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DicomSeries:
    """One stack: same series, echo, acquisition and image type."""

    header: SeriesHeader
    slices: tuple[Slice, ...]


def index_folder(folder: Path) -> tuple[list[DicomSeries], list[Dataset]]:
    """Every MR stack below a folder, and one header per patient found.

    Raises:
        EmptyStudy: no DICOM MR image there.
        NotThreeDimensional: only enhanced multi-frame images, which are not read yet.
    """
    stacks: dict[tuple[str, ...], list[tuple[Path, Dataset]]] = defaultdict(list)
    patients: dict[tuple[str, ...], Dataset] = {}
    enhanced = 0
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        header = _header(path)
        if header is None:
            continue
        patients.setdefault(_patient_key(header), header)
        if header.get("SOPClassUID") in ENHANCED_MR:
            enhanced += 1
        elif header.get("SOPClassUID") == MR_IMAGE_STORAGE and "ImagePositionPatient" in header:
            stacks[_stack_key(header)].append((path, header))
    if not stacks and enhanced:
        raise NotThreeDimensional("saw enhanced multi-frame MR only; expected classic MR images, one file per slice")
    if not stacks:
        raise EmptyStudy("no DICOM MR image with a position was found")
    return [_series(key, images) for key, images in sorted(stacks.items())], list(patients.values())


def read_series(series: DicomSeries) -> Volume:
    """The stack as float32 with rescale applied; array axes: column, row, slice.

    Raises:
        MsDeltaError: the slices do not make one complete, regular, readable stack; the code says why.
    """
    slices = _without_copies(series.slices)
    _check_consistent(slices)
    normal, ordered, gap = _ordered(slices)
    first = ordered[0]
    rows, columns = first.size
    array = np.empty((columns, rows, len(ordered)), np.float32)
    for k, one in enumerate(ordered):
        array[:, :, k] = _pixels(one).T
    affine = np.eye(4)
    affine[:3, 0] = np.array(first.orientation[:3]) * first.pixel_spacing[1]  # along a row: column index, column spacing
    affine[:3, 1] = np.array(first.orientation[3:]) * first.pixel_spacing[0]
    affine[:3, 2] = normal * gap
    affine[:3, 3] = first.position
    return checked(Volume(array=array, affine=affine))


def _header(path: Path) -> Dataset | None:
    try:
        return pydicom.dcmread(path, stop_before_pixels=True)
    except (InvalidDicomError, EOFError, OSError, ValueError, KeyError):
        return None


def _patient_key(header: Dataset) -> tuple[str, ...]:
    return str(header.get("PatientID", "")).strip(), str(header.get("PatientBirthDate", "")).strip()


def _stack_key(header: Dataset) -> tuple[str, ...]:
    """Separates what one SeriesInstanceUID can hold: echoes, repeats, magnitude and phase."""
    names = ("SeriesInstanceUID", "EchoTime", "TemporalPositionIdentifier", "AcquisitionNumber")
    kind = "/".join(str(value) for value in header.get("ImageType", ())[2:4])
    key = [str(header.get(name, "")) for name in names]
    if header.get("Manufacturer", "").lower().startswith("ge") or _acquisition_per_slice(header):
        key[3] = ""
    return (*key, kind)


def _acquisition_per_slice(header: Dataset) -> bool:
    """Some scanners number every slice as an acquisition of its own."""
    return header.get("AcquisitionNumber") == header.get("InstanceNumber")


def _series(key: tuple[str, ...], images: list[tuple[Path, Dataset]]) -> DicomSeries:
    slices = tuple(_slice(path, header) for path, header in images)
    return DicomSeries(header=_selection_header("|".join(key), images[0][1], slices), slices=slices)


def _slice(path: Path, header: Dataset) -> Slice:
    try:
        position, orientation = header.ImagePositionPatient, header.ImageOrientationPatient
        return Slice(
            path=path,
            uid=str(header.SOPInstanceUID),
            position=(float(position[0]), float(position[1]), float(position[2])),
            orientation=tuple(float(value) for value in orientation),
            pixel_spacing=(float(header.PixelSpacing[0]), float(header.PixelSpacing[1])),
            size=(int(header.Rows), int(header.Columns)),
            frame_of_reference=str(header.get("FrameOfReferenceUID", "")),
        )
    except (AttributeError, TypeError, ValueError, IndexError) as error:
        raise CorruptImage("an image lacks its orientation, pixel spacing or size") from error


def _selection_header(key: str, header: Dataset, slices: tuple[Slice, ...]) -> SeriesHeader:
    names = ("SeriesDescription", "ProtocolName", "SequenceName")
    along = [float(np.dot(_normal(slices[0]), s.position)) for s in slices]
    coverage = max(along) - min(along)
    return SeriesHeader(
        key=key,
        instances=len(slices),
        text=" ".join(str(header.get(name, "")) for name in names).lower(),
        image_type=_texts(header.get("ImageType")),
        scanning_sequence=_texts(header.get("ScanningSequence")),
        sequence_variant=_texts(header.get("SequenceVariant")),
        acquisition_type=str(header.get("MRAcquisitionType", "")) or None,
        echo_time=_number(header, "EchoTime"),
        repetition_time=_number(header, "RepetitionTime"),
        inversion_time=_number(header, "InversionTime"),
        flip_angle=_number(header, "FlipAngle"),
        contrast_agent=bool(str(header.get("ContrastBolusAgent", "")).strip()),
        slice_spacing=coverage / (len(slices) - 1) if len(slices) > 1 else None,
        coverage=coverage,
        diffusion="DiffusionBValue" in header,
    )


def _texts(value: Any) -> tuple[str, ...]:
    if value is None or value == "":
        return ()
    values: Iterable[Any] = [value] if isinstance(value, str) else value
    return tuple(str(one) for one in values)


def _number(header: Dataset, name: str) -> float | None:
    value = header.get(name)
    try:
        return None if value in (None, "") else float(value)
    except (TypeError, ValueError):
        return None


def _normal(one: Slice) -> NDArray[np.float64]:
    return np.cross(one.orientation[:3], one.orientation[3:])


def _without_copies(slices: tuple[Slice, ...]) -> list[Slice]:
    """An instance that was sent twice counts once."""
    return list({one.uid: one for one in slices}.values())


def _check_consistent(slices: list[Slice]) -> None:
    first = slices[0]
    if len({one.frame_of_reference for one in slices}) > 1:
        raise InconsistentFrameOfReference("saw more than one frame of reference in a series, expected one")
    if len({one.size for one in slices}) > 1 or len({one.pixel_spacing for one in slices}) > 1:
        raise InconsistentImages("saw images of different size or pixel spacing in a series, expected the same")
    cosines = np.array([one.orientation for one in slices])
    spread = float(np.abs(cosines - cosines[0]).max())
    if spread > ORIENTATION_TOLERANCE:
        raise InconsistentOrientation(
            f"direction cosines differ by {spread:.4f} within the series, expected at most {ORIENTATION_TOLERANCE}"
        )
    x, y = np.array(first.orientation[:3]), np.array(first.orientation[3:])
    if abs(np.linalg.norm(x) - 1) > 0.01 or abs(np.linalg.norm(y) - 1) > 0.01 or abs(x @ y) > 0.01:
        raise CorruptImage("the row and column directions are not perpendicular unit vectors")


def _ordered(slices: list[Slice]) -> tuple[NDArray[np.float64], list[Slice], float]:
    """The slice direction, the slices along it, and their distance (mm).

    Raises:
        DuplicateSlice, MissingSlice: the gaps are not one and the same.
    """
    normal = _normal(slices[0])
    ordered = sorted(slices, key=lambda one: float(normal @ one.position))
    along = np.array([float(normal @ one.position) for one in ordered])
    gaps = np.diff(along)
    if (gaps < SAME_POSITION_MM).any():
        raise DuplicateSlice(f"saw {int((gaps < SAME_POSITION_MM).sum()) + 1} different images at one position")
    if len(gaps) == 0:
        raise MissingSlice("saw a single slice, expected a stack")
    gap = float(np.median(gaps))
    wrong = np.flatnonzero(np.abs(gaps - gap) > SPACING_TOLERANCE * gap)
    if len(wrong):
        raise MissingSlice(
            f"slices lie {gap:.2f} mm apart, but {gaps[wrong[0]]:.2f} mm after slice {wrong[0] + 1} of {len(ordered)}"
            f" ({len(wrong)} irregular gap{'s' if len(wrong) > 1 else ''}); expected one distance within "
            f"{SPACING_TOLERANCE:.0%}"
        )
    straight = np.array(ordered[-1].position) - np.array(ordered[0].position)
    sideways = np.linalg.norm(straight - normal * (normal @ straight))
    if sideways > 0.05 * gap * len(ordered) + 0.5:
        raise InconsistentOrientation("the stack is sheared (gantry tilt): the slices do not lie above each other")
    return normal, ordered, float(along[-1] - along[0]) / (len(ordered) - 1)


def _pixels(one: Slice) -> NDArray[np.float32]:
    """Rows x columns, rescaled."""
    try:
        dataset = pydicom.dcmread(one.path)
        raw = dataset.pixel_array
    except NotImplementedError as error:
        raise UnsupportedTransferSyntax("no decoder for the compression of the pixel data") from error
    except RuntimeError as error:
        raise UnsupportedTransferSyntax("the pixel data could not be decoded by any installed decoder") from error
    except (AttributeError, ValueError, EOFError, OSError, InvalidDicomError, KeyError) as error:
        raise CorruptImage("the pixel data of an image end early or are damaged") from error
    if raw.ndim != 2:
        raise InconsistentImages(f"saw pixel data with {raw.ndim} dimensions, expected one greyscale slice per file")
    slope, intercept = _number(dataset, "RescaleSlope"), _number(dataset, "RescaleIntercept")
    return np.asarray(raw, np.float32) * np.float32(slope if slope else 1.0) + np.float32(intercept or 0.0)
