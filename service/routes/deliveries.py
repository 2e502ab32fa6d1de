"""Deliveries of a job: where its result stands on the way to each destination, and sending it again."""

from fastapi import APIRouter

from service.contracts.deliveries import Delivery, DeliveryKind, DeliveryState
from service.contracts.error_codes import errors_by_code
from service.contracts.errors import DeliveryNotFound
from service.contracts.schemas import DeliveryList, DeliveryView
from service.dependencies import Parts, PartsOf, Reader, Submitter
from service.routes.jobs import owned_job

router = APIRouter(prefix="/v1/jobs/{job_id}/deliveries", tags=["deliveries"])


@router.get("")
def list_deliveries(job_id: str, parts: PartsOf, key: Reader) -> DeliveryList:
    """Every delivery of the job; empty until it has ended."""
    owned_job(job_id, parts, key)
    found = parts.deliveries.find(job_id=job_id)
    return DeliveryList(deliveries=tuple(view(one) for one in found))


@router.post("/{delivery_id}:replay", status_code=202)
def replay_delivery(job_id: str, delivery_id: str, parts: PartsOf, key: Submitter) -> DeliveryView:
    """Sends it again, now and with all its attempts, whatever became of it; one under way stays as it is."""
    owned_job(job_id, parts, key)
    delivery = _of_job(job_id, delivery_id, parts)
    parts.deliveries.replay([delivery.id])
    return view(parts.deliveries.get(delivery.id))


def view(delivery: Delivery) -> DeliveryView:
    """The delivery as the job's owner sees it: no address."""
    known = None if delivery.error_code is None else errors_by_code().get(delivery.error_code)
    return DeliveryView(
        id=delivery.id,
        kind=delivery.kind,
        destination=delivery.target if delivery.kind is DeliveryKind.DICOM else None,
        state=delivery.state,
        attempts=delivery.attempts,
        last_attempt=delivery.last_attempt,
        next_attempt=delivery.next_attempt if delivery.state is DeliveryState.PENDING else None,
        delivered=delivery.delivered,
        error_code=delivery.error_code,
        error_title=None if known is None else known.title,
    )


def _of_job(job_id: str, delivery_id: str, parts: Parts) -> Delivery:
    delivery = parts.deliveries.get(delivery_id)
    if delivery.job_id != job_id:
        raise DeliveryNotFound("no delivery of this job has this id")
    return delivery
