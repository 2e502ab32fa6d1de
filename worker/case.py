"""The values that the stages of the pipeline hand to each other, in their order."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float32
from numpy.typing import NDArray

from model.grid import Grid
from model.volume import Affine, Volume
from service.contracts.options import AlignmentKind, CommonSpace
from worker.scan_protocol import ScanProtocol


class Stage(StrEnum):
    """The steps of a job, in order; shown to users as progress."""

    READ = "read"
    REGISTER = "register"
    PREPARE = "prepare"
    PREDICT = "predict"
    COMPARE = "compare"
    REPORT = "report"


Progress = Callable[[Stage, float], None]
"""Called with the stage and the part of the whole job that is done (0 to 1); may raise to stop the work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who the images say they are of, as keyed digests: comparable, never readable. None: not stated."""

    patient: str | None
    birth_date: str | None
    sex: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceImage:
    """Where a slice came from."""

    path: Path
    """A DICOM file."""
    frame: int | None = None
    """Of a multi-frame object, counted from 1 as references do; None: the file is one image."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Series:
    """One sequence of a study, read and checked."""

    volume: Volume
    """float32; rescale slope and intercept applied."""
    source: Literal["dicom", "nifti"]
    reasons: tuple[str, ...]
    """Why this series was chosen, in words free of scanner text."""
    slice_thickness_mm: float | None
    instances: tuple[SourceImage, ...] = ()
    """DICOM: the image of each slice, in the order of the third axis."""
    protocol: ScanProtocol | None = None
    """DICOM: how it was scanned."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Study:
    """One time point: its two series, native grids, nothing resampled."""

    t1: Series | None
    """None: a site allows FLAIR alone, and this study, or the one it is compared with, has no T1."""
    flair: Series
    acquired: date | None
    identity: Identity | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BrainMask:
    """A brain mask on the FLAIR grid of its study."""

    mask: Volume
    """bool, on the FLAIR's own grid."""
    skull_stripped: bool
    """The input came without skull, so the mask is its own nonzero region."""
    explained: float
    """How far the regions of a brain say what the image shows, 0 to 1; 1.0 for skull-stripped input."""
    regions: Volume | None = None
    """uint8, `model.head_labels.Region` on the FLAIR's own grid; None: the regions could not be told."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Alignment:
    """World transforms (4x4, LPS mm) of one study, and of the pair."""

    flair_from_t1: Affine
    """Maps T1 world points to FLAIR world points of the same study."""
    correlation: float
    """Quality number in the brain: normalised mutual information or correlation, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PairAlignment:
    """Follow-up FLAIR to baseline FLAIR: the symmetric mean of both directions."""

    baseline_from_follow_up: Affine
    inverse_consistency_mm: float
    """Mean distance over the brain between a point and itself sent there (A to B) and back (B to A)."""
    correlation: float
    """Normalised correlation of the aligned FLAIR images inside the common brain mask."""
    overlap: float
    """Dice overlap of the two brain masks after alignment."""
    backend: str
    kind: AlignmentKind
    common_space: CommonSpace = "half-way"
    """Where the two meet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairEvidence:
    """What the images of a pair say beside the numbers of its alignment; not a number: it could not be measured."""

    rotation_deg: float
    """Of the head between the two scans' patient axes."""
    shift_mm: float
    """Of the brain's centre between them."""
    noise: tuple[float, float]
    """Baseline, follow-up: standard deviation of the noise as a part of the brain's signal."""
    lines_motion_mm: float | None = math.nan
    """How far the head moved between lines of k-space of a scan; None: one shows too little of the brain."""
    slices_motion_mm: float | None = math.nan
    """And between neighbouring slices."""
    second_start_mm: float = math.nan
    """Mean distance over the brain between the alignment and the one that is found from another start."""
    likeness_to_mirrored: float = math.nan
    """How much better the follow-up fits than its mirror image: ratio of mutual information."""
    shape_agreement: float | None = math.nan
    """Cohen's kappa of the regions of both brains after rigid alignment; None where regions are not known."""
    detail_correlation: float = math.nan
    """Of the fine structure of both FLAIR images in the common brain after rigid alignment."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetworkInput:
    """Both time points on one 1 mm grid with `RAS_AXES`, z-scored inside the brain, zero outside."""

    baseline: Float32[NDArray[Any], "channel d h w"] | None
    follow_up: Float32[NDArray[Any], "channel d h w"]
    grid: Grid
    """World: the half-way space between baseline and follow-up (the follow-up's own in single time point mode)."""
    baseline_from_grid: Affine | None
    """World of the grid -> world of the baseline FLAIR."""
    follow_up_from_grid: Affine
    """World of the grid -> world of the follow-up FLAIR."""
    brain: Bool[NDArray[Any], "d h w"]
    """Union of the brain masks."""
    seen_in_both: Bool[NDArray[Any], "d h w"]
    """Inside the field of view of every image of both studies."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prediction:
    """Lesion probability of both time points on the common grid."""

    baseline: Float32[NDArray[Any], "d h w"] | None
    follow_up: Float32[NDArray[Any], "d h w"]
    baseline_alone: Float32[NDArray[Any], "d h w"] | None = None
    """A second opinion: the scan as its own prior; None where it was not asked for."""
    follow_up_alone: Float32[NDArray[Any], "d h w"] | None = None

    @property
    def alone(self) -> tuple[Float32[NDArray[Any], "d h w"] | None, ...]:
        """The second opinions, one for each time point."""
        return (self.follow_up_alone,) if self.baseline is None else (self.baseline_alone, self.follow_up_alone)


IDENTITY_4X4: Affine = np.eye(4)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TimePoint:
    """One study with its brain mask and the alignment of its T1."""

    study: Study
    brain: BrainMask
    alignment: Alignment | None
    """None where there is no T1 to align."""
