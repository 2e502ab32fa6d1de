"""Results by STOW-RS (PS3.18 10.5), each object confirmed by the server's answer, or else found by QIDO-RS.

The answer names what was stored and what failed, object by object. Objects that an answer with status 200 does not name
are asked for; what the server then does not list is not proven. A server that named everything is not asked again: its
index may lag behind what it has stored.
"""

from collections.abc import Sequence
from xml.etree.ElementTree import ParseError

import pydicom
import requests
from dicomweb_client import DICOMwebClient
from pydicom.dataset import Dataset

from service.contracts.delivery_errors import DeliveryUnproven
from service.contracts.logs import get_logger
from service.contracts.pydicom_silence import no_header_text
from service.contracts.site import StowDestination
from worker.delivery.objects import Parcel, batches
from worker.delivery.statuses import PROCESSING_FAILURE, failure_of, is_stored
from worker.dicomweb_session import named, open_dicomweb

REQUEST_BYTES = 32 * 2**20
REQUEST_OBJECTS = 50
"""One request holds no more: it lies in memory as a whole, and servers limit the size of a body."""
WHOLE_BODY = 2**31
"""Above every request of ours: a body with a plain Content-Length is understood by every server, pieces are not."""
UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, ParseError)
"""What reading an answer raises that is no DICOM JSON or XML; such an answer names nothing."""
CONFLICT = 409
"""None of the objects was stored; the answer says why (PS3.18 Table 10.5.3-1)."""


@no_header_text()
def send_by_stow(parcels: Sequence[Parcel], destination: StowDestination) -> None:
    """Stores every object, or raises; what was stored before a failure is stored again next time, as the same.

    Raises:
        DeliveryFailed: the server cannot be reached, refuses, or does not confirm an object.
        InvalidOption: a secret file is not there.
    """
    client = open_dicomweb(destination, chunk_bytes=WHOLE_BODY)
    try:
        for batch in batches(parcels, limit_bytes=REQUEST_BYTES, limit_objects=REQUEST_OBJECTS):
            _check(_stored(client, batch), batch, client)
    except requests.RequestException as error:
        raise named(error) from None


def ping(destination: StowDestination) -> str:
    """What was seen of a destination that answers a QIDO-RS search for studies.

    Raises:
        DeliveryFailed, InvalidOption: as for sending.
    """
    try:
        found = open_dicomweb(destination).search_for_studies(limit=1)
    except requests.RequestException as error:
        raise named(error) from None
    return f"QIDO-RS answered with {'at least one study' if found else 'no study'}"


def _stored(client: DICOMwebClient, batch: Sequence[Parcel]) -> Dataset:
    """The server's answer (PS3.18 Table 10.5.3-2), also of a request of which it stored nothing."""
    try:
        return client.store_instances([pydicom.dcmread(one.path) for one in batch])
    except requests.HTTPError as error:
        if error.response is None or error.response.status_code != CONFLICT:
            raise
        try:
            return Dataset.from_json(error.response.json())
        except UNREADABLE:
            raise error from None
    except UNREADABLE:
        return Dataset()


def _check(answer: Dataset, batch: Sequence[Parcel], client: DICOMwebClient) -> None:
    kinds = {one.instance: one.kind for one in batch}
    for item in answer.get("FailedSOPSequence") or ():
        reason = int(item.get("FailureReason") or PROCESSING_FAILURE)
        if not is_stored(reason):
            raise failure_of(reason, kinds.get(str(item.get("ReferencedSOPInstanceUID", "")), batch[0].kind))
        kinds.pop(str(item.get("ReferencedSOPInstanceUID", "")), None)
    for item in answer.get("ReferencedSOPSequence") or ():
        kind = kinds.pop(str(item.get("ReferencedSOPInstanceUID", "")), None)
        if kind is not None and "WarningReason" in item:
            get_logger().info("stored with a warning", code=f"status_{int(item.WarningReason):04X}", kind=kind)
    unnamed = [one for one in batch if one.instance in kinds]
    missing = sum(not _is_listed(client, one) for one in unnamed)
    if missing:
        raise DeliveryUnproven(f"expected {len(batch)} objects to be confirmed, saw {len(batch) - missing}")


def _is_listed(client: DICOMwebClient, one: Parcel) -> bool:
    """True when the server lists the object."""
    listed = client.search_for_instances(one.study, one.series, search_filters={"SOPInstanceUID": one.instance})
    return any(found.get("00080018", {}).get("Value") == [one.instance] for found in listed)
