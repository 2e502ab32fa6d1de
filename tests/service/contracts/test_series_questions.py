"""Questions on SQLite and PostgreSQL: taken once, answered once, read once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from service.contracts.errors import InternalError, ResultInconsistent
from service.contracts.input_errors import MixedPatients
from service.contracts.series_decision import Outcome, SeriesDecision
from service.contracts.series_questions import SeriesQuestions

DECISION = SeriesDecision(
    outcome=Outcome.MISSING_T1, message="saw 2 series", rules_version="2.0", rules_digest="abc", studies=()
)


def test_an_answer_reaches_who_asked_and_is_then_forgotten(engine: Engine) -> None:
    questions = SeriesQuestions(engine)
    asked = questions.ask(baseline="b", follow_up="f")
    assert questions.fetch(asked) is None
    taken = questions.take()
    assert taken is not None
    assert (taken.id, taken.baseline, taken.follow_up) == (asked, "b", "f")
    assert questions.fetch(asked) is None
    questions.answer(taken, DECISION)
    assert questions.fetch(asked) == DECISION
    assert questions.fetch(asked) is None


def test_a_question_is_taken_once_and_the_oldest_first(engine: Engine) -> None:
    questions = SeriesQuestions(engine)
    asked = [questions.ask(baseline=None, follow_up=str(n)) for n in range(6)]
    with ThreadPoolExecutor(3) as pool:
        taken = [found.id for found in pool.map(lambda _: questions.take(), range(12)) if found is not None]
    taken += [found.id for found in iter(questions.take, None)]
    assert sorted(taken) == sorted(asked)
    one, two = (questions.ask(baseline=None, follow_up=name) for name in "ab")
    assert [questions.take().id, questions.take().id] == [one, two]


@pytest.mark.parametrize(
    ("error", "expected"),
    [(MixedPatients("saw images of 2 patients"), MixedPatients), (ResultInconsistent("x"), InternalError)],
)
def test_a_refusal_reaches_who_asked_under_its_code(engine: Engine, error: Exception, expected: type) -> None:
    questions = SeriesQuestions(engine)
    asked = questions.ask(baseline=None, follow_up="f")
    questions.refuse(questions.take(), error)
    with pytest.raises(expected):
        questions.fetch(asked)
    assert questions.fetch(asked) is None


def test_what_nobody_waits_for_is_dropped(engine: Engine) -> None:
    clock = [datetime(2026, 1, 2, tzinfo=UTC)]
    questions = SeriesQuestions(engine, now=lambda: clock[0])
    questions.ask(baseline=None, follow_up="old")
    clock[0] += timedelta(minutes=11)
    new = questions.ask(baseline=None, follow_up="new")
    assert questions.take().id == new
    assert questions.take() is None
    dropped = questions.ask(baseline=None, follow_up="f")
    questions.drop(dropped)
    assert questions.take() is None
