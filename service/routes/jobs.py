"""Jobs: submitted, listed, watched, cancelled."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from sse_starlette import EventSourceResponse, JSONServerSentEvent, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from service.contracts.api_keys import ApiKey, Scope
from service.contracts.error_codes import errors_by_code
from service.contracts.errors import (
    DependencyUnavailable,
    InvalidRequest,
    JobNotFound,
    NothingToDeliver,
    UnknownDestination,
)
from service.contracts.job_store import NewJob
from service.contracts.jobs import Job, JobState
from service.contracts.logs import get_logger
from service.contracts.options import CompareOptions, check_allowed
from service.contracts.schemas import JobError, JobList, JobRequest, JobView, VisitsRequest
from service.dependencies import Parts, PartsOf, Reader, Submitter, may_see
from service.routes.studies import owned_study

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

POLL_S = 0.5


@router.post("", status_code=202)
def submit_job(
    body: JobRequest,
    response: Response,
    parts: PartsOf,
    key: Submitter,
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> JobView:
    """Queues a comparison. The same Idempotency-Key with the same body gives the job there is."""
    for study in (body.follow_up, body.baseline):
        if study is not None:
            owned_study(study, parts, key)
    _check_destinations(body, parts)
    check_allowed(body.options, parts.settings)
    job = create_job(new_job(body, key, idempotency_key), parts)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return view(job)


@router.get("")
def list_jobs(
    parts: PartsOf,
    key: Reader,
    state: JobState | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    after: Annotated[str | None, Query(description="`next` of the page before", max_length=100)] = None,
) -> JobList:
    """The caller's jobs, newest first; an admin's key lists everybody's."""
    owner = None if Scope.ADMIN in key.scopes else key.id
    found = parts.jobs.page(owner=owner, state=state, limit=limit + 1, before=_cursor(after))
    page = found[:limit]
    more = f"{page[-1].created.isoformat()}~{page[-1].id}" if len(found) > limit else None
    return JobList(jobs=tuple(view(job) for job in page), next=more)


@router.get("/{job_id}")
def show_job(job_id: str, parts: PartsOf, key: Reader) -> JobView:
    """Where the job stands."""
    return view(owned_job(job_id, parts, key))


@router.post("/{job_id}/cancel", status_code=202)
def cancel_job(job_id: str, parts: PartsOf, key: Submitter) -> JobView:
    """Cancels a queued job at once; asks a running one to stop."""
    owned_job(job_id, parts, key)
    return view(parts.jobs.request_cancel(job_id))


@router.get("/{job_id}/events", response_class=EventSourceResponse)
async def watch_job(job_id: str, request: Request, parts: PartsOf, key: Reader) -> EventSourceResponse:
    """Server-sent events: `progress` (state, stage, fraction) on every change, and `end`."""
    await run_in_threadpool(owned_job, job_id, parts, key)
    return EventSourceResponse(_events(job_id, request, parts), ping=15)


def owned_job(job_id: str, parts: Parts, key: ApiKey) -> Job:
    """The job, if the caller may see it.

    Raises:
        JobNotFound: there is none, or it is another caller's.
    """
    job = parts.jobs.get(job_id)
    if not may_see(key, job.owner):
        raise JobNotFound("no job has this id")
    return job


def create_job(new: NewJob, parts: Parts) -> Job:
    """The job, and its message where it was made now.

    Raises:
        IdempotencyConflict: the key was used with another request.
    """
    job, created = parts.jobs.create(new)
    if created:
        _send(parts, job)
    return job


def view(job: Job) -> JobView:
    """The job as its owner sees it."""
    error = None
    if job.error_code is not None:
        known = errors_by_code().get(job.error_code)
        title = job.error_code if known is None else known.title
        error = JobError(code=job.error_code, title=title, detail=job.error_message or "")
    here = f"/v1/jobs/{job.id}"
    return JobView(
        id=job.id,
        state=job.state,
        stage=job.stage,
        fraction=job.fraction,
        baseline=job.baseline,
        follow_up=job.follow_up,
        options=CompareOptions.model_validate(job.options),
        visits=job.visits,
        deliver_to=job.deliver_to,
        attempt=job.attempt,
        created=job.created,
        started=job.started,
        ended=job.ended,
        error=error,
        links={
            "self": here,
            **{name: f"{here}/{name}" for name in ("events", "artifacts", "deliveries")},
            "report": f"{here}/{job.report_name}",
        },
    )


async def _events(job_id: str, request: Request, parts: Parts) -> AsyncIterator[ServerSentEvent]:
    last: tuple[object, ...] | None = None
    while not await request.is_disconnected():
        job = await run_in_threadpool(parts.jobs.get, job_id)
        seen = (job.state, job.stage, job.fraction, job.attempt)
        data = {
            "state": job.state.value,
            "stage": job.stage,
            "fraction": round(job.fraction, 4),
            "attempt": job.attempt,
            "error": job.error_code,
        }
        if seen != last:
            yield JSONServerSentEvent(data=data, event="progress")
            last = seen
        if job.state.ended:
            yield JSONServerSentEvent(data=data, event="end")
            return
        await asyncio.sleep(POLL_S)


def _check_destinations(body: JobRequest, parts: Parts) -> None:
    """Refuses what could never be delivered, before any work is done."""
    if not body.deliver_to:
        return
    known = sorted(parts.site.destinations)
    if not set(body.deliver_to) <= set(known):
        raise UnknownDestination(f"deliver_to: expected names among {', '.join(known) or 'none'}, saw another")
    if parts.studies.get(body.follow_up).kind != "dicom":
        raise NothingToDeliver("expected a follow-up study of DICOM images, saw NIfTI: its result has no DICOM objects")


def new_job(body: JobRequest | VisitsRequest, key: ApiKey, idempotency_key: str | None) -> NewJob:
    """What a request asks for; of a series the first and the last visit stand as baseline and follow-up."""
    content = body.model_dump(mode="json", exclude_defaults=True)  # an option of a later version changes no digest
    hashed = None if idempotency_key is None else hashlib.sha256(idempotency_key.encode()).hexdigest()
    return NewJob(
        baseline=body.visits[0] if isinstance(body, VisitsRequest) else body.baseline,
        follow_up=body.visits[-1] if isinstance(body, VisitsRequest) else body.follow_up,
        visits=body.visits if isinstance(body, VisitsRequest) else (),
        options=body.options.model_dump(mode="json"),
        callback_url=None if body.callback_url is None else str(body.callback_url),
        owner=key.id,
        idempotency_key=hashed,
        request_digest=hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest(),
        deliver_to=() if isinstance(body, VisitsRequest) else tuple(dict.fromkeys(body.deliver_to)),
    )


def _send(parts: Parts, job: Job) -> None:
    """Row first, message after: a broker that is away delays the job, the sweeper sends it later."""
    try:
        parts.queue.send(job.id)
    except DependencyUnavailable:
        get_logger().warning("broker away, the sweeper will send the job", job_id=job.id)


def _cursor(text: str | None) -> tuple[datetime, str] | None:
    if text is None:
        return None
    created, _, job_id = text.replace(" ", "+").partition("~")
    try:
        return datetime.fromisoformat(created), job_id
    except ValueError:
        raise InvalidRequest("after: expected the value of `next`") from None
