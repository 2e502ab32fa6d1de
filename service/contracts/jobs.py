"""A job: its states, what moves it from one to the next, and its row.

queued ---claim--> running ---succeed--> succeeded
|  ^                |  |
|  +---requeue------+  +---fail-----> failed
+---cancel---+      |
+---fail     +--> cancelled <--cancel
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from service.contracts.errors import IllegalTransition


class JobState(StrEnum):
    """Where a job stands. A run that ends in "cannot be compared" has succeeded: it is an answer."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """True for the three states that nothing leaves."""
        return self in ENDED


class JobEvent(StrEnum):
    """What can happen to a job."""

    CLAIM = "claim"
    REQUEUE = "requeue"
    SUCCEED = "succeed"
    FAIL = "fail"
    CANCEL = "cancel"


ENDED = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})

TRANSITIONS: dict[tuple[JobState, JobEvent], JobState] = {
    (JobState.QUEUED, JobEvent.CLAIM): JobState.RUNNING,
    (JobState.QUEUED, JobEvent.CANCEL): JobState.CANCELLED,
    (JobState.QUEUED, JobEvent.FAIL): JobState.FAILED,
    (JobState.RUNNING, JobEvent.REQUEUE): JobState.QUEUED,
    (JobState.RUNNING, JobEvent.SUCCEED): JobState.SUCCEEDED,
    (JobState.RUNNING, JobEvent.FAIL): JobState.FAILED,
    (JobState.RUNNING, JobEvent.CANCEL): JobState.CANCELLED,
}


def advance(state: JobState, event: JobEvent) -> JobState:
    """The state after the event.

    Raises:
        IllegalTransition: the state does not allow the event.
    """
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransition(f"a {state} job does not take the event {event}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A worker's hold on a job: only its token may write the job's outcome."""

    job_id: str
    token: str
    attempt: int
    expires: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One row of the job table; all times are UTC."""

    id: str
    state: JobState
    follow_up: str
    baseline: str | None
    options: dict[str, object]
    callback_url: str | None
    visits: tuple[str, ...]
    """Studies that are followed, in the order of time; empty: `follow_up` is compared with `baseline`."""
    deliver_to: tuple[str, ...]
    """Names of the destinations that the result goes to."""
    owner: str
    """Id of the API key that made the job."""
    created: datetime
    started: datetime | None
    ended: datetime | None
    attempt: int
    """How often a worker has claimed it; results of attempt n lie under `jobs/{id}/{n}/`."""
    stage: str | None
    fraction: float
    """Part of the work that is done, 0 to 1."""
    error_code: str | None
    error_message: str | None
    cancel_requested: bool

    @property
    def report_name(self) -> str:
        """The last part of the report's address, which differs with what a report holds."""
        return "series-report" if self.visits else "report"
