"""What series selection looks at: the header values of one stack, as numbers and plain words.

Built from the headers of a stack's images or frames (`worker/dicom_frames.py` gives those of an enhanced object), or
from the DICOMweb metadata of a single image, where slices and coverage stay unknown.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydicom.dataset import Dataset

from worker.dicom_values import number, plain, text, texts

Plane = Literal["axial", "coronal", "sagittal"]

TEXT_TAGS = ("SeriesDescription", "ProtocolName", "SequenceName", "PulseSequenceName", "BodyPartExamined")
PLUS_CONTRAST = re.compile(r"(?<![A-Za-z0-9])(\+ ?(c|gd|km)|(c|gd|km) ?\+)(?![A-Za-z0-9])", re.IGNORECASE)
NO_AGENT = {"", "no", "none", "nein", "non", "0", "n a", "na", "false"}
FLUID_T1_MS = 4200.0
"""T1 of cerebrospinal fluid, which hardly depends on the field: 4.1 to 4.3 s from 0.2 to 7 T (Rooney et al. 2007,
doi:10.1002/mrm.21122)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesHeader:
    """One stack; times in ms, lengths in mm, angles in degrees, field in T; None where the header is silent."""

    key: str
    """Identifies the series for the caller; never shown."""
    instances: int
    """Images, or frames of multi-frame objects."""
    text: str = ""
    """The scanner's free text in lower case, other characters than letters and digits as spaces; never repeated."""
    series_number: int | None = None
    repeat: int = 0
    """Which of several stacks of one series: echo, time point, acquisition."""
    image_type: tuple[str, ...] = ()
    scanning_sequence: tuple[str, ...] = ()
    sequence_variant: tuple[str, ...] = ()
    acquisition_type: str | None = None
    acquisition_contrast: str | None = None
    """What an enhanced header says the image shows: T1, FLUID_ATTENUATED ..."""
    echo_time: float | None = None
    repetition_time: float | None = None
    inversion_time: float | None = None
    flip_angle: float | None = None
    contrast_agent: bool = False
    angiography: bool = False
    time_points: float | None = None
    """Temporal positions of the series: more than a few make it a dynamic one."""
    slice_spacing: float | None = None
    coverage: float | None = None
    """Extent along the slice direction."""
    b_value: float | None = None
    colour: bool = False
    pixel_spacing: tuple[float, float] | None = None
    """Between rows, between columns."""
    matrix: tuple[int, int] | None = None
    """Rows, columns."""
    orientation: tuple[float, ...] | None = None
    """Six cosines, patient axes (LPS): along a row, down a column."""
    field_strength: float | None = None
    manufacturer: str = ""
    model: str = ""
    device_serial: str = ""
    """Compared, never shown."""

    @property
    def plane(self) -> Plane | None:
        """The anatomical plane that the slices are nearest to."""
        normal = None if self.orientation is None else _normal(self.orientation)
        if normal is None:
            return None
        planes: tuple[Plane, ...] = ("sagittal", "coronal", "axial")
        return planes[max(range(3), key=lambda axis: abs(normal[axis]))]

    @property
    def fluid_null_ratio(self) -> float | None:
        """Inversion time over the one that nulls fluid at this repetition time; FLAIR is near 1, DIR near 1.3.

        Source: the null of inversion recovery, TI = T1 (ln 2 - ln(1 + exp(-TR / T1))).
        """
        if not self.inversion_time or not self.repetition_time or min(self.inversion_time, self.repetition_time) <= 0:
            return None
        null = FLUID_T1_MS * (math.log(2) - math.log1p(math.exp(-self.repetition_time / FLUID_T1_MS)))
        return self.inversion_time / null


