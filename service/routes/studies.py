"""Studies: taken in, shown, deleted."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.requests import ClientDisconnect

from service.contracts.api_keys import ApiKey
from service.contracts.deliveries import Delivery, DeliveryState
from service.contracts.errors import DeliveryUnfinished, StudyInUse, StudyNotFound
from service.contracts.input_errors import IncompleteUpload
from service.contracts.schemas import StudyReceipt
from service.contracts.study_store import StudyRow
from service.dependencies import Parts, PartsOf, Reader, Submitter, may_see
from service.intake import receive_study

router = APIRouter(prefix="/v1/studies", tags=["studies"])

UPLOAD_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "files": {
                            "type": "array",
                            "items": {"type": "string", "contentMediaType": "application/octet-stream"},
                            "description": "a zip of DICOM or named NIfTI files, or many DICOM files; any field name",
                        },
                        "t1": {
                            "type": "string",
                            "contentMediaType": "application/octet-stream",
                            "description": "NIfTI, .nii or .nii.gz",
                        },
                        "flair": {
                            "type": "string",
                            "contentMediaType": "application/octet-stream",
                            "description": "NIfTI, .nii or .nii.gz",
                        },
                        "acquired": {"type": "string", "format": "date", "description": "date of the scan"},
                    },
                }
            }
        },
    }
}


@router.post("", status_code=201, openapi_extra=UPLOAD_BODY)
async def upload_study(request: Request, response: Response, parts: PartsOf, key: Submitter) -> StudyReceipt:
    """Stores a study: a zip of DICOM, DICOM files, or NIfTI files in the fields `t1` and `flair`."""
    try:
        row = await receive_study(
            request.stream(),
            request.headers.get("content-type", ""),
            blobs=parts.blobs,
            settings=parts.settings,
            owner=key.id,
        )
    except ClientDisconnect:
        raise IncompleteUpload("the connection ended before the upload was whole") from None
    parts.studies.add(row)
    response.headers["Location"] = f"/v1/studies/{row.id}"
    return _receipt(row)


@router.get("/{study_id}")
def show_study(study_id: str, parts: PartsOf, key: Reader) -> StudyReceipt:
    """What was stored."""
    return _receipt(owned_study(study_id, parts, key))


@router.delete("/{study_id}", status_code=204)
def delete_study(
    study_id: str,
    parts: PartsOf,
    key: Submitter,
    *,
    abandon_deliveries: Annotated[bool, Query(description="give up results that have not arrived")] = False,
) -> None:
    """Removes the study's files, once every result of it has arrived where it is to go; results of ended jobs stay."""
    owned_study(study_id, parts, key)
    if parts.jobs.uses_study(study_id):
        raise StudyInUse("a job that has not ended needs this study")
    if abandon_deliveries:
        parts.deliveries.abandon(study_id)
    elif unproven := parts.deliveries.unproven(study_id):
        raise DeliveryUnfinished(_what_to_do(unproven))
    parts.blobs.delete_study(study_id)
    parts.studies.remove(study_id)


def owned_study(study_id: str, parts: Parts, key: ApiKey) -> StudyRow:
    """The study, if the caller may see it.

    Raises:
        StudyNotFound: there is none, or it is another caller's.
    """
    row = parts.studies.get(study_id)
    if not may_see(key, row.owner):
        raise StudyNotFound("no study has this id")
    return row


def _what_to_do(unproven: Sequence[Delivery]) -> str:
    dead = sum(one.state is DeliveryState.DEAD for one in unproven)
    return (
        f"expected every result of this study to have arrived, saw {len(unproven) - dead} deliveries pending and "
        f"{dead} dead; wait, replay the dead ones, or delete with abandon_deliveries=true"
    )


def _receipt(row: StudyRow) -> StudyReceipt:
    return StudyReceipt(
        id=row.id,
        kind=row.kind,
        instances=row.instances,
        bytes=row.bytes,
        sha256=row.sha256,
        acquired=row.acquired,
        created=row.created,
    )
