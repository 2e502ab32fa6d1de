"""The table of what speaks for and against a series being the T1 or the FLAIR.

Physics first: timing that says so weighs more than a name. A name is enough where the timing is silent. Sources of
the ranges: DICOM PS3.3 C.8.3.1 for the attributes; published brain protocols of five vendors, 0.06 to 7 T.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesHeader:
    """What selection looks at; times in ms, lengths in mm, angles in degrees; None where the header is silent."""

    key: str
    """Identifies the series for the caller; never shown."""
    instances: int
    text: str = ""
    """The scanner's free text in lower case, other characters than letters and digits as spaces; never repeated."""
    series_number: int | None = None
    repeat: int = 0
    """Which of several stacks of one series: echo, time point, acquisition."""
    image_type: tuple[str, ...] = ()
    scanning_sequence: tuple[str, ...] = ()
    sequence_variant: tuple[str, ...] = ()
    acquisition_type: str | None = None
    echo_time: float | None = None
    repetition_time: float | None = None
    inversion_time: float | None = None
    flip_angle: float | None = None
    contrast_agent: bool = False
    slice_spacing: float | None = None
    coverage: float | None = None
    """Extent along the slice direction."""
    b_value: float | None = None
    colour: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Points for a series on which the rule holds, and the words for it; no word comes from the scanner's text."""

    points: float
    reason: str
    """May name header numbers: `{echo_time:.0f}`."""
    holds: Callable[[SeriesHeader], bool]


FEWEST_SLICES = 10
LEAST_EVIDENCE = 3.0
"""What timing or an unmistakable name gives alone; less is no T1 and no FLAIR."""

NATIVE = re.compile(r"\b(pre|ohne|sans|senza|sin|sem|zonder|vor|before|without|nativ\w*)\b")
CONTRAST = re.compile(r"\b(gd|gad|gado\w*|post|ce|t1c|t1ce|t1gd|km|mdc|kontrast\w*|contrast\w*|contraste|inj)\b")
FLAIR = re.compile(r"flair|dark ?fluid|\btirm\b|\bspcir\b|tir2d|dunkel|fluid attenuat")
T1 = re.compile(r"t1|mp ?2?rage|spgr|bravo|\btfl|\btfe\b|tfl3d|\bmpr\b")
OTHER_KIND = re.compile(
    r"local|lokal|scout|survey|topogram|ubersicht|reperage|pilot|planning|\bdwi|\bdti|diff|adc|trace|swi|swan"
    r"|phase|perf|\basl\b|bold|fmri|\btof|angio|\bmra\b|subtr|\bsub\b|\bmip|\bmin ?ip|\bb0\b|\bb1|field ?map|calib"
    r"|spectr|mosaic|report|screen ?s|fiesta|\bciss\b|trufi|\bbffe\b|ep2d|\bepi\b|\bmt\b|quant|\bmap\b|\bt2 star\b"
)
OTHER_INVERSION = re.compile(r"\bdir\b|double inv|\bpsir\b|\bstir\b")
"""Double inversion, phase-sensitive and short-inversion images have a FLAIR's or T1's timing but another contrast."""
OTHER_BODY_PART = re.compile(
    r"\bspine\b|\bspinal\b|cerv|\bhws\b|\bbws\b|\blws\b|thorac|lumb|rachis|column|orbit|hypoph|pituit|sella|neck"
)
NOT_ANATOMY = {
    "LOCALIZER",
    "MIP",
    "PROJECTION IMAGE",
    "ADC",
    "TRACEW",
    "DIFFUSION",
    "SUBTRACTION",
    "P",
    "PHASE",
    "PHASE MAP",
}


def _between(value: float | None, low: float, high: float) -> bool:
    return value is not None and low <= value <= high


def _stated(value: float | None) -> bool:
    """A time of zero says nothing."""
    return value is not None and value > 0


def _types(header: SeriesHeader) -> set[str]:
    return {value.upper() for value in header.image_type}


def _inverted(header: SeriesHeader) -> bool:
    return "IR" in header.scanning_sequence or _stated(header.inversion_time)


def _after_contrast(header: SeriesHeader) -> bool:
    if header.contrast_agent:
        return True
    return bool(CONTRAST.search(header.text)) and not NATIVE.search(header.text)


def _proton_density(header: SeriesHeader) -> bool:
    """Short echo, long repetition, no inversion, no gradient echo."""
    long = _stated(header.repetition_time) and not _between(header.repetition_time, 0, 2500)
    return long and not _inverted(header) and "GR" not in header.scanning_sequence and _between(header.echo_time, 1, 40)


EXCLUSIONS = (
    Rule(points=0, reason="fewer than 10 images", holds=lambda h: h.instances < FEWEST_SLICES),
    Rule(points=0, reason="colour images", holds=lambda h: h.colour),
    Rule(points=0, reason="diffusion weighted", holds=lambda h: _stated(h.b_value)),
    Rule(
        points=0,
        reason="localizer, projection, phase or map by its image type",
        holds=lambda h: bool(NOT_ANATOMY & _types(h)),
    ),
    Rule(points=0, reason="named as another kind of series", holds=lambda h: bool(OTHER_KIND.search(h.text))),
    Rule(points=0, reason="named as another inversion contrast", holds=lambda h: bool(OTHER_INVERSION.search(h.text))),
)

