"""Whether the change of the brain's volume is given, and what it is."""

from model.brain_volume import percent_change
from model.rules import NoiseRules
from service.contracts.measures import BrainVolumeChange
from service.contracts.report import Check, Flag
from worker.quality import Assessment

SCANNER_ROW = "same_scanner"
"""The gate that says whether both studies come from one scanner: `same`, `different` or `unknown`."""


def brain_volume_change(
    tissue_mm3: tuple[float, float] | None, assessment: Assessment, noise: NoiseRules
) -> BrainVolumeChange:
    """Percent of the baseline with its interval; or the reason why not: only a green pair of one scanner has one.

    Args:
        tissue_mm3: of baseline and follow-up where both were seen; None: the parts of the brain are not known.
        assessment: every gate of the pair.
        noise: how well the volume repeats.
    """
    refused = _refused(assessment, noise)
    if refused is not None:
        return refused
    if tissue_mm3 is None or min(tissue_mm3) <= 0:
        reason = "the parts of the brain are not known in both scans"
        return BrainVolumeChange(code="brain_parts_not_known", reason=reason)
    percent, (low, high) = percent_change(*tissue_mm3, noise.brain_log_sd)
    return BrainVolumeChange(percent=round(percent, 2), interval_percent=(round(low, 2), round(high, 2)))


def _refused(assessment: Assessment, noise: NoiseRules) -> BrainVolumeChange | None:
    """What the gates and the rules have against it; None: nothing."""
    if not assessment.comparable:
        return BrainVolumeChange(code="not_comparable", reason="the studies cannot be compared")
    amber = sorted({reason.code for reason in assessment.reasons} | set(_not_green(assessment.checks)))
    if amber:
        reason = f"not every quality gate is green: {', '.join(amber)}"
        return BrainVolumeChange(code="gates_not_green", reason=reason)
    if not any(check.name == SCANNER_ROW and check.value == "same" for check in assessment.checks):
        reason = "it is not known that both studies come from one scanner"
        return BrainVolumeChange(code="scanner_not_known", reason=reason)
    if noise.brain_log_sd <= 0:
        reason = "the rule set does not say how well the volume of the brain repeats"
        return BrainVolumeChange(code="repeatability_not_known", reason=reason)
    return None


def _not_green(checks: tuple[Check, ...]) -> list[str]:
    return [check.name for check in checks if check.flag is not Flag.GREEN]
