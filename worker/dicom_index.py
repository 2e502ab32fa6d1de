"""What a folder of DICOM files holds: its MR stacks by header alone, whatever the files are called."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID, MediaStorageDirectoryStorage

from service.contracts.errors import CorruptImage, EmptyStudy, MsDeltaError, UnsupportedMultiFrame
from service.contracts.pydicom_silence import no_header_text
from worker.dicom_geometry import Slice
from worker.dicom_values import number, text
from worker.series_header import SeriesHeader, series_header

MR_IMAGE_STORAGE = UID("1.2.840.10008.5.1.4.1.1.4")
ENHANCED_MR = (UID("1.2.840.10008.5.1.4.1.1.4.1"), UID("1.2.840.10008.5.1.4.1.1.4.4"))

SPLIT_BY = (
    "ImageType",
    "EchoTime",
    "EchoNumbers",
    "InversionTime",
    "DiffusionBValue",
    "TemporalPositionIdentifier",
    "AcquisitionNumber",
    "AcquisitionTime",
)
"""What can differ between stacks of one series, in the order in which they are tried where positions repeat."""

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
    "SoftwareVersions",
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
]


BARE_STARTS = tuple(b"\x08\x00" + element for element in (b"\x00\x00", b"\x01\x00", b"\x05\x00", b"\x08\x00"))
"""First tags of a data set that was stored without preamble and file header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DicomSeries:
    """One stack: the images of a series that share echo, time point and acquisition."""

    header: SeriesHeader
    slices: tuple[Slice, ...]
    slice_thickness_mm: float | None
    first: Dataset
    """The header of its first image: dates and identity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DicomIndex:
    """The classic MR stacks of a folder, and what else was seen there."""

    series: tuple[DicomSeries, ...]
    headers: tuple[Dataset, ...]
    """One per distinct patient statement."""
    enhanced: int
    """Multi-frame objects, which are not read yet."""
    flaws: tuple[MsDeltaError, ...]
    """Why series with a broken header were left out."""


@no_header_text()
def index_folder(folder: Path) -> DicomIndex:
    """Every MR stack below a folder.

    Raises:
        EmptyStudy: no MR image there.
        UnsupportedMultiFrame: enhanced multi-frame MR only.
        CorruptImage: a file ends within its header, or no series has usable headers.
    """
    images: dict[str, list[tuple[Path, Dataset]]] = defaultdict(list)
    patients: dict[tuple[str, ...], Dataset] = {}
    kinds: Counter[str] = Counter()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        header = read_header(path)
        if header is None:
            continue
        patients.setdefault(_patient_statement(header), header)
        kinds[_kind(header)] += 1
        if header.SOPClassUID == MR_IMAGE_STORAGE:
            images[str(header.SeriesInstanceUID)].append((path, header))
    if not images and kinds["enhanced"]:
        raise UnsupportedMultiFrame(
            f"saw {kinds['enhanced']} enhanced multi-frame MR objects; expected classic MR images"
        )
    if not images:
        raise EmptyStudy(f"saw {kinds.total()} DICOM objects, none of them an MR image")
    series, flaws = _all_series(images)
    if not series:
        raise flaws[0]
    return DicomIndex(
        series=tuple(series), headers=tuple(patients.values()), enhanced=kinds["enhanced"], flaws=tuple(flaws)
    )


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


def begins_as_dicom(path: Path) -> bool:
    """Whether a file has the DICOM preamble, or begins with a group that only DICOM data sets begin with."""
    with path.open("rb") as file:
        start = file.read(132)
    return start[128:132] == b"DICM" or start[:4] in BARE_STARTS


def _kind(header: Dataset) -> str:
    return "enhanced" if header.SOPClassUID in ENHANCED_MR else "other"


def _patient_statement(header: Dataset) -> tuple[str, ...]:
    return tuple(text(header, name) for name in ("PatientID", "PatientBirthDate", "PatientSex", "PatientName"))


def _all_series(images: dict[str, list[tuple[Path, Dataset]]]) -> tuple[list[DicomSeries], list[MsDeltaError]]:
    series: list[DicomSeries] = []
    flaws: list[MsDeltaError] = []
    for uid, found in sorted(images.items()):
        try:
            parts = [(_slice(path, header), header) for path, header in found]
        except CorruptImage as error:
            flaws.append(error)
            continue
        stacks = _split(_without_copies(parts), SPLIT_BY)
        series += [_series(f"{uid}|{repeat}", repeat, stack) for repeat, stack in enumerate(stacks)]
    return series, flaws


Part = tuple[Slice, Dataset]


def _without_copies(parts: list[Part]) -> list[Part]:
    """An instance that was sent twice counts once."""
    return list({part[0].uid: part for part in parts}.values())


def _split(parts: list[Part], names: tuple[str, ...]) -> list[list[Part]]:
    """Stacks without repeated positions, as far as a tag that differs can separate them.

    A tag separates when it makes no more groups than one position has images: a scanner that numbers every slice as
    an acquisition of its own must not tear the stack apart.
    """
    most = max(Counter(_place(part[0]) for part in parts).values())
    if most == 1 or not names:
        return [parts]
    groups: dict[str, list[Part]] = defaultdict(list)
    for part in parts:
        groups[text(part[1], names[0])].append(part)
    if not 1 < len(groups) <= most:
        return _split(parts, names[1:])
    return [stack for _, group in sorted(groups.items(), key=_by_value) for stack in _split(group, names[1:])]


def _by_value(group: tuple[str, list[Part]]) -> tuple[float, str]:
    """Numbers by their value, texts by their letters."""
    try:
        return float(group[0]), group[0]
    except ValueError:
        return 0.0, group[0]


def _place(one: Slice) -> tuple[float, ...]:
    return tuple(round(value, 2) for value in one.position) + tuple(round(value, 2) for value in one.orientation)


def _slice(path: Path, header: Dataset) -> Slice:
    try:
        position, spacing = header.ImagePositionPatient, header.PixelSpacing
        orientation = tuple(float(value) for value in header.ImageOrientationPatient)
        found = Slice(
            path=path,
            uid=str(header.SOPInstanceUID),
            position=(float(position[0]), float(position[1]), float(position[2])),
            orientation=orientation,
            pixel_spacing=(float(spacing[0]), float(spacing[1])),
            size=(int(header.Rows), int(header.Columns)),
            frame_of_reference=text(header, "FrameOfReferenceUID"),
        )
    except (AttributeError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise CorruptImage("an image lacks its position, orientation, pixel spacing or size") from error
    if len(orientation) != 6 or not np.isfinite([*found.position, *orientation, *found.pixel_spacing]).all():
        raise CorruptImage("an image's position or orientation is not made of finite numbers")
    return found


def _series(key: str, repeat: int, parts: list[Part]) -> DicomSeries:
    slices = tuple(one for one, _ in parts)
    first = parts[0][1]
    return DicomSeries(
        header=series_header(key, [header for _, header in parts], repeat=repeat),
        slices=slices,
        slice_thickness_mm=number(first, "SliceThickness"),
        first=first,
    )
