"""Quality gates: may these two studies be compared, and with how much care.

Red: no change numbers. Amber: numbers, flagged. Every gate is a row of the report with its value and its limits.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from service.contracts.report import Check, Flag, Reason
from worker.case import NetworkInput, PairAlignment, TimePoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """Amber and red limits of one number, and which side is good."""

    name: str
    unit: str
    amber: float
    red: float | None
    good: Literal["high", "low"]
    message: str
    why: str
    """Where the limits come from."""

    def judge(self, value: float) -> Check:
        """The row of the report; a value that is not a number was not measured, and is as bad as the worst."""
        known = math.isfinite(value)
        return Check(
            name=self.name,
            value=round(value, 4) if known else None,
            unit=self.unit,
            flag=self._flag(value) if known else self._worst,
            expected=self._expected,
        )

    def _flag(self, value: float) -> Flag:
        if self.red is not None and self._beyond(value, self.red):
            return Flag.RED
        return Flag.AMBER if self._beyond(value, self.amber) else Flag.GREEN

    def _beyond(self, value: float, limit: float) -> bool:
        return value < limit if self.good == "high" else value > limit

    @property
    def _worst(self) -> Flag:
        return Flag.AMBER if self.red is None else Flag.RED

    @property
    def _expected(self) -> str:
        side, past = ("at least", "below") if self.good == "high" else ("at most", "above")
        return f"{side} {self.amber:g}" + ("" if self.red is None else f", red {past} {self.red:g}")


# Measured with this registration on five pairs of open_ms_data (three of one patient, two of different patients). The
# red limits lie in the gap between them: chosen on these pairs, not yet tested on others.
OVERLAP = Limit(
    name="brain_overlap",
    unit="Dice",
    amber=0.90,
    red=0.75,
    good="high",
    message="the two brain masks do not lie on each other after alignment",
    why="finds alignments that failed, and no wrong patients: pairs of one patient 0.98, of two 0.96",
)
CORRELATION = Limit(
    name="flair_correlation",
    unit="",
    amber=0.60,
    red=0.45,
    good="high",
    message="the two FLAIR images do not look alike after alignment",
    why="pairs of one patient 0.62 to 0.94, of two patients 0.33 and 0.43",
)
CONSISTENCY = Limit(
    name="inverse_consistency",
    unit="mm",
    amber=0.7,
    red=1.2,
    good="low",
    message="aligning there and back does not return to the start",
    why="pairs of one patient 0.14 to 0.47 mm, of two patients 1.8 and 3.8 mm",
)
COVERAGE = Limit(
    name="common_coverage",
    unit="part of the brain",
    amber=0.97,
    red=0.60,
    good="high",
    message="part of the brain lies outside the field of view of one study",
    why="a slice or two at the vertex or the skull base is common; with much less, most of the load is not compared",
)
THICKNESS = Limit(
    name="slice_thickness",
    unit="mm",
    amber=3.5,
    red=8.0,
    good="low",
    message="thick slices hide small lesions",
    why="the lesion that counts is 3 mm across, and 3 mm is the thickest slice the MAGNIMS protocol accepts",
)
THICKNESS_RATIO = Limit(
    name="slice_thickness_ratio",
    unit="",
    amber=2.0,
    red=None,
    good="low",
    message="the two studies differ in slice thickness: small lesions may seem to come or go",
    why="a lesion of one thick slice has half the contrast or less when it lies across two",
)
VOLUME_RATIO = Limit(
    name="brain_volume_ratio",
    unit="",
    amber=1.15,
    red=1.5,
    good="low",
    message="the two brains differ in volume: the same patient?",
    why="a brain changes by a percent or two in a year, its mask by a few more with contrast and coverage",
)
IN_PLANE_RATIO = Limit(
    name="in_plane_spacing_ratio",
    unit="",
    amber=1.5,
    red=None,
    good="low",
    message="the two studies differ in pixel size: outlines, and so volumes, differ with it",
    why="at 1.5 the area of a pixel more than doubles",
)
LIMITS = (OVERLAP, CORRELATION, CONSISTENCY, COVERAGE, THICKNESS, THICKNESS_RATIO, IN_PLANE_RATIO, VOLUME_RATIO)
NEAR_DUPLICATE_CORRELATION = 0.9995
"""Beyond this it is the same scan twice: the best real pair seen reached 0.94, and noise alone parts two scans."""

NO_T1 = (
    "no T1 in every study: the lesions come from FLAIR alone, for which the network was not trained; "
    "more is missed and more is falsely marked (docs/series-selection.md)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """The gates' rows and, of those that are not green, the reasons."""

    checks: tuple[Check, ...] = ()
    reasons: tuple[Reason, ...] = ()

    @property
    def comparable(self) -> bool:
        """No gate is red."""
        return all(reason.flag is not Flag.RED for reason in self.reasons)

    def __add__(self, other: "Assessment") -> "Assessment":
        return Assessment(checks=self.checks + other.checks, reasons=self.reasons + other.reasons)


