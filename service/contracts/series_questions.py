"""Questions which series a comparison would use: asked by the API, answered by a worker, dropped once read.

    asked --take--> taken --answer--> answered --(read)--> gone

Headers are read where the code that reads them for real is; the API has no numerics. A worker answers beside a job that
runs, from a thread of its own.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, delete, select, update

from service.contracts.error_codes import errors_by_code
from service.contracts.errors import InternalError, MsDeltaError
from service.contracts.input_errors import BadInput
from service.contracts.series_decision import SeriesDecision
from service.contracts.tables import series_questions as table

FORGOTTEN_AFTER_S = 600.0
"""An answer that nobody fetched, or a question that no worker took, is dropped after this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Two studies, or one, whose series are asked for."""

    id: str
    baseline: str | None
    follow_up: str


class SeriesQuestions:
    """Open questions and their answers in SQLite or PostgreSQL."""

    def __init__(self, engine: Engine, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._engine = engine
        self._now = now

    def ask(self, *, baseline: str | None, follow_up: str) -> str:
        """The id of a new question; what was forgotten is dropped by the way."""
        question = uuid.uuid4().hex
        now = self._now()
        values = {"id": question, "baseline": baseline, "follow_up": follow_up, "state": "asked", "asked": now}
        with self._engine.begin() as connection:
            connection.execute(delete(table).where(table.c.asked < now - timedelta(seconds=FORGOTTEN_AFTER_S)))
            connection.execute(table.insert().values(**values))
        return question

    def take(self) -> Question | None:
        """The oldest open question, for this caller alone; None where there is none."""
        oldest = select(table).where(table.c.state == "asked").order_by(table.c.asked).limit(1)
        with self._engine.connect() as connection:
            row = connection.execute(oldest).first()
        if row is None:
            return None
        mine = update(table).where(table.c.id == row.id, table.c.state == "asked").values(state="taken")
        with self._engine.begin() as connection:
            if connection.execute(mine).rowcount != 1:
                return None  # another worker was quicker
        return Question(id=row.id, baseline=row.baseline, follow_up=row.follow_up)

    def answer(self, question: Question, decision: SeriesDecision) -> None:
        """Notes the decision."""
        self._finish(question, {"answer": decision.model_dump(mode="json")})

    def refuse(self, question: Question, error: MsDeltaError) -> None:
        """Notes why there is no decision."""
        self._finish(question, {"error_code": error.code, "error_message": error.message})

    def fetch(self, question: str) -> SeriesDecision | None:
        """The decision once it is there, and the question is dropped; None while it is not.

        Raises:
            MsDeltaError: the refusal that the worker noted.
        """
        with self._engine.connect() as connection:
            row = connection.execute(select(table).where(table.c.id == question)).first()
        if row is None or row.state != "answered":
            return None
        self.drop(question)
        if row.error_code is not None:
            raise _error(row.error_code, row.error_message or "")
        return SeriesDecision.model_validate(row.answer)

    def drop(self, question: str) -> None:
        """Forgets a question: it was answered, or nobody waits any more."""
        with self._engine.begin() as connection:
            connection.execute(delete(table).where(table.c.id == question))

    def _finish(self, question: Question, values: dict[str, object]) -> None:
        with self._engine.begin() as connection:
            connection.execute(update(table).where(table.c.id == question.id).values(state="answered", **values))


def _error(code: str, message: str) -> MsDeltaError:
    known = errors_by_code().get(code)
    if known is None or not issubclass(known, BadInput):
        return InternalError("the worker could not read the studies; its log says why")
    return known(message)
