"""What has to be brought to others when a job has ended: results to destinations, a callback to the caller.

pending --delivered--> delivered       replay leads back to pending from every other state
   |  ^                                a failed attempt stays pending until its next try, or is dead
   |  +---- next try ----+             abandoned: an operator or the owner gave it up
   +--gave up--> dead    |
"""

import random
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection

from service.contracts.tables import deliveries


class DeliveryKind(StrEnum):
    """What is brought."""

    CALLBACK = "callback"
    """The news that a job has ended, to the caller's URL."""
    DICOM = "dicom"
    """The result's DICOM objects, to a destination of the site file."""


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    """Proven: the receiver has confirmed every object."""
    DEAD = "dead"
    """Given up; waits for `replay`."""
    ABANDONED = "abandoned"
    """Somebody has decided that it need not arrive."""


UNPROVEN = (DeliveryState.PENDING, DeliveryState.DEAD)
"""What a result must still be kept for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Who is to get something: a destination by its name, or a URL."""

    kind: DeliveryKind
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One row of the table; all times are UTC."""

    id: str
    job_id: str
    kind: DeliveryKind
    target: str
    """Name of a destination, or the callback's URL (which stays out of logs and answers)."""
    state: DeliveryState
    attempts: int
    """How often it was tried since it was noted or last replayed."""
    next_attempt: datetime
    """When it is due; while it is being sent, when its lease ends."""
    last_attempt: datetime | None
    delivered: datetime | None
    error_code: str | None
    """Of the last attempt."""
    lease_token: str | None
    """Of the worker that is sending it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often to try, and how long to wait between: doubling, with a limit."""

    attempts: int
    first_wait_s: float
    longest_wait_s: float

    def wait_s(self, attempts: int) -> float | None:
        """Seconds until the next try after so many, drawn within a quarter around the plan; None: no more.

        The draw keeps deliveries that failed together from coming back together.
        """
        if attempts >= self.attempts:
            return None
        planned = min(self.first_wait_s * 2.0 ** min(attempts - 1, 60), self.longest_wait_s)
        return planned * random.uniform(0.75, 1.25)


def add_deliveries(
    connection: Connection, *, job_id: str, kind: DeliveryKind, targets: Iterable[str], due: datetime
) -> list[str]:
    """Notes a delivery to each target in the caller's transaction; their ids."""
    made = []
    for target in targets:
        made.append(uuid.uuid4().hex)
        connection.execute(
            deliveries.insert().values(
                id=made[-1],
                job_id=job_id,
                kind=kind.value,
                target=target,
                state=DeliveryState.PENDING.value,
                attempts=0,
                next_attempt=due,
            )
        )
    return made
