"""The delivery table: who sends what, and what came of it.

A worker takes a delivery under a lease (`lease_token`, ending at `next_attempt`) and renews the lease while it sends,
so that a send may take longer than the lease. Only the holder may write the outcome. A worker that dies lets the
lease run out: the next one sends again, which is harmless, because the same objects have the same UIDs.
"""

import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Engine, Row, and_, func, or_, select, update

from service.contracts.deliveries import (
    UNPROVEN,
    Delivery,
    DeliveryKind,
    DeliveryState,
    Receiver,
    RetryPolicy,
    add_deliveries,
)
from service.contracts.errors import DeliveryNotFound, IllegalTransition, JobNotFound, WorkerLost
from service.contracts.job_rows import on_study
from service.contracts.jobs import JobState
from service.contracts.tables import deliveries, jobs


class DeliveryStore:
    """Deliveries in SQLite or PostgreSQL."""

    def __init__(self, engine: Engine, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._engine = engine
        self._now = now

    def receivers_due(self) -> list[Receiver]:
        """Everybody for whom something is due, in no order."""
        query = select(deliveries.c.kind, deliveries.c.target).where(*_due(self._now())).distinct()
        with self._engine.connect() as connection:
            found = connection.execute(query).all()
        return [Receiver(kind=DeliveryKind(row.kind), target=row.target) for row in found]

    def take(self, receiver: Receiver, *, policy: RetryPolicy, lease_s: float) -> Delivery | None:
        """The receiver's delivery that has been due for longest, counted as tried and leased; None: nothing is due.

        One whose senders died in every attempt is given up here.
        """
        due = (deliveries.c.kind == receiver.kind.value, deliveries.c.target == receiver.target, *_due(self._now()))
        query = select(deliveries).where(*due).order_by(deliveries.c.next_attempt, deliveries.c.id).limit(1)
        while True:
            now, token = self._now(), uuid.uuid4().hex
            with self._engine.begin() as connection:
                row = connection.execute(query).first()
                if row is None:
                    return None
                unchanged = (
                    deliveries.c.id == row.id,
                    deliveries.c.attempts == row.attempts,
                    deliveries.c.lease_token.is_not_distinct_from(row.lease_token),
                    *due,
                )
                if row.attempts >= policy.attempts:
                    given_up = {"state": DeliveryState.DEAD.value, "error_code": WorkerLost.code, "lease_token": None}
                    connection.execute(update(deliveries).where(*unchanged).values(**given_up))
                    continue
                taken = {
                    "attempts": row.attempts + 1,
                    "last_attempt": now,
                    "next_attempt": now + timedelta(seconds=lease_s),
                    "lease_token": token,
                }
                if connection.execute(update(deliveries).where(*unchanged).values(**taken)).rowcount == 1:
                    return _delivery(connection.execute(select(deliveries).where(deliveries.c.id == row.id)).one())

    def renew(self, delivery: Delivery, *, lease_s: float) -> bool:
        """Prolongs the lease; False when it is no longer held."""
        return self._write(delivery, next_attempt=self._now() + timedelta(seconds=lease_s))

    def arrived(self, delivery: Delivery) -> bool:
        """Notes that the receiver has confirmed it; False when the lease was lost."""
        state = DeliveryState.DELIVERED.value
        return self._write(delivery, state=state, delivered=self._now(), error_code=None, lease_token=None)

    def failed(self, delivery: Delivery, code: str, *, wait_s: float | None) -> bool:
        """Notes a failed attempt: tried again after `wait_s`, or dead (None); False when the lease was lost."""
        if wait_s is None:
            return self._write(delivery, state=DeliveryState.DEAD.value, error_code=code, lease_token=None)
        due = self._now() + timedelta(seconds=wait_s)
        return self._write(delivery, error_code=code, next_attempt=due, lease_token=None)

    def get(self, delivery_id: str) -> Delivery:
        """The delivery of an id.

        Raises:
            DeliveryNotFound: there is none.
        """
        with self._engine.connect() as connection:
            row = connection.execute(select(deliveries).where(deliveries.c.id == delivery_id)).first()
        if row is None:
            raise DeliveryNotFound("no delivery has this id")
        return _delivery(row)

    def find(
        self, *, job_id: str | None = None, state: DeliveryState | None = None, limit: int | None = None
    ) -> list[Delivery]:
        """Deliveries of a job, in a state, or all; those due last come first."""
        query = select(deliveries).order_by(deliveries.c.next_attempt.desc(), deliveries.c.id).limit(limit)
        if job_id is not None:
            query = query.where(deliveries.c.job_id == job_id)
        if state is not None:
            query = query.where(deliveries.c.state == state.value)
        with self._engine.connect() as connection:
            return [_delivery(row) for row in connection.execute(query)]

    def count(self, state: DeliveryState) -> int:
        """How many are in the state."""
        query = select(func.count()).select_from(deliveries).where(deliveries.c.state == state.value)
        with self._engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def replay(self, ids: Sequence[str]) -> int:
        """Makes deliveries due now, with all their attempts before them; how many.

        One that is being sent at this moment stays as it is.
        """
        now = self._now()
        values = {"state": DeliveryState.PENDING.value, "attempts": 0, "next_attempt": now, "delivered": None}
        idle = or_(deliveries.c.lease_token.is_(None), deliveries.c.next_attempt <= now)
        chosen = and_(deliveries.c.id.in_(ids), idle)
        with self._engine.begin() as connection:
            return connection.execute(update(deliveries).where(chosen).values(**values, lease_token=None)).rowcount

    def send_to(self, job_id: str, destination: str) -> str:
        """Notes a further delivery of a job's result; its id.

        Raises:
            JobNotFound, IllegalTransition: there is no such job, or it has no result.
        """
        with self._engine.begin() as connection:
            row = connection.execute(select(jobs.c.state).where(jobs.c.id == job_id)).first()
            if row is None:
                raise JobNotFound("no job has this id")
            if row.state != JobState.SUCCEEDED.value:
                raise IllegalTransition(f"a {row.state} job has no result to deliver")
            kind, now = DeliveryKind.DICOM, self._now()
            return add_deliveries(connection, job_id=job_id, kind=kind, targets=(destination,), due=now)[0]

    def unproven(self, study_id: str) -> list[Delivery]:
        """Results of jobs on this study that have not arrived: pending or dead.

        Callbacks are not among them: they announce a result, and take nothing from it.
        """
        with self._engine.connect() as connection:
            query = select(deliveries).where(_results_of(study_id)).order_by(deliveries.c.next_attempt)
            return [_delivery(row) for row in connection.execute(query)]

    def abandon(self, study_id: str) -> int:
        """Gives up every result of jobs on this study that has not arrived; how many."""
        values = {"state": DeliveryState.ABANDONED.value, "lease_token": None}
        with self._engine.begin() as connection:
            return connection.execute(update(deliveries).where(_results_of(study_id)).values(**values)).rowcount

    def _write(self, delivery: Delivery, **values: Any) -> bool:
        held = (
            deliveries.c.id == delivery.id,
            deliveries.c.state == DeliveryState.PENDING.value,
            deliveries.c.lease_token == delivery.lease_token,
        )
        with self._engine.begin() as connection:
            return connection.execute(update(deliveries).where(*held).values(**values)).rowcount == 1


def _due(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (deliveries.c.state == DeliveryState.PENDING.value, deliveries.c.next_attempt <= now)


def _results_of(study_id: str) -> ColumnElement[bool]:
    return and_(
        deliveries.c.kind == DeliveryKind.DICOM.value,
        deliveries.c.state.in_([state.value for state in UNPROVEN]),
        deliveries.c.job_id.in_(select(jobs.c.id).where(on_study(study_id))),
    )


def _delivery(row: Row[Any]) -> Delivery:
    values = {name: getattr(row, name) for name in Delivery.__dataclass_fields__}
    return Delivery(**{**values, "kind": DeliveryKind(row.kind), "state": DeliveryState(row.state)})
