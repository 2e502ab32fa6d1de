"""The change report: the one value that every output format is rendered from.

World coordinates are millimetres in DICOM patient axes (LPS) of the named scan.
"""

from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from service.contracts.measures import BrainVolumeChange, Interval, LesionRegion, RulesInfo, VolumeIntervalsMl
from service.contracts.options import AlignmentKind, CommonSpace

REPORT_SCHEMA_VERSION = "1.2"
MEASUREMENT_RULES_VERSION = "1.5"
RESEARCH_USE = "For research use. Not a medical device."
AI_RESULT = "AI result, not verified"
"""Stands on every page and in every DICOM object of a result."""

Point = tuple[float, float, float]
Matrix = tuple[tuple[float, ...], ...]


class LesionStatus(StrEnum):
    """What happened to a lesion between the two time points."""

    NEW = "new"
    ENLARGING = "enlarging"
    STABLE = "stable"
    SHRINKING = "shrinking"
    RESOLVED = "resolved"
    INDETERMINATE = "indeterminate"


CHANGE_LABELS: dict[LesionStatus, int] = {status: label for label, status in enumerate(LesionStatus, start=1)}
"""Voxel values of `change.nii.gz`."""


class Flag(StrEnum):
    """Traffic light of a quality gate."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Reason(_Frozen):
    """Why the studies cannot be compared (red), or only with care (amber)."""

    code: str
    flag: Flag
    message: str


class LesionRow(_Frozen):
    """One lesion, or one group of lesions that overlap across the time points.

    `centroid_mm` is of the follow-up's lesion in the follow-up scan's patient space, `baseline_centroid_mm` of the
    baseline's in the baseline's; where a lesion is not there, of its place, carried over by the registration.
    """

    id: int = Field(ge=1)
    tracking_uid: str | None = Field(
        default=None,
        description="DICOM tracking UID; stays the lesion's when the follow-up is the baseline of a later comparison",
    )
    status: LesionStatus | None = Field(description="null in single time point mode")
    counted: bool = Field(description="at least 14 mm3 at the larger of its time points")
    baseline_volume_mm3: float | None
    follow_up_volume_mm3: float
    equivalent_diameter_mm: float = Field(description="diameter of a sphere of the larger volume")
    centroid_mm: Point
    baseline_centroid_mm: Point | None
    new_part_volume_mm3: float = Field(
        default=0.0, description="confluent growth: follow-up voxels beyond the baseline lesion"
    )
    baseline_components: int = Field(ge=0, description="more than one: lesions merged")
    follow_up_components: int = Field(ge=0, description="more than one: a lesion split")
    probability: float = Field(ge=0, le=1, description="highest lesion probability inside it, either time point")
    region: LesionRegion | None = Field(default=None, description="null: not known where the brain's parts lie")
    surface_mm2: float | None = Field(default=None, description="of its surface at the larger of its time points")
    long_axis_mm: float | None = Field(
        default=None, description="longest extent in any direction at the larger of its time points"
    )
    flair_change_sd: float | None = Field(
        default=None,
        description="mean FLAIR over its voxels of either time, follow-up minus baseline, each scan in standard "
        "deviations of its own normal-appearing white matter; null in single time point mode",
    )
    certainty: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="that the direction of its status (more, the same, less) is right; null without a direction",
    )
    baseline_interval_mm3: Interval | None = Field(default=None, description="95 %; null: not known or no lesion then")
    follow_up_interval_mm3: Interval | None = Field(default=None, description="95 %; null: not known or no lesion then")


class Counts(_Frozen):
    """Number of lesions (groups) of each status."""

    new: int = 0
    enlarging: int = 0
    stable: int = 0
    shrinking: int = 0
    resolved: int = 0
    indeterminate: int = 0


class RegionRow(_Frozen):
    """The lesions of one region of the brain; `service.contracts.measures.REGIONS_NOTE` belongs beside them."""

    region: LesionRegion
    lesions: int = Field(ge=0, description="at least 14 mm3, groups of either time point")
    counts: Counts | None = Field(description="of these, by status; null in single time point mode")
    baseline_volume_ml: float | None = Field(description="from 3 mm3; null in single time point mode")
    follow_up_volume_ml: float = Field(description="from 3 mm3")


class VolumesMl(_Frozen):
    """Total lesion volume, ml, components of at least 3 mm3."""

    baseline: float | None
    follow_up: float


class LesionCounts(_Frozen):
    """Number of lesions per time point under both size rules."""

    baseline: int | None = Field(description="at least 14 mm3")
    follow_up: int = Field(description="at least 14 mm3")
    baseline_from_3_mm3: int | None
    follow_up_from_3_mm3: int


class Check(_Frozen):
    """One quality gate with its number and its limits."""

    name: str
    value: float | str | None
    unit: str = ""
    flag: Flag
    expected: str


class SeriesChoice(_Frozen):
    """The series used for one sequence, and why. Opaque: no text of the scanner is repeated here."""

    sequence: Literal["T1", "FLAIR"]
    source: Literal["dicom", "nifti"]
    reasons: tuple[str, ...]
    shape: tuple[int, int, int]
    spacing_mm: Point
    skull_stripped: bool


class StudySummary(_Frozen):
    """What is known of one time point."""

    acquired: str | None = Field(description="ISO date, if the caller or the DICOM header gave one")
    series: tuple[SeriesChoice, ...]
    lesion_mask_volume_ml: float = Field(description="volume of the written mask on the scan's own FLAIR grid")


class ModelInfo(_Frozen):
    """The network that made the masks."""

    name: str
    method: str
    sha256: tuple[str, ...]
    threshold: float = Field(description="from this probability a voxel is lesion")
    lesion_threshold: float = Field(
        description="what a lesion's surest voxel must reach, at one time point or the other"
    )
    self_prior: float = Field(
        default=0.0,
        description="part in how sure a lesion is, of the network's opinion of each scan without the other one",
    )
    mask_only_changes: Literal["settle", "keep"] = Field(
        description="whether masks may differ where FLAIR does not: settle, no; keep, yes"
    )
    mirroring: bool
    prior_policy: str
    record: str = Field(description="a line on the training")


class Versions(_Frozen):
    """Versions of what made the report."""

    msdelta: str
    schema_version: str = REPORT_SCHEMA_VERSION
    measurement_rules: str = MEASUREMENT_RULES_VERSION
    libraries: dict[str, str]


class RegistrationInfo(_Frozen):
    """Alignment of follow-up to baseline: 4x4, mm to mm, LPS."""

    backend: str
    kind: AlignmentKind | None = Field(
        default=None, description="rigid: a difference in scale is left in the volumes; null in reports without it"
    )
    common_space: CommonSpace | None = Field(
        default=None, description="where the visits were resampled to and measured; null in reports without it"
    )
    baseline_from_follow_up: Matrix
    inverse_consistency_mm: float
    correlation: float


class Signature(_Frozen):
    """Over the canonical JSON of the report without it: sorted keys, no spaces, UTF-8."""

    algorithm: Literal["HMAC-SHA256"] = "HMAC-SHA256"
    key_id: str = Field(description="names the installation's key, 16 hexadecimal digits")
    value: str = Field(description="64 hexadecimal digits")


class Report(_Frozen):
    """The answer: what changed, whether it can be trusted, and what made it."""

    notice: str = RESEARCH_USE
    mode: Literal["longitudinal", "single_time_point"]
    comparable: bool
    reasons: tuple[Reason, ...]
    active: bool | None = Field(description="any new or enlarging lesion that counts; null when not comparable")
    counts: Counts | None = Field(description="lesions from 14 mm3; null when not comparable")
    counts_from_3_mm3: Counts | None
    lesion_counts: LesionCounts
    volumes_ml: VolumesMl
    lesions: tuple[LesionRow, ...]
    follow_up: StudySummary
    baseline: StudySummary | None
    registration: RegistrationInfo | None
    quality: tuple[Check, ...]
    model: ModelInfo
    versions: Versions
    job_id: str | None = None
    created: AwareDatetime
    timings_s: dict[str, float]
    regions: tuple[RegionRow, ...] = Field(
        default=(), description="counts and volumes by region; empty: the parts of the brain are not known"
    )
    regions_note: str | None = Field(default=None, description="what the regions do not say; null without them")
    volume_intervals_ml: VolumeIntervalsMl = VolumeIntervalsMl()
    rules: RulesInfo | None = Field(default=None, description="null in reports of schema 1.0")
    brain_volume_change: BrainVolumeChange | None = Field(default=None, description="null in single time point mode")
    signature: Signature | None = Field(default=None, description="null where the installation has no key")
