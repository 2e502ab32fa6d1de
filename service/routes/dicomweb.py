"""STOW-RS: a PACS or modality pushes studies; a job is made once a study has stopped growing (PS3.18 10.5)."""

from typing import Any

from fastapi import APIRouter, Request, Response
from pydicom.dataset import Dataset
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from service.contracts.arrivals import RECEIVED
from service.contracts.input_errors import IncompleteUpload
from service.contracts.logs import get_logger
from service.dependencies import Parts, PartsOf, Submitter
from service.stow_intake import CANNOT_UNDERSTAND, Stored, receive_instances

router = APIRouter(prefix="/dicom-web", tags=["dicomweb"])

STOW_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            'multipart/related; type="application/dicom"': {
                "schema": {"type": "string", "contentMediaType": "application/dicom"}
            }
        },
    }
}
ANSWER: dict[int | str, dict[str, Any]] = {
    code: {"description": text, "content": {"application/dicom+json": {}}}
    for code, text in {200: "all stored", 202: "some stored", 409: "none stored"}.items()
}


@router.post("/studies", openapi_extra=STOW_BODY, responses=ANSWER)
async def store_instances(request: Request, parts: PartsOf, key: Submitter) -> Response:
    """Stores instances; the answer says what became of each (Store Instances Response, PS3.18 I.2)."""
    return await _store(request, parts, key.id, None)


@router.post("/studies/{study_uid}", openapi_extra=STOW_BODY, responses=ANSWER)
async def store_instances_of_study(study_uid: str, request: Request, parts: PartsOf, key: Submitter) -> Response:
    """Stores instances of one study; those of another are refused."""
    return await _store(request, parts, key.id, study_uid)


async def _store(request: Request, parts: Parts, owner: str, study_uid: str | None) -> Response:
    try:
        stored = await receive_instances(
            request.stream(),
            request.headers.get("content-type", ""),
            blobs=parts.blobs,
            settings=parts.settings,
            owner=owner,
            study_uid=study_uid,
        )
    except ClientDisconnect:
        raise IncompleteUpload("the connection ended before the body was whole") from None
    for study in sorted({one.ids.study for one in stored if one.ids is not None and one.failure is None}):
        arrival = await run_in_threadpool(parts.arrivals.announce, RECEIVED, study, owner=owner)
        get_logger().info("study received", arrival_id=arrival.id, state=arrival.state.value)
    failures = sum(one.failure is not None for one in stored)
    status = 200 if not failures else 409 if failures == len(stored) else 202
    return _Answer(_response(stored), status)


class _Answer(Response):
    media_type = "application/dicom+json"


def _response(stored: list[Stored]) -> bytes:
    """The Store Instances Response Module in DICOM JSON."""
    answer = Dataset()
    answer.ReferencedSOPSequence = [_item(one) for one in stored if one.failure is None]
    answer.FailedSOPSequence = [_item(one) for one in stored if one.failure is not None and one.ids is not None]
    if other := sum(one.ids is None for one in stored):
        reasons = [Dataset() for _ in range(other)]
        for one in reasons:
            one.FailureReason = CANNOT_UNDERSTAND
        answer.OtherFailuresSequence = reasons
    return answer.to_json().encode()


def _item(one: Stored) -> Dataset:
    item = Dataset()
    if one.ids is not None:
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = one.ids.sop_class, one.ids.instance
    if one.failure is not None:
        item.FailureReason = one.failure
    return item
