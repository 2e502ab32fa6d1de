"""Tells a caller's URL that a job has ended, signed; never lets that URL reach into the site's own network.

The signature is that of Standard Webhooks (standardwebhooks.com): `webhook-id`, which stays the same over all attempts,
`webhook-timestamp`, and in `webhook-signature` one signature per key, so that the receiver may hold any of them.
"""

import binascii
import ipaddress
import json
import socket
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

import httpx
from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError

from service.contracts.deliveries import Delivery
from service.contracts.delivery_errors import (
    DeliveryFailed,
    ReceiverBusy,
    ReceiverNotTrusted,
    ReceiverRefused,
    ReceiverTimedOut,
    ReceiverUnreachable,
    SiteMisconfigured,
)
from service.contracts.input_errors import InvalidOption
from service.contracts.job_store import JobStore
from service.contracts.settings import Settings
from service.contracts.site import read_secret

TIMEOUT_S = 10.0
GONE = 410
"""The receiver wants no more of these; every other refusal may be a passing trouble of a caller's own server."""


def callback_sender(jobs: JobStore, settings: Settings) -> Callable[[Delivery], None]:
    """What sends a delivery of kind `callback`."""

    def send(delivery: Delivery) -> None:
        content = _content(delivery, jobs)
        signed = signature_headers(settings.callback_key_files, delivery.id, content, now=datetime.now(UTC))
        _post(delivery.target, content, signed, allow_private=settings.allow_private_callbacks)

    return send


def signature_headers(key_files: Iterable[Path], message_id: str, content: bytes, *, now: datetime) -> dict[str, str]:
    """The three headers of a message, signed with every key; none without keys.

    Raises:
        SiteMisconfigured: a key file is not there, or holds no key.
    """
    try:
        keys = [Webhook(read_secret(path)) for path in key_files]
    except (InvalidOption, binascii.Error, ValueError, EmptyWebhookSecretError):
        raise SiteMisconfigured("MSDELTA_CALLBACK_KEY_FILES: expected a key, whsec_ and base64, in each file") from None
    if not keys:
        return {}
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(key.sign(message_id, now, content.decode()) for key in keys),
    }


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


def _content(delivery: Delivery, jobs: JobStore) -> bytes:
    job = jobs.get(delivery.job_id)
    body = {
        "id": delivery.id,
        "type": "job.ended",
        "job": {
            "id": job.id,
            "state": job.state.value,
            "error_code": job.error_code,
            "report": f"/v1/jobs/{job.id}/{job.report_name}",
        },
    }
    return json.dumps(body).encode()


def _post(target: str, content: bytes, signed: dict[str, str], *, allow_private: bool) -> None:
    try:
        url = httpx.URL(target)
        port = url.port or (443 if url.scheme == "https" else 80)
        address = checked_address(url.host, port, allow_private=allow_private)
        headers = {"Host": url.netloc.decode(), "Content-Type": "application/json", **signed}
        extensions = {"sni_hostname": url.host}
        # The checked address is called, not the name: a second look-up could give another address.
        checked = url.copy_with(host=address)
        with (
            httpx.Client(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False) as client,
            client.stream("POST", checked, content=content, headers=headers, extensions=extensions) as response,
        ):  # the answer's body is not read: it could be of any length
            status = response.status_code
    except httpx.TimeoutException:
        raise ReceiverTimedOut(f"expected an answer within {TIMEOUT_S:g} s, saw none") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise _no_answer(error) from None
    if not 200 <= status < 300:
        refusal = ReceiverRefused if status == GONE else ReceiverBusy
        raise refusal(f"expected HTTP status 2xx, saw {status}")


def _no_answer(error: Exception) -> DeliveryFailed:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return ReceiverNotTrusted("expected a certificate that is trusted here, saw another")
    return ReceiverUnreachable("expected a connection, saw none or its early end")
