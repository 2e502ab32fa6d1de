"""What has to be told to others when a job ends; each delivery has its own retries."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, select, update

from service.contracts.tables import deliveries

FIRST_RETRY_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One thing to tell one receiver; state: pending, delivered or dead."""

    id: str
    job_id: str
    kind: str
    target: str
    attempts: int


def add_delivery(connection: Connection, *, job_id: str, kind: str, target: str, due: datetime) -> None:
    """Notes a delivery in the transaction that ends the job."""
    connection.execute(
        deliveries.insert().values(
            id=uuid.uuid4().hex,
            job_id=job_id,
            kind=kind,
            target=target,
            state="pending",
            attempts=0,
            next_attempt=due,
        )
    )


class DeliveryStore:
    """Pending deliveries; taking one moves its next attempt back, so that two workers do not do it at once."""

    def __init__(self, engine: Engine, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._engine = engine
        self._now = now

    def take_due(self, *, max_attempts: int) -> list[Delivery]:
        """Deliveries whose time has come, each counted as attempted; the next try waits twice as long as the last."""
        now, taken = self._now(), []
        due = (deliveries.c.state == "pending", deliveries.c.next_attempt <= now)
        with self._engine.begin() as connection:
            for row in connection.execute(select(deliveries).where(*due).limit(20)).all():
                attempts = row.attempts + 1
                wait = timedelta(seconds=FIRST_RETRY_S * 2 ** (attempts - 1))
                changed = connection.execute(
                    update(deliveries)
                    .where(deliveries.c.id == row.id, deliveries.c.attempts == row.attempts, *due)
                    .values(attempts=attempts, next_attempt=now + wait, state=_after(attempts, max_attempts))
                )
                if changed.rowcount == 1:
                    taken.append(
                        Delivery(id=row.id, job_id=row.job_id, kind=row.kind, target=row.target, attempts=attempts)
                    )
        return taken

    def delivered(self, delivery: Delivery) -> None:
        """Notes that the receiver has it."""
        with self._engine.begin() as connection:
            connection.execute(update(deliveries).where(deliveries.c.id == delivery.id).values(state="delivered"))

    def states(self, job_id: str) -> list[str]:
        """State of each delivery of a job."""
        with self._engine.connect() as connection:
            query = select(deliveries.c.state).where(deliveries.c.job_id == job_id)
            return [row.state for row in connection.execute(query)]


def _after(attempts: int, max_attempts: int) -> str:
    return "dead" if attempts >= max_attempts else "pending"
