"""Studies that came by themselves: a PACS told of them or pushed them, and a job is made once they are whole.

waiting --same images for the settle time--> taken --told again, other images--> waiting
   +------looked for in vain------> dead --told again--> waiting
"""

import contextlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Engine, Row, delete, select, update
from sqlalchemy.exc import IntegrityError

from service.contracts.errors import ArrivalNotFound
from service.contracts.tables import arrivals, webhook_messages

RECEIVED = ""
"""In place of a PACS's name: the study was pushed to us."""
FIRST_RETRY_S = 5.0
LONGEST_RETRY_S = 600.0


class ArrivalState(StrEnum):
    """Where a study stands that came by itself."""

    WAITING = "waiting"
    TAKEN = "taken"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One study at one PACS (or of one who pushes); there is one row, however often it is told of."""

    id: str
    pacs: str
    study_uid: str
    baseline_uid: str | None
    """The earlier study that the teller wants; None: the best one is looked for."""
    owner: str
    state: ArrivalState
    announced: int
    """How often it was told of: what comes while it is worked on is not lost."""
    waiting_since: datetime
    seen: str | None
    """Digest of the set of its images at the last look."""
    seen_since: datetime | None
    """When that set was seen first."""
    taken: str | None
    """Digest of the set that the job was made of."""
    job_id: str | None
    due: datetime
    failures: int
    error_code: str | None
    created: datetime


class ArrivalStore:
    """Arrivals in SQLite or PostgreSQL."""

    def __init__(self, engine: Engine, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._engine = engine
        self._now = now

    def announce(self, pacs: str, study_uid: str, *, owner: str, baseline_uid: str | None = None) -> Arrival:
        """The arrival of a study, to be looked at now; the same row for the same study."""
        now = self._now()
        here = (arrivals.c.pacs == pacs, arrivals.c.owner == owner, arrivals.c.study_uid == study_uid)
        again: dict[str, Any] = {"announced": arrivals.c.announced + 1}
        if baseline_uid is not None:
            again["baseline_uid"] = baseline_uid
        new = {
            "id": uuid.uuid4().hex, "pacs": pacs, "study_uid": study_uid, "baseline_uid": baseline_uid, "owner": owner,
            "state": ArrivalState.WAITING.value, "announced": 1, "waiting_since": now, "due": now, "failures": 0,
            "created": now,
        }  # fmt: skip
        try:
            with self._engine.begin() as connection:
                connection.execute(arrivals.insert().values(**new))
        except IntegrityError:
            fresh = {"state": ArrivalState.WAITING.value, "waiting_since": now, "due": now, "failures": 0}
            with self._engine.begin() as connection:
                connection.execute(update(arrivals).where(*here).values(**again))
                rested = arrivals.c.state != ArrivalState.WAITING.value
                connection.execute(update(arrivals).where(*here, rested).values(**fresh, error_code=None))
        with self._engine.connect() as connection:
            return _arrival(connection.execute(select(arrivals).where(*here)).one())

    def take_due(self, *, lease_s: float) -> Arrival | None:
        """A waiting arrival whose time has come, out of other workers' sight for the lease; None: nothing to do."""
        now = self._now()
        waits = (arrivals.c.state == ArrivalState.WAITING.value, arrivals.c.due <= now)
        with self._engine.begin() as connection:
            for row in connection.execute(select(arrivals).where(*waits).order_by(arrivals.c.due).limit(5)).all():
                held = {"due": now + timedelta(seconds=lease_s)}
                changed = connection.execute(update(arrivals).where(arrivals.c.id == row.id, *waits).values(**held))
                if changed.rowcount == 1:
                    return _arrival(row)
        return None

    def look_again(self, arrival: Arrival, *, seen: str, after_s: float) -> None:
        """Notes the set of images of this look, and when the next one is due."""
        now = self._now()
        since = now if seen != arrival.seen else arrival.seen_since
        due = now + timedelta(seconds=after_s)
        self._write(arrival, {"seen": seen, "seen_since": since, "due": due, "failures": 0, "error_code": None})

    def took(self, arrival: Arrival, *, taken: str, job_id: str | None) -> None:
        """Ends the waiting, unless the study was told of again meanwhile: then it is looked at once more."""
        now = self._now()
        values = {"taken": taken, "job_id": job_id, "failures": 0, "error_code": None, "due": now}
        self._write(arrival, values)
        quiet = arrivals.c.announced == arrival.announced
        self._write(arrival, {"state": ArrivalState.TAKEN.value}, quiet)

    def serves_as_baseline(self, arrival: Arrival, study_uid: str, *, taken: str) -> None:
        """Notes a study as taken that nobody told of: results that go into it must not make a job of their own."""
        now = self._now()
        values = {
            "id": uuid.uuid4().hex, "pacs": arrival.pacs, "study_uid": study_uid, "owner": arrival.owner,
            "state": ArrivalState.TAKEN.value, "announced": 0, "waiting_since": now, "due": now, "failures": 0,
            "created": now, "taken": taken, "job_id": arrival.job_id,
        }  # fmt: skip
        with contextlib.suppress(IntegrityError), self._engine.begin() as connection:
            connection.execute(arrivals.insert().values(**values))

    def failed(self, arrival: Arrival, code: str, *, final: bool) -> None:
        """Notes why a look failed; the next one waits twice as long, up to ten minutes, or there is none."""
        wait = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2 ** min(arrival.failures, 16))
        values: dict[str, Any] = {
            "failures": arrival.failures + 1,
            "error_code": code,
            "due": self._now() + timedelta(seconds=wait),
        }
        self._write(arrival, values)
        if final:
            self._write(arrival, {"state": ArrivalState.DEAD.value}, arrivals.c.announced == arrival.announced)

    def get(self, arrival_id: str) -> Arrival:
        """The arrival of an id.

        Raises:
            ArrivalNotFound: there is none.
        """
        with self._engine.connect() as connection:
            row = connection.execute(select(arrivals).where(arrivals.c.id == arrival_id)).first()
        if row is None:
            raise ArrivalNotFound("no arrival has this id")
        return _arrival(row)

    def page(self, *, owner: str | None, state: ArrivalState | None, limit: int) -> list[Arrival]:
        """Arrivals, newest first; of one owner, or of all (None)."""
        query = select(arrivals).order_by(arrivals.c.created.desc(), arrivals.c.id).limit(limit)
        if owner is not None:
            query = query.where(arrivals.c.owner == owner)
        if state is not None:
            query = query.where(arrivals.c.state == state.value)
        with self._engine.connect() as connection:
            return [_arrival(row) for row in connection.execute(query)]

    def find(self, pacs: str, study_uid: str) -> Arrival | None:
        """The arrival of a study at a PACS, if it was told of."""
        with self._engine.connect() as connection:
            here = (arrivals.c.pacs == pacs, arrivals.c.study_uid == study_uid)
            row = connection.execute(select(arrivals).where(*here)).first()
        return None if row is None else _arrival(row)

    def knows_message(self, message_id: str) -> bool:
        """Whether a webhook of this id was acted on."""
        query = select(webhook_messages.c.id).where(webhook_messages.c.id == message_id)
        with self._engine.connect() as connection:
            return connection.execute(query).first() is not None

    def remember_message(self, message_id: str, *, kept_s: float) -> None:
        """Notes that a webhook was acted on; older ones than `kept_s` are forgotten."""
        now = self._now()
        with self._engine.begin() as connection:
            old = webhook_messages.c.received < now - timedelta(seconds=kept_s)
            connection.execute(delete(webhook_messages).where(old))
        with contextlib.suppress(IntegrityError), self._engine.begin() as connection:
            connection.execute(webhook_messages.insert().values(id=message_id, received=now))

    def _write(self, arrival: Arrival, values: dict[str, Any], *where: Any) -> None:
        with self._engine.begin() as connection:
            connection.execute(update(arrivals).where(arrivals.c.id == arrival.id, *where).values(**values))


def _arrival(row: Row[Any]) -> Arrival:
    values = {name: getattr(row, name) for name in Arrival.__dataclass_fields__}
    return Arrival(**{**values, "state": ArrivalState(row.state)})
