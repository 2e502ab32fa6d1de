"""Which series of a study is the T1 and which the FLAIR: physics first, text second, geometry third.

A pure function over header values. Reasons never repeat the scanner's free text, which can hold names.
"""

import re
from dataclasses import dataclass
from typing import Literal

from service.contracts.errors import MissingFlair, MissingT1

Sequence = Literal["T1", "FLAIR"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesHeader:
    """What selection looks at; times in ms, lengths in mm; None where the header is silent."""

    key: str
    """Identifies the series for the caller; never shown."""
    instances: int
    text: str = ""
    """SeriesDescription, ProtocolName and SequenceName, lower case; matched, never repeated."""
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
    diffusion: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A series with its score for one sequence and the reasons."""

    header: SeriesHeader
    score: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The two series of a study."""

    t1: Choice
    flair: Choice


EXCLUDED_TEXT = re.compile(
    r"local|scout|survey|dwi|diff|adc|trace|swi|phase|perf|asl|bold|fmri|tof|angio|mra|subtract|\bsub\b|mip|\bmpr\b"
    r"|b0|field.?map|calib|spectro|mosaic|screen|report|pilot"
)
EXCLUDED_TYPES = {"LOCALIZER", "MIP", "PROJECTION IMAGE", "ADC", "TRACEW", "SECONDARY", "DIFFUSION", "SUBTRACTION"}
FLAIR_TEXT = re.compile(r"flair|dark.?fluid|tirm|\btir\b|\bspcir\b|ir.?tse.*t2|t2.?ir\b|dunkel")
T1_TEXT = re.compile(r"t1|mp.?rage|spgr|bravo|tfl|\btfe\b|fspgr|\bffe\b|mprage")
POST_CONTRAST_TEXT = re.compile(r"(^|[^a-z])(gd|gad|gado|post|ce|\+c|c\+|km|kontrast|contrast)([^a-z]|$)")
FEWEST_SLICES = 10
LEAST_SCORE = 3.0
"""What physics or an unmistakable name gives; geometry alone never reaches it."""


def select(headers: list[SeriesHeader]) -> Selection:
    """The best T1 and the best FLAIR.

    Raises:
        MissingFlair, MissingT1: no series reaches the least score.
    """
    flair = _best([choice for header in headers if (choice := score_flair(header))])
    if flair is None:
        raise MissingFlair(f"saw {len(headers)} series, none with the timing or name of a FLAIR")
    rest = [header for header in headers if header.key != flair.header.key]
    t1 = _best([choice for header in rest if (choice := score_t1(header))])
    if t1 is None:
        raise MissingT1(f"saw {len(headers)} series, none with the timing or name of a T1-weighted image")
    return Selection(t1=t1, flair=flair)


def exclusion(header: SeriesHeader) -> str | None:
    """Why a series is never used, or None."""
    if header.instances < FEWEST_SLICES:
        return f"only {header.instances} images"
    if EXCLUDED_TYPES & {value.upper() for value in header.image_type}:
        return "localizer, projection, diffusion or secondary image type"
    if header.diffusion:
        return "diffusion weighted"
    if EXCLUDED_TEXT.search(header.text):
        return "named as another kind of series"
    return None


def score_flair(header: SeriesHeader) -> Choice | None:
    """How much this looks like a FLAIR; None where it is excluded or contradicted by its timing."""
    if exclusion(header):
        return None
    score, reasons = 0.0, []
    te, tr, ti = header.echo_time, header.repetition_time, header.inversion_time
    if ti is not None and 1400 <= ti <= 3200 and te is not None and te >= 60 and (tr is None or tr >= 4000):
        score += 4
        reasons.append(f"inversion time {ti:.0f} ms, echo time {te:.0f} ms: fluid suppressed, T2-weighted")
    elif te is not None and te < 50:
        return None
    if FLAIR_TEXT.search(header.text):
        score += 3
        reasons.append("named as a fluid-suppressed series")
    if "IR" in header.scanning_sequence and score:
        score += 0.5
    return _with_geometry(header, score, reasons)


def score_t1(header: SeriesHeader) -> Choice | None:
    """How much this looks like a T1-weighted image; None where it is excluded or contradicted by its timing."""
    if exclusion(header) or FLAIR_TEXT.search(header.text):
        return None
    score, reasons = 0.0, []
    te, tr, ti = header.echo_time, header.repetition_time, header.inversion_time
    if te is not None and te > 40:
        return None
    gradient = bool({"GR"} & set(header.scanning_sequence))
    if te is not None and te <= 12 and (gradient or ti is not None) and (ti is None or 300 <= ti <= 1400):
        score += 3
        reasons.append(f"echo time {te:.1f} ms, gradient echo or magnetisation prepared: T1-weighted")
    elif te is not None and te <= 25 and tr is not None and tr <= 900:
        score += 3
        reasons.append(f"repetition time {tr:.0f} ms, echo time {te:.0f} ms: T1-weighted")
    if T1_TEXT.search(header.text):
        score += 3
        reasons.append("named as a T1-weighted series")
    if header.contrast_agent or POST_CONTRAST_TEXT.search(header.text):
        score -= 2
        reasons.append("after contrast agent: a native series is preferred")
        return _with_geometry(header, max(score, LEAST_SCORE) if score >= 1 else score, reasons)
    return _with_geometry(header, score, reasons)


def _with_geometry(header: SeriesHeader, score: float, reasons: list[str]) -> Choice | None:
    if score < LEAST_SCORE:
        return None
    if header.acquisition_type == "3D":
        score += 0.6
        reasons.append("3D acquisition")
    if header.slice_spacing is not None:
        score += max(0.0, 0.4 - 0.1 * header.slice_spacing)
        reasons.append(f"slices every {header.slice_spacing:.1f} mm")
    if header.coverage is not None and header.coverage < 100:
        score -= 1.5
        reasons.append(f"covers only {header.coverage:.0f} mm")
    if "DERIVED" in {value.upper() for value in header.image_type}:
        score -= 1.0
        reasons.append("derived, not original")
    return Choice(header=header, score=score, reasons=tuple(reasons))


def _best(choices: list[Choice]) -> Choice | None:
    """The highest score; then more images, then the key: the same study always gives the same choice."""
    if not choices:
        return None
    return min(choices, key=lambda c: (-c.score, -c.header.instances, c.header.key))
