"""A job's result to one destination of the site file, whichever way that takes objects."""

from collections.abc import Callable, Sequence

from service.contracts.blobs import BlobStore
from service.contracts.deliveries import Delivery
from service.contracts.delivery_errors import ResultMissing, SiteMisconfigured
from service.contracts.errors import UnknownDestination
from service.contracts.input_errors import InvalidOption
from service.contracts.job_store import JobStore
from service.contracts.logs import get_logger
from service.contracts.settings import Settings
from service.contracts.site import Destination, DimseDestination, StowDestination, read_site
from worker.delivery.c_store import echo, send_by_c_store
from worker.delivery.objects import parcels
from worker.delivery.stow import ping, send_by_stow
from worker.reports.dicom_objects import ResultObject, result_objects


def send(objects: Sequence[ResultObject], destination: Destination) -> None:
    """Brings the objects there: when it returns, the destination has confirmed each of them.

    Sending again is harmless: the same UIDs are the same objects.

    Raises:
        DeliveryFailed: the destination did not take them all; `retryable` says whether to try again by itself.
        InvalidOption: a secret file of the site is not there.
    """
    match destination:
        case StowDestination():
            send_by_stow(parcels(objects), destination)
        case DimseDestination():
            send_by_c_store(parcels(objects), destination)


def probe(destination: Destination) -> str:
    """What was seen of a destination that answers; nothing is sent.

    Raises:
        DeliveryFailed, InvalidOption: as for sending.
    """
    return ping(destination) if isinstance(destination, StowDestination) else echo(destination)


def destination_of(settings: Settings, name: str) -> Destination:
    """The destination of a name; the site file is read now, so that a mended one counts at once.

    Raises:
        UnknownDestination, InvalidOption: the site file has no such destination, or cannot be read.
    """
    try:
        return read_site(settings.site_file).destinations[name]
    except KeyError:
        raise UnknownDestination("the site file names no destination of this name") from None


def result_sender(jobs: JobStore, blobs: BlobStore, settings: Settings) -> Callable[[Delivery], None]:
    """What sends a delivery of kind `dicom`: the objects of the attempt that succeeded, of the kinds taken there."""

    def deliver(delivery: Delivery) -> None:
        job = jobs.get(delivery.job_id)
        if not blobs.results(job.id, job.attempt):
            raise ResultMissing("expected the files of a result, saw none")
        found = result_objects(blobs.job_folder(job.id, job.attempt))
        try:
            destination = destination_of(settings, delivery.target)
            chosen = [one for one in found if one.kind in destination.objects]
            if chosen:
                send(chosen, destination)
        except (UnknownDestination, InvalidOption) as error:
            raise SiteMisconfigured(error.message) from None
        get_logger().info("objects stored", delivery_id=delivery.id, job_id=job.id, count=len(chosen))

    return deliver
