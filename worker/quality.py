"""Quality gates: may these two studies be compared, and with how much care.

Red: no change numbers. Amber: numbers, flagged. Every gate is a row of the report with its value and its limits.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from service.contracts.report import Check, Flag, Reason
from worker.case import NetworkInput, PairAlignment, PairEvidence, TimePoint
from worker.quality_limits import (
    CONSISTENCY,
    CORRELATION,
    COVERAGE,
    DETAIL,
    FLIP,
    IN_PLANE_RATIO,
    LIMITS,
    MOTION,
    NOISE,
    NOISE_RATIO,
    OVERLAP,
    ROTATION,
    SECOND_START,
    SHAPE,
    SHIFT,
    SLICE_STEPS,
    THICKNESS,
    THICKNESS_RATIO,
    VOLUME_RATIO,
    Limit,
)
from worker.quality_notes import compare_studies, without_t1


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


def assess_pair(
    before: TimePoint, after: TimePoint, pair: PairAlignment, evidence: PairEvidence | None = None
) -> Assessment:
    """What the alignment, the images and the headers say, before anything is resampled.

    Args:
        before: the baseline.
        after: the follow-up.
        pair: their alignment.
        evidence: what the images say beside it; None: they were not looked at, and those rows are missing.
    """
    volumes = [t.brain.mask.marked_ml for t in (before, after)]
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
    if evidence is not None:
        judged += _judged(evidence)
    stated, differences = compare_studies(before.study, after.study, pair.correlation)
    return Assessment(checks=(*judged, *stated), reasons=(*_reasons(judged), *differences, *without_t1(before, after)))


def _judged(evidence: PairEvidence) -> list[Check]:
    low, high = (float(f(evidence.noise)) for f in (np.min, np.max))  # of one not known, neither is
    return [
        FLIP.judge(evidence.likeness_to_mirrored),
        _if_known(SHAPE, evidence.shape_agreement),
        DETAIL.judge(evidence.detail_correlation),
        SECOND_START.judge(evidence.second_start_mm),
        ROTATION.judge(evidence.rotation_deg),
        SHIFT.judge(evidence.shift_mm),
        _if_known(MOTION, evidence.lines_motion_mm),
        _if_known(SLICE_STEPS, evidence.slices_motion_mm),
        NOISE.judge(high),
        NOISE_RATIO.judge(high / low if low > 0 else math.nan),
    ]


def _if_known(limit: Limit, value: float | None) -> Check:
    return limit.not_known() if value is None else limit.judge(value)


def assess_coverage(prepared: NetworkInput) -> Assessment:
    """How much of the brain both studies show."""
    seen = float((prepared.brain & prepared.seen_in_both).sum()) / max(1, int(prepared.brain.sum()))
    check = COVERAGE.judge(seen)
    return Assessment(checks=(check,), reasons=tuple(_reasons([check])))


def assess_single(time_point: TimePoint) -> Assessment:
    """The gates of one study without a baseline."""
    check = THICKNESS.judge(_thickness_mm(time_point))
    note = Reason(code="no_baseline", flag=Flag.AMBER, message="no baseline study: single time point mode, no change")
    return Assessment(checks=(check,), reasons=(note, *without_t1(time_point), *_reasons([check])))


def not_aligned(message: str, *time_points: TimePoint) -> Assessment:
    """The registration failed: nothing can be compared, each study is segmented alone."""
    failed = Reason(code="registration_failed", flag=Flag.RED, message=message)
    return Assessment(reasons=(failed, *without_t1(*time_points)))


def _reasons(checks: Iterable[Check]) -> list[Reason]:
    return [
        Reason(code=check.name, flag=check.flag, message=LIMITS[check.name].message_of(check))
        for check in checks
        if check.flag is not Flag.GREEN
    ]


def _thickness_mm(t: TimePoint) -> float:
    """Slices may be thicker than their distance (overlapping) or thinner (gaps): the worse of the two."""
    return max(*t.study.flair.volume.spacing, t.study.flair.slice_thickness_mm or 0.0)
