"""Statements on rows of the job table that `job_store.py` composes; each runs in the caller's transaction."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, String, cast, or_, select, update

from service.contracts.deliveries import DeliveryKind, add_deliveries
from service.contracts.errors import JobNotFound
from service.contracts.jobs import TRANSITIONS, Job, JobEvent, JobState, Lease, advance
from service.contracts.tables import jobs


def row_of(connection: Connection, job_id: str) -> Row[Any]:
    """The row of an id.

    Raises:
        JobNotFound: there is none.
    """
    row = connection.execute(select(jobs).where(jobs.c.id == job_id)).first()
    if row is None:
        raise JobNotFound("no job has this id")
    return row


def as_job(row: Row[Any]) -> Job:
    """The value of a row."""
    values = {name: getattr(row, name) for name in Job.__dataclass_fields__}
    lists = {name: tuple(values[name]) for name in ("deliver_to", "visits")}
    return Job(**{**values, **lists, "state": JobState(row.state)})


def on_study(study_id: str) -> ColumnElement[bool]:
    """Jobs of a study: one of the two that are compared, or of the visits that are followed."""
    among_visits = cast(jobs.c.visits, String).contains(study_id, autoescape=True)
    return or_(jobs.c.baseline == study_id, jobs.c.follow_up == study_id, among_visits)


def held(lease: Lease) -> tuple[ColumnElement[bool], ...]:
    """The job of a lease, while it is this worker's."""
    return (
        jobs.c.id == lease.job_id,
        jobs.c.lease_token == lease.token,
        jobs.c.state == JobState.RUNNING.value,
    )


def ended(state: JobState, now: datetime) -> dict[str, Any]:
    """What changes when a job ends."""
    values: dict[str, Any] = {"ended": now, "lease_token": None, "lease_expires": None}
    return values | ({"fraction": 1.0, "stage": None} if state is JobState.SUCCEEDED else {})


def requeue(connection: Connection, which: tuple[ColumnElement[bool], ...], now: datetime) -> bool:
    """Queues a running job again; False when it is not to be had."""
    values: dict[str, Any] = {
        "state": advance(JobState.RUNNING, JobEvent.REQUEUE).value,
        "queued": now,
        "lease_token": None,
        "lease_expires": None,
    }
    return connection.execute(update(jobs).where(*which).values(**values)).rowcount == 1


def close(
    connection: Connection,
    which: tuple[ColumnElement[bool], ...],
    event: JobEvent,
    now: datetime,
    *,
    error: tuple[str, str] | None = None,
) -> None:
    """Ends a running job whose worker was lost; `error` is its code and message."""
    state = TRANSITIONS[JobState.RUNNING, event]
    code, message = error or (None, None)
    values = {"state": state.value, "error_code": code, "error_message": message, **ended(state, now)}
    connection.execute(update(jobs).where(*which).values(**values))


def note_deliveries(connection: Connection, job_id: str, now: datetime) -> None:
    """The callback at every end; the result to its destinations when there is one."""
    row = row_of(connection, job_id)
    targets = (row.callback_url,) if row.callback_url else ()
    add_deliveries(connection, job_id=job_id, kind=DeliveryKind.CALLBACK, targets=targets, due=now)
    if row.state == JobState.SUCCEEDED.value:
        add_deliveries(connection, job_id=job_id, kind=DeliveryKind.DICOM, targets=row.deliver_to, due=now)