def series_header(
    key: str, headers: Sequence[Dataset], *, repeat: int = 0, instances: int | None = None
) -> SeriesHeader:
    """The header of one stack.

    Args:
        key: identifies the series for the caller.
        headers: of the stack's images or frames; or of a single image, with `instances` beside it.
        repeat: which of several stacks of one series.
        instances: how many images the stack has, where not all their headers are given.
    """
    first = headers[0]
    orientation = _numbers(_value(first, "ImageOrientationPatient"), 6)
    places = [place for one in headers if (place := _numbers(_value(one, "ImagePositionPatient"), 3))]
    whole = instances is None or instances <= len(headers)
    coverage = _coverage(places, orientation) if whole else None
    spacing, rows, columns = _numbers(_value(first, "PixelSpacing"), 2), _int(first, "Rows"), _int(first, "Columns")
    return SeriesHeader(
        key=key,
        instances=len(headers) if instances is None else instances,
        text=series_text(" ".join(text(first, name) for name in TEXT_TAGS)),
        series_number=_int(first, "SeriesNumber"),
        repeat=repeat,
        image_type=texts(_value(first, "ImageType")),
        scanning_sequence=texts(_value(first, "ScanningSequence")),
        sequence_variant=texts(_value(first, "SequenceVariant")),
        acquisition_type=text(first, "MRAcquisitionType") or None,
        acquisition_contrast=_word(first, "AcquisitionContrast"),
        echo_time=_first_number(first, "EchoTime"),
        repetition_time=_first_number(first, "RepetitionTime"),
        inversion_time=_first_number(first, "InversionTime"),
        flip_angle=_first_number(first, "FlipAngle"),
        contrast_agent=plain(text(first, "ContrastBolusAgent")) not in NO_AGENT
        or bool(first.get("ContrastBolusAgentSequence")),
        angiography=text(first, "AngioFlag").upper() == "Y",
        time_points=_first_number(first, "NumberOfTemporalPositions"),
        slice_spacing=_slice_spacing(first, coverage, len(places)),
        coverage=coverage,
        b_value=_first_number(first, "DiffusionBValue"),
        colour=not (text(first, "PhotometricInterpretation") or "MONOCHROME2").startswith("MONOCHROME"),
        pixel_spacing=None if spacing is None else (spacing[0], spacing[1]),
        matrix=None if rows is None or columns is None else (rows, columns),
        orientation=orientation,
        field_strength=_first_number(first, "MagneticFieldStrength"),
        manufacturer=plain(text(first, "Manufacturer")),
        model=plain(text(first, "ManufacturerModelName")),
        device_serial=plain(text(first, "DeviceSerialNumber")),
    )


def series_text(words: str) -> str:
    """Free text as the rules read it; the signs of `+C` and `C+`, which `plain` would drop, become a word."""
    return plain(PLUS_CONTRAST.sub(" contrast ", words))


def _slice_spacing(header: Dataset, coverage: float | None, slices: int) -> float | None:
    """By the positions; from a single image by what it says of its neighbours."""
    if coverage is not None and slices > 1:
        return coverage / (slices - 1)
    spacing = _first_number(header, "SpacingBetweenSlices")
    return _first_number(header, "SliceThickness") if spacing is None else spacing


def _coverage(places: list[tuple[float, ...]], orientation: tuple[float, ...] | None) -> float | None:
    normal = None if orientation is None else _normal(orientation)
    if normal is None or not places:
        return None
    along = [sum(n * p for n, p in zip(normal, place, strict=True)) for place in places]
    return max(along) - min(along)


def _normal(orientation: tuple[float, ...]) -> tuple[float, float, float] | None:
    """Row direction cross column direction, of length one; None where they are no two directions."""
    a, b, c, d, e, f = orientation
    crossed = (b * f - c * e, c * d - a * f, a * e - b * d)
    length = math.hypot(*crossed)
    return None if length < 1e-6 else (crossed[0] / length, crossed[1] / length, crossed[2] / length)


def _numbers(value: object, count: int) -> tuple[float, ...] | None:
    if not isinstance(value, Iterable) or isinstance(value, str):
        return None
    try:
        found = tuple(float(one) for one in value)
    except (TypeError, ValueError):
        return None
    return found if len(found) == count and all(math.isfinite(one) for one in found) else None


def _first_number(header: Dataset, name: str) -> float | None:
    """A finite number; of several values the first; None where there is none."""
    value = _value(header, name)
    values = value if isinstance(value, Iterable) and not isinstance(value, str) else [value]
    try:
        found = float(next(iter(values), math.nan))
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def _word(header: Dataset, name: str) -> str | None:
    return text(header, name).upper() or None


def _value(header: Dataset, name: str) -> Any:
    """A damaged value is an absent one."""
    try:
        return header.get(name)
    except (TypeError, ValueError, LookupError, AttributeError):
        return None


def _int(header: Dataset, name: str) -> int | None:
    found = number(header, name)
    return int(found) if found is not None and math.isfinite(found) else None
