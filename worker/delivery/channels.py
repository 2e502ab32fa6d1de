"""Every kind of delivery with what sends it and how often."""

from service.contracts.blobs import BlobStore
from service.contracts.deliveries import DeliveryKind, RetryPolicy
from service.contracts.delivery_store import DeliveryStore
from service.contracts.job_store import JobStore
from service.contracts.settings import Settings
from worker.callback import callback_sender
from worker.delivery.courier import Channel, Courier, Patience
from worker.delivery.destinations import result_sender

CALLBACKS_AT_ONCE = 8
DESTINATIONS_AT_ONCE = 32
"""More than a site has: each destination has its own thread."""


def courier_of(deliveries: DeliveryStore, jobs: JobStore, blobs: BlobStore, settings: Settings) -> Courier:
    """The courier that the settings describe."""
    channels = {
        DeliveryKind.CALLBACK: Channel(
            send=callback_sender(jobs, settings),
            policy=RetryPolicy(
                attempts=settings.callback_attempts,
                first_wait_s=settings.callback_first_wait_s,
                longest_wait_s=settings.callback_longest_wait_s,
            ),
            at_once=CALLBACKS_AT_ONCE,
        ),
        DeliveryKind.DICOM: Channel(
            send=result_sender(jobs, blobs, settings),
            policy=RetryPolicy(
                attempts=settings.delivery_attempts,
                first_wait_s=settings.delivery_first_wait_s,
                longest_wait_s=settings.delivery_longest_wait_s,
            ),
            at_once=DESTINATIONS_AT_ONCE,
        ),
    }
    patience = Patience(lease_s=settings.delivery_lease_s, limit_s=settings.delivery_limit_s)
    return Courier(deliveries, channels, patience)
