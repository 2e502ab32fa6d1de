"""The choice of series as a value: what was seen, what was chosen, and why; shared by API and command line.

It names nobody: series are told by their number and their physics, never by the scanner's text.
"""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Outcome(StrEnum):
    """How a choice ended."""

    SELECTED = "selected"
    AMBIGUOUS = "ambiguous"
    MISSING_T1 = "missing_t1"
    MISSING_FLAIR = "missing_flair"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SequenceVerdict(_Frozen):
    """What the rules say of a series as one sequence."""

    score: float | None = Field(description="points; null where the series cannot be this sequence")
    reasons: tuple[str, ...] = Field(default=(), description="what the points are for")
    against: str | None = Field(default=None, description="what rules it out; null where nothing does")


class SeriesView(_Frozen):
    """One stack of images with the header numbers that the rules look at; null where the header is silent."""

    number: int | None = Field(description="series number")
    part: int = Field(description="which of several stacks of the series: echo, time point, acquisition")
    images: int
    chosen_as: Literal["T1", "FLAIR"] | None
    t1: SequenceVerdict
    flair: SequenceVerdict
    acquisition: Literal["2D", "3D"] | None = None
    plane: Literal["axial", "coronal", "sagittal"] | None = None
    after_contrast: bool = False
    echo_time_ms: float | None = None
    repetition_time_ms: float | None = None
    inversion_time_ms: float | None = None
    flip_angle_deg: float | None = None
    slice_spacing_mm: float | None = None
    pixel_spacing_mm: float | None = None
    coverage_mm: float | None = None
    field_strength_t: float | None = None


class StudyDecision(_Frozen):
    """All series of one study."""

    time_point: Literal["baseline", "follow_up"]
    kind: Literal["dicom", "nifti"]
    series: tuple[SeriesView, ...]
    left_out: tuple[str, ...] = Field(default=(), description="why series with a broken header were left out")


class LikenessView(_Frozen):
    """How alike the chosen series of the two studies are."""

    sequence: Literal["T1", "FLAIR"]
    score: float = Field(ge=0, le=1)
    reasons: tuple[str, ...]


class SeriesDecision(_Frozen):
    """Which series a comparison of these studies would use."""

    outcome: Outcome
    message: str = Field(description="what is missing or cannot be told apart; empty when selected")
    rules_version: str
    rules_digest: str = Field(description="differs where any rule does")
    studies: tuple[StudyDecision, ...] = Field(description="the baseline, where there is one, before the follow-up")
    likeness: tuple[LikenessView, ...] = Field(default=(), description="of a pair of DICOM studies")
