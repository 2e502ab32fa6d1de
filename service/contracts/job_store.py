"""The job table: the truth about every job. The broker only hints at it.

Every change is a compare-and-set on the state, and `advance` (jobs.py) is the only judge of what may follow what.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, and_, func, or_, select, update
from sqlalchemy.exc import IntegrityError

from service.contracts.errors import IdempotencyConflict, LeaseLost, WorkerLost
from service.contracts.job_rows import as_job, close, ended, held, note_deliveries, on_study, requeue, row_of
from service.contracts.jobs import Job, JobEvent, JobState, Lease, advance
from service.contracts.tables import jobs

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """What a job is made of."""

    follow_up: str
    baseline: str | None
    options: dict[str, object]
    callback_url: str | None
    owner: str
    idempotency_key: str | None
    request_digest: str
    deliver_to: tuple[str, ...] = ()
    """Names of destinations of the site file."""
    visits: tuple[str, ...] = ()
    """Studies that are followed, in the order of time; empty: `follow_up` is compared with `baseline`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """What a worker learns when it renews its lease."""

    held: bool
    cancel_requested: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What the sweeper did: jobs to send again, and jobs given up."""

    requeued: tuple[str, ...]
    failed: tuple[str, ...]


class JobStore:
    """Jobs in SQLite or PostgreSQL."""

    def __init__(self, engine: Engine, *, now: Clock = lambda: datetime.now(UTC)) -> None:
        self._engine = engine
        self._now = now

    def create(self, new: NewJob) -> tuple[Job, bool]:
        """The job, and whether it was made now: the same idempotency key and request give the job there is.

        Raises:
            IdempotencyConflict: the key was used with another request.
        """
        now = self._now()
        values = {
            "id": uuid.uuid4().hex,
            "state": JobState.QUEUED.value,
            "follow_up": new.follow_up,
            "baseline": new.baseline,
            "options": new.options,
            "callback_url": new.callback_url,
            "deliver_to": list(new.deliver_to),
            "visits": list(new.visits),
            "owner": new.owner,
            "idempotency_key": new.idempotency_key,
            "request_digest": new.request_digest,
            "created": now,
            "queued": now,
            "attempt": 0,
            "fraction": 0.0,
            "cancel_requested": False,
        }
        try:
            with self._engine.begin() as connection:
                connection.execute(jobs.insert().values(**values))
        except IntegrityError:
            return self._existing(new), False
        return self.get(str(values["id"])), True

    def get(self, job_id: str) -> Job:
        """The job of an id.

        Raises:
            JobNotFound: there is none.
        """
        with self._engine.connect() as connection:
            return as_job(row_of(connection, job_id))

    def page(
        self, *, owner: str | None, state: JobState | None, limit: int, before: tuple[datetime, str] | None
    ) -> list[Job]:
        """Jobs, newest first; of one owner, or of all (None)."""
        query = select(jobs).order_by(jobs.c.created.desc(), jobs.c.id.desc()).limit(limit)
        if owner is not None:
            query = query.where(jobs.c.owner == owner)
        if state is not None:
            query = query.where(jobs.c.state == state.value)
        if before is not None:
            created, job_id = before
            query = query.where(or_(jobs.c.created < created, and_(jobs.c.created == created, jobs.c.id < job_id)))
        with self._engine.connect() as connection:
            return [as_job(row) for row in connection.execute(query)]

    def newest_result_of(self, follow_ups: Sequence[str], *, owner: str) -> Job | None:
        """The comparison with one of these follow-ups that succeeded last; None where there is none."""
        query = (
            select(jobs)
            .where(
                jobs.c.state == JobState.SUCCEEDED.value,
                jobs.c.owner == owner,
                jobs.c.follow_up.in_(follow_ups),
                func.json_array_length(jobs.c.visits) == 0,
            )
            .order_by(jobs.c.ended.desc(), jobs.c.id.desc())
            .limit(1)
        )
        with self._engine.connect() as connection:
            row = connection.execute(query).first()
        return None if row is None else as_job(row)

    def uses_study(self, study_id: str) -> bool:
        """True while a job that has not ended needs the study."""
        live = jobs.c.state.in_([JobState.QUEUED.value, JobState.RUNNING.value])
        query = select(jobs.c.id).where(live, on_study(study_id)).limit(1)
        with self._engine.connect() as connection:
            return connection.execute(query).first() is not None

    def claim(self, job_id: str, *, lease_s: float) -> Lease | None:
        """A lease on a queued job, or None when it is not to be had (running, ended, unknown): the message is old."""
        now, token = self._now(), uuid.uuid4().hex
        expires = now + timedelta(seconds=lease_s)
        changed = {
            "state": advance(JobState.QUEUED, JobEvent.CLAIM).value,
            "attempt": jobs.c.attempt + 1,
            "lease_token": token,
            "lease_expires": expires,
            "started": now,
            "stage": None,
            "fraction": 0.0,
        }
        with self._engine.begin() as connection:
            taken = connection.execute(
                update(jobs).where(jobs.c.id == job_id, jobs.c.state == JobState.QUEUED.value).values(**changed)
            )
            if taken.rowcount != 1:
                return None
            attempt = int(row_of(connection, job_id).attempt)
        return Lease(job_id=job_id, token=token, attempt=attempt, expires=expires)

    def heartbeat(self, lease: Lease, *, lease_s: float, stage: str | None, fraction: float) -> Heartbeat:
        """Renews the lease and notes the progress; tells whether it is still held and whether to stop."""
        expires = self._now() + timedelta(seconds=lease_s)
        with self._engine.begin() as connection:
            renewed = connection.execute(
                update(jobs).where(*held(lease)).values(lease_expires=expires, stage=stage, fraction=fraction)
            )
            if renewed.rowcount != 1:
                return Heartbeat(held=False, cancel_requested=False)
            return Heartbeat(held=True, cancel_requested=bool(row_of(connection, lease.job_id).cancel_requested))

    def finish(
        self, lease: Lease, event: JobEvent, *, error_code: str | None = None, error_message: str | None = None
    ) -> None:
        """Ends the job, and notes what is to be delivered, in one transaction.

        Raises:
            LeaseLost: another worker holds the job, or it has ended.
        """
        now, state = self._now(), advance(JobState.RUNNING, event)
        with self._engine.begin() as connection:
            done = connection.execute(
                update(jobs)
                .where(*held(lease))
                .values(state=state.value, error_code=error_code, error_message=error_message, **ended(state, now))
            )
            if done.rowcount != 1:
                raise LeaseLost("the lease ran out before the job was finished")
            note_deliveries(connection, lease.job_id, now)

    def request_cancel(self, job_id: str) -> Job:
        """A queued job is cancelled at once; a running one is asked to stop.

        Raises:
            JobNotFound, IllegalTransition: there is no such job, or it has ended.
        """
        now = self._now()
        with self._engine.begin() as connection:
            state = JobState(row_of(connection, job_id).state)
            after = advance(state, JobEvent.CANCEL)
            values: dict[str, Any] = {"cancel_requested": True}
            if state is JobState.QUEUED:
                values |= {"state": after.value, **ended(after, now)}
            changed = connection.execute(
                update(jobs).where(jobs.c.id == job_id, jobs.c.state == state.value).values(**values)
            )
            if changed.rowcount == 1 and state is JobState.QUEUED:
                note_deliveries(connection, job_id, now)
        return self.get(job_id)

    def give_back(self, lease: Lease) -> bool:
        """Queues a running job again, because its worker stops; False when the lease was lost already."""
        with self._engine.begin() as connection:
            return requeue(connection, held(lease), self._now())

    def sweep(self, *, max_attempts: int) -> Swept:
        """Takes jobs back from leases that ran out: queued again, or failed after too many attempts."""
        now, requeued, failed = self._now(), [], []
        expired = (jobs.c.state == JobState.RUNNING.value, jobs.c.lease_expires < now)
        with self._engine.begin() as connection:
            for row in connection.execute(select(jobs).where(*expired)).all():
                lost = (jobs.c.id == row.id, jobs.c.lease_token == row.lease_token, *expired)
                if row.cancel_requested:
                    close(connection, lost, JobEvent.CANCEL, now)
                elif row.attempt >= max_attempts:
                    message = f"the worker was lost in each of {row.attempt} attempts"
                    close(connection, lost, JobEvent.FAIL, now, error=(WorkerLost.code, message))
                    failed.append(row.id)
                elif requeue(connection, lost, now):
                    requeued.append(row.id)
                if row.id not in requeued:
                    note_deliveries(connection, row.id, now)
        return Swept(requeued=tuple(requeued), failed=tuple(failed))

    def waiting(self, *, longer_than_s: float) -> list[str]:
        """Jobs queued for so long that their message may be lost; each is given a fresh waiting time."""
        now = self._now()
        late = (jobs.c.state == JobState.QUEUED.value, jobs.c.queued < now - timedelta(seconds=longer_than_s))
        with self._engine.begin() as connection:
            found = [row.id for row in connection.execute(select(jobs.c.id).where(*late))]
            if found:
                connection.execute(update(jobs).where(jobs.c.id.in_(found), *late).values(queued=now))
        return found

    def _existing(self, new: NewJob) -> Job:
        query = select(jobs).where(jobs.c.owner == new.owner, jobs.c.idempotency_key == new.idempotency_key)
        with self._engine.connect() as connection:
            row = connection.execute(query).one()
        if row.request_digest != new.request_digest:
            raise IdempotencyConflict("this Idempotency-Key was used with another request body")
        return as_job(row)
