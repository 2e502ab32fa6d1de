"""The gate of a series: does the way from visit to visit end where the direct way from first to last does."""

from service.contracts.report import Flag, Reason
from worker.quality import Assessment
from worker.quality_limits import Limit

DRIFT = Limit(
    name="drift",
    unit="mm",
    amber=1.0,
    red=2.0,
    good="low",
    message="the alignments from visit to visit do not lead where the direct one from first to last does",
    why="lesions are matched with a slack of 1 mm; at twice that a lesion of 3 mm need not be found on itself",
)


def assess_drift(apart_mm: float) -> Assessment:
    """The gate of the pair of first and last; red: no change numbers from first to last."""
    check = DRIFT.judge(apart_mm)
    if check.flag is Flag.GREEN:
        return Assessment(checks=(check,))
    reason = Reason(code=check.name, flag=check.flag, message=DRIFT.message_of(check))
    return Assessment(checks=(check,), reasons=(reason,))
