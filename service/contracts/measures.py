"""What is measured of lesions and of the brain beside the status: places, intervals, and the rules behind them."""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Interval = tuple[float, float]
"""Low and high end, 95 %."""

REGIONS_NOTE = (
    "T1 and FLAIR show three of the regions of the McDonald criteria (periventricular, juxtacortical or cortical, "
    "infratentorial) and neither the spinal cord nor the optic nerve. The regions come from a network's label map, and "
    "no number here says that a criterion is met."
)
"""Stands wherever regions are printed."""


class LesionRegion(StrEnum):
    """Where in the brain a lesion lies; the first that fits, in this order."""

    INFRATENTORIAL = "infratentorial"
    PERIVENTRICULAR = "periventricular"
    JUXTACORTICAL = "juxtacortical"
    """Touches or lies in the cortex."""
    DEEP_WHITE_MATTER = "deep_white_matter"
    """The rest of the brain: white matter away from ventricles and cortex, deep grey matter."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class VolumeIntervalsMl(_Frozen):
    """95 % intervals of the total lesion volume, ml, from the repeatability of the rule set; null: not known."""

    baseline: Interval | None = None
    follow_up: Interval | None = None
    change: Interval | None = Field(default=None, description="of follow-up minus baseline")


class RulesInfo(_Frozen):
    """The measurement rules that made the statuses, every number of them."""

    set: str = Field(description="name of the rule set: msdelta, or what a site's file calls its own")
    version: str
    profile: str
    numbers: dict[str, float] = Field(description="every number of the profile by its name; units are in the names")
    sources: dict[str, str] = Field(default_factory=dict, description="where numbers come from, by the group of them")
    digest: str = Field(description="of the numbers: two reports with the same digest used the same rules")


NotGivenCode = Literal[
    "not_comparable", "gates_not_green", "scanner_not_known", "brain_parts_not_known", "repeatability_not_known"
]
"""Why a change of the brain's volume is not given."""


class BrainVolumeChange(_Frozen):
    """Change of the brain's volume between the two scans, percent of the baseline, or why it is not given."""

    percent: float | None = None
    interval_percent: Interval | None = None
    reason: str | None = Field(default=None, description="why it is not given; null where it is")
    code: NotGivenCode | None = Field(
        default=None,
        description="of the reason; null where the change is given, and in reports made before the code was",
    )
