"""Studies that come by themselves: a PACS tells of them, signed; whoever runs the service watches them."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from service.contracts.api_keys import ApiKey, Scope
from service.contracts.arrivals import Arrival, ArrivalState
from service.contracts.errors import ArrivalNotFound, BadSignature, InvalidRequest
from service.contracts.input_errors import UploadTooLarge
from service.contracts.logs import get_logger
from service.contracts.schemas import ArrivalList, ArrivalView, StableStudy, StudyStable
from service.dependencies import Parts, PartsOf, Reader, Submitter, may_see
from service.webhook_signatures import TOLERANCE_S, senders

router = APIRouter(prefix="/v1", tags=["arrivals"])

LARGEST_MESSAGE = 16 << 10

WEBHOOK_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/StudyStable"}}},
    }
}


@router.post("/webhooks/pacs", status_code=202, openapi_extra=WEBHOOK_BODY)
async def pacs_webhook(request: Request, parts: PartsOf) -> ArrivalView:
    """A PACS tells of a study: fetched once its images stay the same, compared with the best earlier study.

    Signed as Standard Webhooks say, with a key of the site file. Told of again, nothing is done twice.
    """
    body = await _body(request)
    allowed = senders(body, request.headers, parts.site)
    try:
        message = StudyStable.model_validate_json(body)
    except ValidationError as error:
        places = ", ".join(".".join(str(part) for part in one["loc"]) for one in error.errors())
        raise InvalidRequest(f"the message does not follow the schema: {places}") from None
    if message.data.pacs not in allowed:
        raise BadSignature("the message is signed with another PACS's key")
    return view(await run_in_threadpool(_act_once, message.data, request.headers["webhook-id"], parts))


@router.get("/arrivals")
def list_arrivals(
    parts: PartsOf, key: Reader, state: ArrivalState | None = None, limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> ArrivalList:
    """Studies that came by themselves, newest first: those that the key pushed; an admin's key lists all."""
    owner = None if Scope.ADMIN in key.scopes else key.id
    found = parts.arrivals.page(owner=owner, state=state, limit=limit)
    return ArrivalList(arrivals=tuple(view(one) for one in found))


@router.get("/arrivals/{arrival_id}")
def show_arrival(arrival_id: str, parts: PartsOf, key: Reader) -> ArrivalView:
    """Where a study stands that came by itself."""
    return view(_owned(arrival_id, parts, key))


@router.post("/arrivals/{arrival_id}:again", status_code=202)
def look_again(arrival_id: str, parts: PartsOf, key: Submitter, response: Response) -> ArrivalView:
    """Looks for the study once more, for example after the PACS was away for too long."""
    arrival = _owned(arrival_id, parts, key)
    response.headers["Location"] = f"/v1/arrivals/{arrival.id}"
    return view(parts.arrivals.announce(arrival.pacs, arrival.study_uid, owner=arrival.owner))


def view(arrival: Arrival) -> ArrivalView:
    """The arrival without the study's UID: an id that leads to a person in other systems."""
    return ArrivalView(
        id=arrival.id,
        pacs=arrival.pacs or None,
        state=arrival.state,
        job=arrival.job_id,
        failures=arrival.failures,
        error=arrival.error_code,
        created=arrival.created,
        due=arrival.due if arrival.state is ArrivalState.WAITING else None,
    )


def _act_once(told: StableStudy, message_id: str, parts: Parts) -> Arrival:
    """The arrival; a message that was acted on before changes nothing."""
    known = parts.arrivals.find(told.pacs, told.study_instance_uid)
    if known is not None and parts.arrivals.knows_message(message_id):
        return known
    arrival = parts.arrivals.announce(
        told.pacs,
        told.study_instance_uid,
        owner=f"pacs:{told.pacs}",
        baseline_uid=told.baseline_study_instance_uid,
    )
    # After the act: a crash between the two makes the sender's next try act once more, which is harmless.
    parts.arrivals.remember_message(message_id, kept_s=4 * TOLERANCE_S)
    get_logger().info("study announced", arrival_id=arrival.id, state=arrival.state.value)
    return arrival


def _owned(arrival_id: str, parts: Parts, key: ApiKey) -> Arrival:
    arrival = parts.arrivals.get(arrival_id)
    if not may_see(key, arrival.owner):
        raise ArrivalNotFound("no arrival has this id")
    return arrival


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_MESSAGE:
            raise UploadTooLarge(f"the message is larger than {LARGEST_MESSAGE} bytes")
    return body
