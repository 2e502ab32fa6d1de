"""Quality gates: may these two studies be compared, and with how much care.

Red: no change numbers. Amber: numbers, flagged. Every gate is a row of the report with its value and its limits.
"""

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

    def judge(self, value: float) -> Check:
        """The row of the report."""
        sign = 1 if self.good == "high" else -1
        flag = Flag.GREEN
        if sign * value < sign * self.amber:
            flag = Flag.AMBER
        if self.red is not None and sign * value < sign * self.red:
            flag = Flag.RED
        side = "at least" if self.good == "high" else "at most"
        red = "" if self.red is None else f", red beyond {self.red:g}"
        return Check(
            name=self.name, value=round(value, 4), unit=self.unit, flag=flag, expected=f"{side} {self.amber:g}{red}"
        )


OVERLAP = Limit(
    name="brain_overlap",
    unit="Dice",
    amber=0.90,
    red=0.75,
    good="high",
    message="the two brain masks do not lie on each other after alignment",
)
CORRELATION = Limit(
    name="flair_correlation",
    unit="",
    amber=0.60,
    red=0.25,
    good="high",
    message="the two FLAIR images do not look alike after alignment",
)
CONSISTENCY = Limit(
    name="inverse_consistency",
    unit="mm",
    amber=0.7,
    red=3.0,
    good="low",
    message="aligning there and back does not return to the start",
)
COVERAGE = Limit(
    name="common_coverage",
    unit="part of the brain",
    amber=0.97,
    red=0.60,
    good="high",
    message="part of the brain lies outside the field of view of one study",
)
THICKNESS = Limit(
    name="slice_thickness",
    unit="mm",
    amber=3.5,
    red=8.0,
    good="low",
    message="thick slices hide small lesions",
)
THICKNESS_RATIO = Limit(
    name="slice_thickness_ratio",
    unit="",
    amber=2.0,
    red=None,
    good="low",
    message="the two studies differ in slice thickness: small lesions may seem to come or go",
)
VOLUME_RATIO = Limit(
    name="brain_volume_ratio",
    unit="",
    amber=1.15,
    red=1.5,
    good="low",
    message="the two brains differ in volume: the same patient?",
)
LIMITS = (OVERLAP, CORRELATION, CONSISTENCY, COVERAGE, THICKNESS, THICKNESS_RATIO, VOLUME_RATIO)
NEAR_DUPLICATE_CORRELATION = 0.9995
"""Two scans of one head on one scanner correlate at 0.95 to 0.99: beyond this it is the same scan twice."""


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
    thicknesses = [max(t.study.flair.volume.spacing) for t in (before, after)]
    judged = [
        OVERLAP.judge(pair.overlap),
        CORRELATION.judge(pair.correlation),
        CONSISTENCY.judge(pair.inverse_consistency_mm),
        THICKNESS.judge(max(thicknesses)),
        THICKNESS_RATIO.judge(max(thicknesses) / min(thicknesses)),
        VOLUME_RATIO.judge(max(volumes) / max(min(volumes), 1e-6)),
    ]
    return Assessment(checks=tuple(judged), reasons=tuple(_reasons(judged)) + tuple(_notes(before, after, pair)))


def assess_coverage(prepared: NetworkInput) -> Assessment:
    """How much of the brain both studies show."""
    seen = float((prepared.brain & prepared.seen_in_both).sum()) / max(1, int(prepared.brain.sum()))
    check = COVERAGE.judge(seen)
    return Assessment(checks=(check,), reasons=tuple(_reasons([check])))


def assess_single(time_point: TimePoint) -> Assessment:
    """The gates of one study without a baseline."""
    check = THICKNESS.judge(max(time_point.study.flair.volume.spacing))
    note = Reason(code="no_baseline", flag=Flag.AMBER, message="no baseline study: single time point mode, no change")
    return Assessment(checks=(check,), reasons=(note, *_reasons([check])))


def not_aligned(message: str) -> Assessment:
    """The registration failed: nothing can be compared."""
    return Assessment(reasons=(Reason(code="registration_failed", flag=Flag.RED, message=message),))


def _reasons(checks: Iterable[Check]) -> list[Reason]:
    messages = {limit.name: limit.message for limit in LIMITS}
    return [
        Reason(
            code=check.name,
            flag=check.flag,
            message=f"{messages[check.name]} (saw {check.value} {check.unit}, expected {check.expected})".replace(
                " ,", ","
            ),
        )
        for check in checks
        if check.flag is not Flag.GREEN
    ]


def _notes(before: TimePoint, after: TimePoint, pair: PairAlignment) -> list[Reason]:
    notes = []
    first, second = before.study.acquired, after.study.acquired
    if first is not None and second is not None and second < first:
        message = "the follow-up was acquired before the baseline: new and resolved are swapped"
        notes.append(Reason(code="reversed_order", flag=Flag.AMBER, message=message))
    if pair.correlation > NEAR_DUPLICATE_CORRELATION:
        message = "the two studies are nearly identical: the same scan twice?"
        notes.append(Reason(code="near_duplicate", flag=Flag.AMBER, message=message))
    return notes


def _brain_ml(t: TimePoint) -> float:
    return float(np.count_nonzero(t.brain.mask.array)) * t.brain.mask.voxel_volume_mm3 / 1000.0
