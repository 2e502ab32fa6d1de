"""Which series a comparison would use, and why, before anything is run."""

import asyncio
import time

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool

from service.contracts.errors import DependencyUnavailable
from service.contracts.schemas import SeriesRequest
from service.contracts.series_decision import SeriesDecision
from service.contracts.series_questions import SeriesQuestions
from service.dependencies import PartsOf, Submitter
from service.routes.studies import owned_study

router = APIRouter(prefix="/v1", tags=["series"])

POLL_S = 0.1


@router.post("/series-selection:dry-run")
async def choose_series(body: SeriesRequest, parts: PartsOf, key: Submitter) -> SeriesDecision:
    """The T1 and FLAIR of one or two studies with scores and reasons for every series; no job is made.

    A worker reads the headers, also while it runs a job; 503 `dependency_unavailable` when none does so in time.
    """
    for study in (body.follow_up, body.baseline):
        if study is not None:
            await run_in_threadpool(owned_study, study, parts, key)
    questions = SeriesQuestions(parts.engine)
    asked = await run_in_threadpool(_ask, questions, body)
    until = time.monotonic() + parts.settings.series_answer_s
    try:
        while time.monotonic() < until:
            decision = await run_in_threadpool(questions.fetch, asked)
            if decision is not None:
                return decision
            await asyncio.sleep(POLL_S)
    finally:
        await run_in_threadpool(questions.drop, asked)
    raise DependencyUnavailable("no worker read the studies in time; the same request may succeed later")


def _ask(questions: SeriesQuestions, body: SeriesRequest) -> str:
    return questions.ask(baseline=body.baseline, follow_up=body.follow_up)
