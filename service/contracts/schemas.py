"""What the REST API takes and gives."""

from datetime import date
from typing import Literal

from pydantic import AnyHttpUrl, AwareDatetime, BaseModel, ConfigDict, Field

from service.contracts.jobs import JobState
from service.contracts.options import CompareOptions


class _Schema(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StudyReceipt(_Schema):
    """A stored study. It names nobody: the id is random."""

    id: str
    kind: Literal["dicom", "nifti"]
    instances: int = Field(description="files stored")
    bytes: int
    sha256: str = Field(description="over the files' digests, in the order of their stored names")
    acquired: date | None
    created: AwareDatetime


class JobRequest(_Schema):
    """What to compare."""

    follow_up: str = Field(description="study id")
    baseline: str | None = Field(default=None, description="study id; left out: single time point mode")
    options: CompareOptions = CompareOptions()
    callback_url: AnyHttpUrl | None = Field(default=None, description="told when the job has ended")


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


class Artifact(_Schema):
    """One file of a result."""

    name: str
    bytes: int
    media_type: str
    href: str


class ArtifactList(_Schema):
    """The files of a result; empty until the job has succeeded."""

    artifacts: tuple[Artifact, ...]


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
