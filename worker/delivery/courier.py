"""Sends what is due: a thread for each receiver, so that one that hangs delays neither the others nor the sweeper.

    housekeeping --send_due--> receivers with something due --+--> thread: take, send, note, take the next ...
                                                              +--> thread
    beside each send: a thread that renews its lease

Two workers never send the same delivery at once: taking is a compare-and-set, and the lease is renewed while the send
lasts. A send longer than `limit_s` is no longer protected; then the objects arrive twice, which changes nothing.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from sqlalchemy.exc import OperationalError

from service.contracts.deliveries import Delivery, DeliveryKind, DeliveryState, Receiver, RetryPolicy
from service.contracts.delivery_store import DeliveryStore
from service.contracts.errors import InternalError, MsDeltaError
from service.contracts.logs import describe, get_logger


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """How deliveries of one kind are sent."""

    send: Callable[[Delivery], None]
    """Returns when the receiver has confirmed it; may raise `MsDeltaError`."""
    policy: RetryPolicy
    at_once: int
    """Receivers that are sent to at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a delivery is one worker's, in seconds."""

    lease_s: float
    limit_s: float


class Courier:
    """Sends deliveries of every kind that has a channel."""

    def __init__(self, deliveries: DeliveryStore, channels: Mapping[DeliveryKind, Channel], patience: Patience) -> None:
        self._deliveries, self._channels, self._patience = deliveries, channels, patience
        self._under_way: dict[Receiver, threading.Thread] = {}

    def send_due(self) -> None:
        """Starts a thread for each receiver that something is due for and that none is under way to; does not wait."""
        self._under_way = {one: thread for one, thread in self._under_way.items() if thread.is_alive()}
        for receiver in self._deliveries.receivers_due():
            busy = sum(one.kind is receiver.kind for one in self._under_way)
            channel = self._channels.get(receiver.kind)
            if channel is None or receiver in self._under_way or busy >= channel.at_once:
                continue
            thread = threading.Thread(target=self._serve, args=(receiver,), name="delivery", daemon=True)
            self._under_way[receiver] = thread
            thread.start()

    def wait(self, timeout_s: float) -> bool:
        """Waits until nothing is under way; False when it still is after the time."""
        for thread in list(self._under_way.values()):
            thread.join(timeout_s)
        return not any(thread.is_alive() for thread in self._under_way.values())

    def deliver_due(self, receiver: Receiver) -> int:
        """Tries everything that is due for a receiver, one after another; how many arrived."""
        channel, arrived = self._channels[receiver.kind], 0
        while True:
            delivery = self._deliveries.take(receiver, policy=channel.policy, lease_s=self._patience.lease_s)
            if delivery is None:
                return arrived
            arrived += self._try(delivery, channel)

    def _serve(self, receiver: Receiver) -> None:
        try:
            self.deliver_due(receiver)
        except (MsDeltaError, OperationalError) as error:
            get_logger().warning("deliveries interrupted, tried again", kind=receiver.kind.value, **describe(error))

    def _try(self, delivery: Delivery, channel: Channel) -> bool:
        fields = {"job_id": delivery.job_id, "delivery_id": delivery.id, "kind": delivery.kind.value}
        if delivery.kind is DeliveryKind.DICOM:
            fields["destination"] = delivery.target
        log = get_logger().bind(**fields, attempt=delivery.attempts)
        try:
            with _Lease(self._deliveries, delivery, self._patience):
                channel.send(delivery)
        except MsDeltaError as error:
            self._note_failure(delivery, error, channel.policy if error.retryable else None, log)
            return False
        except Exception as error:  # noqa: BLE001 (the boundary: whatever it was, the row must say what came of it)
            log.error("delivery failed unexpectedly", **describe(error))
            self._note_failure(delivery, InternalError("an internal error; the log holds it"), channel.policy, log)
            return False
        if not self._deliveries.arrived(delivery):
            log.warning("delivered, but the lease was lost: it may be sent again")
            return False
        log.info("delivered")
        return True

    def _note_failure(
        self,
        delivery: Delivery,
        error: MsDeltaError,
        policy: RetryPolicy | None,
        log: Any,
    ) -> None:
        wait_s = None if policy is None else policy.wait_s(delivery.attempts)
        self._deliveries.failed(delivery, error.code, wait_s=wait_s)
        if wait_s is None:
            log.error("delivery dead", code=error.code, count=self._deliveries.count(DeliveryState.DEAD))
        else:
            log.warning("not delivered, tried again later", code=error.code, duration_s=round(wait_s))


class _Lease:
    """Renews a delivery's lease in the background while it is sent."""

    def __init__(self, deliveries: DeliveryStore, delivery: Delivery, patience: Patience) -> None:
        self._deliveries, self._delivery, self._patience = deliveries, delivery, patience
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="delivery lease", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()

    def _keep(self) -> None:
        period_s = self._patience.lease_s / 3
        for _ in range(int(self._patience.limit_s / period_s)):
            if self._stopped.wait(period_s):
                return
            try:
                self._deliveries.renew(self._delivery, lease_s=self._patience.lease_s)
            except (MsDeltaError, OperationalError) as error:
                get_logger().warning("lease not renewed, tried again", delivery_id=self._delivery.id, **describe(error))
