"""The report of several visits: the lesion ledger, what changed between visits, and whether it can be trusted.

Visits are numbered from 1 in the order of time. World coordinates are millimetres in DICOM patient axes (LPS) of the
named visit's FLAIR.
"""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from service.contracts.measures import BrainVolumeChange, Interval, LesionRegion, RulesInfo
from service.contracts.report import (
    RESEARCH_USE,
    Check,
    Counts,
    LesionRow,
    LesionStatus,
    ModelInfo,
    Point,
    Reason,
    RegionRow,
    RegistrationInfo,
    Signature,
    StudySummary,
    Versions,
)

SERIES_SCHEMA_VERSION = "1.1"

EventName = Literal["appeared", "gone", "returned", "merged", "split", "confluent_growth", "new_part", "part_gone"]
PairRole = Literal["adjacent", "first_to_last", "not_used"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class VisitSummary(_Frozen):
    """One visit: its study, and its lesions."""

    visit: int = Field(ge=1)
    followed: bool = Field(description="in the ledger; false: not comparable with the others, segmented alone")
    study: StudySummary
    mask: str = Field(description="artifact: the lesions on this visit's FLAIR grid, each voxel the id of its lesion")
    lesions: int = Field(description="separate lesions of at least 14 mm3")
    lesions_from_3_mm3: int
    volume_ml: float = Field(description="components of at least 3 mm3, on the common grid")
    volume_interval_ml: Interval | None = Field(default=None, description="95 %; null: not known")


class PairSummary(_Frozen):
    """Two visits that were compared, or could not be."""

    baseline: int = Field(ge=1, description="the earlier visit")
    follow_up: int = Field(ge=1, description="the later visit")
    role: PairRole = Field(
        description="in the ledger: a visit with the next, or the first with the last; not_used: tried to find the "
        "visits that can be followed"
    )
    comparable: bool
    reasons: tuple[Reason, ...]
    quality: tuple[Check, ...]
    registration: RegistrationInfo | None
    active: bool | None = Field(description="any new or enlarging lesion that counts; null: no change is given")
    counts: Counts | None = Field(description="lesions from 14 mm3, as a comparison of the two counts them")
    counts_from_3_mm3: Counts | None
    regions: tuple[RegionRow, ...] = Field(
        default=(), description="counts and volumes by region; empty: the parts of the brain are not known"
    )
    brain_volume_change: BrainVolumeChange | None = Field(default=None, description="null: no change is given")


class LesionVisit(_Frozen):
    """A lesion of the ledger at one visit."""

    visit: int = Field(ge=1)
    volume_mm3: float = Field(description="0: it is not there")
    interval_mm3: Interval | None = Field(default=None, description="95 %; null: not known or no lesion then")
    components: int = Field(ge=0, description="separate lesions of the mask that it consists of")
    centroid_mm: Point | None
    probability: float = Field(ge=0, le=1, description="highest lesion probability inside it at this visit")
    covered: bool = Field(description="the field of view holds every place that the lesion has at any visit")


class LesionInterval(_Frozen):
    """What happened to a lesion of the ledger between two compared visits."""

    baseline: int = Field(ge=1)
    follow_up: int = Field(ge=1)
    status: LesionStatus = Field(description="of its parts together")
    parts: tuple[LesionRow, ...] = Field(
        description="the rows of the comparison of the two visits that belong to it; more than one where lesions are "
        "apart at both that hang together over all visits"
    )


class LesionEvent(_Frozen):
    """What a visit shows that the one before did not."""

    kind: EventName
    visit: int = Field(ge=1)


class LedgerRow(_Frozen):
    """One lesion over all visits that are followed."""

    id: int = Field(ge=1)
    uid: str = Field(description="tracking UID, the same at every visit")
    counted: bool = Field(description="at least 14 mm3 at some visit")
    visits: tuple[LesionVisit, ...]
    changes: tuple[LesionInterval, ...]
    events: tuple[LesionEvent, ...]
    region: LesionRegion | None = Field(default=None, description="of its largest part; null: not known")


class SeriesReport(_Frozen):
    """The answer over all visits."""

    notice: str = RESEARCH_USE
    mode: Literal["series"] = "series"
    comparable: bool = Field(description="at least two visits can be followed")
    reasons: tuple[Reason, ...]
    visits: tuple[VisitSummary, ...]
    pairs: tuple[PairSummary, ...]
    ledger: tuple[LedgerRow, ...]
    regions_note: str | None = Field(default=None, description="what the regions do not say; null without them")
    rules: RulesInfo
    model: ModelInfo
    versions: Versions
    job_id: str | None = None
    created: AwareDatetime
    timings_s: dict[str, float]
    signature: Signature | None = Field(default=None, description="null where the installation has no key")