def assess_pair(before: TimePoint, after: TimePoint, pair: PairAlignment) -> Assessment:
    """What the alignment and the headers say, before anything is resampled."""
    volumes = [_brain_ml(before), _brain_ml(after)]
    thicknesses = [_thickness_mm(before), _thickness_mm(after)]
    pixels = [min(t.study.flair.volume.spacing) for t in (before, after)]
    judged = [
        OVERLAP.judge(pair.overlap),
        CORRELATION.judge(pair.correlation),
        CONSISTENCY.judge(pair.inverse_consistency_mm),
        THICKNESS.judge(max(thicknesses)),
        THICKNESS_RATIO.judge(max(thicknesses) / min(thicknesses)),
        IN_PLANE_RATIO.judge(max(pixels) / min(pixels)),
        VOLUME_RATIO.judge(max(volumes) / min(volumes) if min(volumes) > 0 else math.nan),
    ]
    return Assessment(checks=tuple(judged), reasons=tuple(_reasons(judged)) + tuple(_notes(before, after, pair)))


def assess_coverage(prepared: NetworkInput) -> Assessment:
    """How much of the brain both studies show."""
    seen = float((prepared.brain & prepared.seen_in_both).sum()) / max(1, int(prepared.brain.sum()))
    check = COVERAGE.judge(seen)
    return Assessment(checks=(check,), reasons=tuple(_reasons([check])))


def assess_single(time_point: TimePoint) -> Assessment:
    """The gates of one study without a baseline."""
    check = THICKNESS.judge(_thickness_mm(time_point))
    note = Reason(code="no_baseline", flag=Flag.AMBER, message="no baseline study: single time point mode, no change")
    return Assessment(checks=(check,), reasons=(note, *_without_t1(time_point), *_reasons([check])))


def not_aligned(message: str, *time_points: TimePoint) -> Assessment:
    """The registration failed: nothing can be compared, each study is segmented alone."""
    failed = Reason(code="registration_failed", flag=Flag.RED, message=message)
    return Assessment(reasons=(failed, *_without_t1(*time_points)))


def _reasons(checks: Iterable[Check]) -> list[Reason]:
    return [
        Reason(code=check.name, flag=check.flag, message=_message(check))
        for check in checks
        if check.flag is not Flag.GREEN
    ]


def _message(check: Check) -> str:
    limit = next(limit for limit in LIMITS if limit.name == check.name)
    saw = "could not be measured" if check.value is None else f"saw {check.value} {check.unit}".rstrip()
    return f"{limit.message} ({saw}, expected {check.expected})"


def _notes(before: TimePoint, after: TimePoint, pair: PairAlignment) -> list[Reason]:
    notes = _without_t1(before, after)
    first, second = before.study.acquired, after.study.acquired
    if first is not None and second is not None and second < first:
        message = "the follow-up was acquired before the baseline: new and resolved are swapped"
        notes.append(Reason(code="reversed_order", flag=Flag.AMBER, message=message))
    if pair.correlation > NEAR_DUPLICATE_CORRELATION:
        message = "the two studies are nearly identical: the same scan twice?"
        notes.append(Reason(code="near_duplicate", flag=Flag.AMBER, message=message))
    return notes


def _without_t1(*time_points: TimePoint) -> list[Reason]:
    if all(t.study.t1 is not None for t in time_points):
        return []
    return [Reason(code="no_t1", flag=Flag.AMBER, message=NO_T1)]


def _thickness_mm(t: TimePoint) -> float:
    """Slices may be thicker than their distance (overlapping) or thinner (gaps): the worse of the two."""
    return max(*t.study.flair.volume.spacing, t.study.flair.slice_thickness_mm or 0.0)


def _brain_ml(t: TimePoint) -> float:
    return float(np.count_nonzero(t.brain.mask.array)) * t.brain.mask.voxel_volume_mm3 / 1000.0
