"""Tells a caller's URL that a job has ended; never lets that URL reach into the site's own network."""

import ipaddress
import socket

import httpx

from service.contracts.deliveries import Delivery, DeliveryStore
from service.contracts.errors import InvalidOption
from service.contracts.job_store import JobStore
from service.contracts.logs import describe, get_logger
from service.contracts.settings import Settings

TIMEOUT_S = 10.0


def deliver_due(deliveries: DeliveryStore, jobs: JobStore, settings: Settings) -> int:
    """Tries every delivery whose time has come; the number that arrived."""
    arrived = 0
    for delivery in deliveries.take_due(max_attempts=settings.callback_attempts):
        log = get_logger().bind(job_id=delivery.job_id, delivery_id=delivery.id, attempt=delivery.attempts)
        try:
            _post(delivery, jobs, settings)
        except (httpx.HTTPError, InvalidOption, OSError) as error:
            log.warning("callback not delivered", **describe(error))
            continue
        deliveries.delivered(delivery)
        log.info("callback delivered")
        arrived += 1
    return arrived


def checked_address(host: str, port: int, *, allow_private: bool) -> str:
    """An address of the host that may be called; the request goes to it and nowhere else.

    Raises:
        InvalidOption: the name resolves to a loopback, private or otherwise special address.
        OSError: the name does not resolve.
    """
    found = {str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    addresses = [ipaddress.ip_address(address.split("%")[0]) for address in sorted(found)]
    if not allow_private and any(not address.is_global or address.is_multicast for address in addresses):
        raise InvalidOption("the callback URL leads to an address that is not public")
    return str(addresses[0])


def _post(delivery: Delivery, jobs: JobStore, settings: Settings) -> None:
    url = httpx.URL(delivery.target)
    port = url.port or (443 if url.scheme == "https" else 80)
    address = checked_address(url.host, port, allow_private=settings.allow_private_callbacks)
    job = jobs.get(delivery.job_id)
    body = {
        "id": delivery.id,
        "type": "job.ended",
        "job": {
            "id": job.id,
            "state": job.state.value,
            "error_code": job.error_code,
            "report": f"/v1/jobs/{job.id}/report",
        },
    }
    # The checked address is called, not the name: a second look-up could give another address.
    target = url.copy_with(host=address)
    headers = {"Host": url.netloc.decode()}
    extensions = {"sni_hostname": url.host}
    with httpx.Client(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False) as client:
        client.post(target, json=body, headers=headers, extensions=extensions).raise_for_status()
