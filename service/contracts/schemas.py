"""What the REST API takes and gives."""

from datetime import date
from typing import Annotated, Literal

from pydantic import AnyHttpUrl, AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from service.contracts.arrivals import ArrivalState
from service.contracts.deliveries import DeliveryKind, DeliveryState
from service.contracts.jobs import JobState
from service.contracts.options import CompareOptions
from service.contracts.site import Name
from service.contracts.visits import MOST_VISITS


class _Schema(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StudyReceipt(_Schema):
    """A stored study. It names nobody: the id is random."""

    id: str
    kind: Literal["dicom", "nifti"]
    instances: int = Field(description="files stored")
    bytes: int
    sha256: str = Field(description="over the files' digests, sorted")
    acquired: date | None
    created: AwareDatetime


class JobRequest(_Schema):
    """What to compare."""

    follow_up: str = Field(description="study id")
    baseline: str | None = Field(default=None, description="study id; left out: single time point mode")
    options: CompareOptions = CompareOptions()
    callback_url: AnyHttpUrl | None = Field(default=None, description="told when the job has ended")
    deliver_to: tuple[Name, ...] = Field(
        default=(), max_length=32, description="destinations of the site that get the result's DICOM objects"
    )


class VisitsRequest(_Schema):
    """Which visits of one patient to follow."""

    visits: tuple[str, ...] = Field(
        min_length=2, max_length=MOST_VISITS, description="study ids in the order of time, each once"
    )
    options: CompareOptions = CompareOptions()
    callback_url: AnyHttpUrl | None = Field(default=None, description="told when the job has ended")

    @field_validator("visits")
    @classmethod
    def _each_once(cls, visits: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(visits)) < len(visits):
            raise ValueError("expected each study once")
        return visits


class SeriesRequest(_Schema):
    """Whose series are asked for."""

    follow_up: str = Field(description="study id")
    baseline: str | None = Field(default=None, description="study id; left out: the follow-up alone")


class JobError(_Schema):
    """Why a job failed."""

    code: str
    title: str
    detail: str


class JobView(_Schema):
    """A job as its owner sees it."""

    id: str
    state: JobState
    stage: str | None
    fraction: float
    baseline: str | None
    follow_up: str
    options: CompareOptions
    visits: tuple[str, ...] = Field(
        description="study ids of a series, in the order of time; baseline and follow_up are then the first and the "
        "last. Empty: a comparison"
    )
    deliver_to: tuple[str, ...]
    attempt: int
    created: AwareDatetime
    started: AwareDatetime | None
    ended: AwareDatetime | None
    error: JobError | None
    links: dict[str, str]


class JobList(_Schema):
    """One page of jobs, newest first."""

    jobs: tuple[JobView, ...]
    next: str | None = Field(description="cursor of the next page")


class DeliveryView(_Schema):
    """A delivery as the job's owner sees it: no address."""

    id: str
    kind: DeliveryKind
    destination: str | None = Field(description="its name in the site file; null: the callback")
    state: DeliveryState
    attempts: int
    last_attempt: AwareDatetime | None
    next_attempt: AwareDatetime | None
    delivered: AwareDatetime | None
    error_code: str | None = Field(description="of the last attempt")
    error_title: str | None


class DeliveryList(_Schema):
    """The deliveries of a job."""

    deliveries: tuple[DeliveryView, ...]


class Artifact(_Schema):
    """One file of a result."""

    name: str
    bytes: int
    media_type: str
    href: str


class ArtifactList(_Schema):
    """The files of a result; empty until the job has succeeded."""

    artifacts: tuple[Artifact, ...]


Uid = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)*$", max_length=64)]
"""DICOM PS3.5 9.1; zeros in front of a component do occur."""


class StableStudy(_Schema):
    """Which study has stopped growing, and where."""

    pacs: str = Field(description="name of the PACS in the site file")
    study_instance_uid: Uid
    baseline_study_instance_uid: Uid | None = Field(
        default=None, description="earlier study to compare with; null: the best one is looked for"
    )


class StudyStable(_Schema):
    """A message of a PACS (Standard Webhooks: type, time, data)."""

    type: Literal["study.stable"]
    timestamp: AwareDatetime
    data: StableStudy


class ArrivalView(_Schema):
    """A study that came by itself, without anything that leads to its patient."""

    id: str
    pacs: str | None = Field(description="name of the PACS; null: it was pushed to /dicom-web/studies")
    state: ArrivalState
    job: str | None = Field(description="id of the newest job made of it")
    failures: int = Field(description="looks that failed since the last one that did not")
    error: str | None = Field(description="code of the last failure")
    created: AwareDatetime
    due: AwareDatetime | None = Field(description="time of the next look")


class ArrivalList(_Schema):
    """Studies that came by themselves, newest first."""

    arrivals: tuple[ArrivalView, ...]


class Problem(BaseModel):
    """An error, RFC 9457, with our stable code."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    retryable: bool
    request_id: str


class Dependency(_Schema):
    """State of one part the service needs."""

    name: str
    ok: bool


class Readiness(_Schema):
    """Whether the service can take work, and the state of each dependency."""

    ready: bool
    dependencies: tuple[Dependency, ...]
