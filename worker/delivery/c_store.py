"""Results by C-STORE (PS3.4 Annex B) over one association, each object confirmed by its own status."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at run time

from service.contracts.delivery_errors import (
    AssociationAborted,
    AssociationRejected,
    DeliveryFailed,
    ReceiverBusy,
    ReceiverTimedOut,
    ReceiverUnreachable,
    SopClassNotAccepted,
)
from service.contracts.logs import get_logger
from service.contracts.pydicom_silence import no_header_text
from service.contracts.site import DimseDestination
from worker.delivery.objects import Parcel
from worker.delivery.statuses import SUCCESS, failure_of, is_stored

REJECTED_FOR_GOOD = 1
"""Result of an A-ASSOCIATE-RJ (PS3.8 9.3.4)."""
UNCOMPRESSED = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)


@no_header_text()
def send_by_c_store(parcels: Sequence[Parcel], destination: DimseDestination) -> None:
    """Stores every object, or raises; what was stored before a failure is stored again next time, as the same.

    Raises:
        ReceiverUnreachable, ReceiverTimedOut, ReceiverBusy, AssociationRejected, AssociationAborted: no association,
            or it ended early.
        SopClassNotAccepted, ObjectRefused, ObjectNotUnderstood: of one of the objects.
    """
    contexts = _contexts(parcels)
    with _association(destination, contexts) as association:
        accepted = {str(one.abstract_syntax) for one in association.accepted_contexts}
        for one in parcels:
            if one.sop_class not in accepted:
                raise SopClassNotAccepted(f"expected a presentation context for objects of kind {one.kind}, saw none")
        for one in parcels:
            _store(association, one, destination.timeout_s)


def echo(destination: DimseDestination) -> str:
    """What was seen of a destination that answers C-ECHO (PS3.7 9.1.5).

    Raises:
        DeliveryFailed: as for sending.
    """
    with _association(destination, [(Verification, list(UNCOMPRESSED))]) as association:
        began = time.monotonic()
        status = association.send_c_echo()
        if "Status" not in status:
            raise _silence(began, destination.timeout_s)
        return f"C-ECHO answered with status {int(status.Status):04X}"


def _contexts(parcels: Sequence[Parcel]) -> list[tuple[str, list[UID]]]:
    """One context per SOP class and transfer syntax: of several in one context the receiver would choose (PS3.8 9.3.3).

    Each object is also offered uncompressed, last in the default transfer syntax, which every receiver takes (PS3.5
    10.1).
    """
    pairs = {(one.sop_class, syntax): None for one in parcels for syntax in (UID(one.transfer_syntax), *UNCOMPRESSED)}
    return [(sop_class, [syntax]) for sop_class, syntax in pairs]


def _as_accepted(association: Association, one: Parcel) -> Dataset:
    """The object, decompressed where the receiver does not take its compression."""
    made = pydicom.dcmread(one.path)
    accepted = {(str(cx.abstract_syntax), str(cx.transfer_syntax[0])) for cx in association.accepted_contexts}
    if (one.sop_class, one.transfer_syntax) not in accepted and UID(one.transfer_syntax).is_compressed:
        made.decompress(as_rgb=False, generate_instance_uid=False)  # the same object, which keeps its UID
    return made


def _store(association: Association, one: Parcel, timeout_s: float) -> None:
    if not association.is_established:
        raise AssociationAborted("expected the association to last until every object is stored")
    began = time.monotonic()
    try:
        answer = association.send_c_store(_as_accepted(association, one))
    except ValueError:
        text = f"expected a presentation context for the transfer syntax of an object of kind {one.kind}, saw none"
        raise SopClassNotAccepted(text) from None
    if "Status" not in answer:
        raise _silence(began, timeout_s)
    status = int(answer.Status)
    if not is_stored(status):
        raise failure_of(status, one.kind)
    if status != SUCCESS:
        get_logger().info("stored with a warning", code=f"status_{status:04X}", kind=one.kind)


def _silence(began: float, timeout_s: float) -> ReceiverTimedOut | AssociationAborted:
    """What an empty answer means: pynetdicom gives one after a timeout and after an abort; the clock tells which."""
    if time.monotonic() - began >= timeout_s * 0.95:
        return ReceiverTimedOut(f"expected an answer within {timeout_s:g} s, saw none")
    return AssociationAborted("expected an answer, saw the association end")


@contextmanager
def _association(destination: DimseDestination, contexts: Sequence[tuple[str, list[UID]]]) -> Iterator[Association]:
    entity = AE(ae_title=destination.calling_ae_title)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = destination.timeout_s
    entity.connection_timeout = destination.timeout_s
    for sop_class, syntaxes in contexts:
        entity.add_requested_context(sop_class, syntaxes)
    opened: list[bool] = []
    began = time.monotonic()
    association = entity.associate(
        destination.host,
        destination.port,
        ae_title=destination.ae_title,
        evt_handlers=[(evt.EVT_CONN_OPEN, lambda _: opened.append(True))],
    )
    try:
        if not association.is_established:
            raise _why(association, connected=bool(opened), began=began, timeout_s=destination.timeout_s)
        yield association
        association.release()
    finally:
        if association.is_established:
            association.abort()


def _why(association: Association, *, connected: bool, began: float, timeout_s: float) -> DeliveryFailed:
    """Why there is no association."""
    if not connected:
        return ReceiverUnreachable("expected a connection, saw none")
    answer = association.acceptor.primitive
    if answer is None:
        return _silence(began, timeout_s)
    if not association.is_rejected:
        return SopClassNotAccepted("expected a presentation context for some object, saw none")
    seen = f"expected an association, saw a rejection, source {answer.result_source}, reason {answer.diagnostic}"
    return AssociationRejected(seen) if answer.result == REJECTED_FOR_GOOD else ReceiverBusy(seen)
