"""What a comparison was asked for, and what its stages have found: the last values before results are written."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from model.changes import ChangeAnalysis
from service.contracts.options import CompareOptions
from worker.case import NetworkInput, PairAlignment
from worker.comparing import Measured
from worker.measurement_rules import Profile
from worker.pipeline_tools import Tools
from worker.quality import Assessment
from worker.segmentation import Segmented
from worker.stage_clock import StageClock

NOTHING_MEASURED = Measured()


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRequest:
    """What to compare, and where the results go."""

    baseline: Path | None
    """Folder of a study; None: single time point mode."""
    follow_up: Path
    out: Path
    options: CompareOptions
    baseline_acquired: date | None = None
    follow_up_acquired: date | None = None
    job_id: str | None = None
    earlier: Path | None = None
    """Folder of an earlier result whose follow-up is this baseline: its lesions keep their tracking UIDs."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """What the stages up to `compare` found."""

    baseline: Segmented | None
    follow_up: Segmented
    analysis: ChangeAnalysis | None
    """None when the studies are not comparable."""
    prepared: NetworkInput
    assessment: Assessment
    pair: PairAlignment | None
    measured: Measured = NOTHING_MEASURED


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Work:
    """What every later stage needs, of a comparison or of a series."""

    options: CompareOptions
    tools: Tools
    profile: Profile
    """The measurement rules that were asked for."""
    clock: StageClock