FLAIR_CONTRADICTIONS = (
    Rule(points=0, reason="echo too short for a FLAIR", holds=lambda h: _between(h.echo_time, 0.1, 50)),
    Rule(
        points=0,
        reason="inversion time of another contrast",
        holds=lambda h: _stated(h.inversion_time) and not _between(h.inversion_time, 1300, 3300),
    ),
    Rule(points=0, reason="gradient echo", holds=lambda h: set(h.scanning_sequence) == {"GR"}),
)
_SUPPRESSED = "inversion time {inversion_time:.0f} ms, echo time {echo_time:.0f} ms: fluid suppressed, T2-weighted"
_SPOILED = "spoiled gradient echo, echo time {echo_time:.1f} ms, repetition time {repetition_time:.0f} ms"
_INVERTED = "inversion time {inversion_time:.0f} ms, echo time {echo_time:.0f} ms: T1-weighted inversion recovery"

FLAIR_EVIDENCE = (
    Rule(points=4, reason=_SUPPRESSED,
         holds=lambda h: _between(h.inversion_time, 1300, 3300) and _between(h.echo_time, 50, 1000)),
    Rule(points=3, reason="inversion recovery, echo time {echo_time:.0f} ms, repetition time {repetition_time:.0f} ms",
         holds=lambda h: "IR" in h.scanning_sequence and not _stated(h.inversion_time)
         and _between(h.echo_time, 60, 1000) and _between(h.repetition_time, 4000, 30000)),
    Rule(points=3, reason="named as a fluid-suppressed series", holds=lambda h: bool(FLAIR.search(h.text))),
)  # fmt: skip

T1_CONTRADICTIONS = (
    Rule(points=0, reason="echo too long for a T1",
         holds=lambda h: _stated(h.echo_time) and not _between(h.echo_time, 0, 40)),
    Rule(points=0, reason="inversion time of another contrast",
         holds=lambda h: _stated(h.inversion_time) and not _between(h.inversion_time, 200, 1500)),
    Rule(points=0, reason="proton density timing", holds=_proton_density),
    Rule(points=0, reason="named as a fluid-suppressed series, timing silent",
         holds=lambda h: bool(FLAIR.search(h.text)) and not _stated(h.echo_time)),
)  # fmt: skip
T1_EVIDENCE = (
    Rule(points=4, reason="magnetisation-prepared gradient echo, echo time {echo_time:.1f} ms",
         holds=lambda h: "GR" in h.scanning_sequence and _between(h.echo_time, 0.5, 12)
         and ("MP" in h.sequence_variant or _between(h.inversion_time, 200, 1500))),
    Rule(points=3, reason=_SPOILED,
         holds=lambda h: "GR" in h.scanning_sequence and "MP" not in h.sequence_variant
         and not _stated(h.inversion_time) and _between(h.echo_time, 0.5, 12) and _between(h.repetition_time, 3, 900)),
    Rule(points=3, reason="spin echo, echo time {echo_time:.0f} ms, repetition time {repetition_time:.0f} ms",
         holds=lambda h: "SE" in h.scanning_sequence and not _inverted(h)
         and _between(h.echo_time, 3, 40) and _between(h.repetition_time, 100, 1200)),
    Rule(points=3, reason=_INVERTED,
         holds=lambda h: "GR" not in h.scanning_sequence and _between(h.inversion_time, 300, 1500)
         and _between(h.echo_time, 1, 40) and _between(h.repetition_time, 500, 4000)),
    Rule(points=3, reason="named as a T1-weighted series", holds=lambda h: bool(T1.search(h.text))),
)  # fmt: skip

GEOMETRY = (
    Rule(points=0.6, reason="3D acquisition", holds=lambda h: h.acquisition_type == "3D"),
    Rule(points=0.4, reason="slices every {slice_spacing:.1f} mm", holds=lambda h: _between(h.slice_spacing, 0.1, 1.6)),
    Rule(
        points=0.1, reason="slices every {slice_spacing:.1f} mm", holds=lambda h: _between(h.slice_spacing, 1.6001, 3.5)
    ),
    Rule(points=-1.5, reason="covers only {coverage:.0f} mm", holds=lambda h: _between(h.coverage, 0, 100)),
    Rule(points=-1.0, reason="derived, not original", holds=lambda h: bool({"DERIVED", "SECONDARY"} & _types(h))),
    Rule(points=-1.0, reason="reformatted", holds=lambda h: bool({"MPR", "REFORMATTED", "RESAMPLED"} & _types(h))),
    Rule(points=-3.0, reason="named as another part of the body", holds=lambda h: bool(OTHER_BODY_PART.search(h.text))),
    Rule(points=0.1, reason="intensity normalised by the scanner", holds=lambda h: "NORM" in _types(h)),
)
T1_AFTER_CONTRAST = Rule(
    points=-2.0, reason="after contrast agent: a native series is preferred", holds=_after_contrast
)
FLAIR_AFTER_CONTRAST = Rule(
    points=-0.5, reason="after contrast agent: a native series is preferred", holds=_after_contrast
)
