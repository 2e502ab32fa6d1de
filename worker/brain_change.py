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
    reason = _reason_against(tissue_mm3, assessment, noise)
    if tissue_mm3 is None or reason is not None:
        return BrainVolumeChange(reason=reason)
    percent, (low, high) = percent_change(*tissue_mm3, noise.brain_log_sd)
    return BrainVolumeChange(percent=round(percent, 2), interval_percent=(round(low, 2), round(high, 2)))


def _reason_against(tissue_mm3: tuple[float, float] | None, assessment: Assessment, noise: NoiseRules) -> str | None:
    if not assessment.comparable:
        return "the studies cannot be compared"
    amber = sorted({reason.code for reason in assessment.reasons} | set(_not_green(assessment.checks)))
    if amber:
        return f"not every quality gate is green: {', '.join(amber)}"
    if not any(check.name == SCANNER_ROW and check.value == "same" for check in assessment.checks):
        return "it is not known that both studies come from one scanner"
    if tissue_mm3 is None or min(tissue_mm3) <= 0:
        return "the parts of the brain are not known in both scans"
    return None if noise.brain_log_sd > 0 else "the rule set does not say how well the volume of the brain repeats"


def _not_green(checks: tuple[Check, ...]) -> list[str]:
    return [check.name for check in checks if check.flag is not Flag.GREEN]
