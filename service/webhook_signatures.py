"""Who sent a webhook, by its signature (Standard Webhooks 1.0: HMAC-SHA256 over id, time and body)."""

import binascii
from collections.abc import Mapping

from standardwebhooks import Webhook, WebhookVerificationError

from service.contracts.errors import BadSignature
from service.contracts.site import Site, read_secret

TOLERANCE_S = 300.0
"""How old or new a message may be; the library checks it."""
LONGEST_ID = 64


def senders(body: bytes, headers: Mapping[str, str], site: Site) -> frozenset[str]:
    """Names of the PACS of which a key has signed the message; several where they share a key.

    Raises:
        BadSignature: none, or the message is older or newer than five minutes.
    """
    found = frozenset(
        name
        for name, pacs in site.pacs.items()
        if any(_signed(body, headers, read_secret(path)) for path in pacs.webhook_key_files)
    )
    if not found or not 0 < len(headers.get("webhook-id", "")) <= LONGEST_ID:
        raise BadSignature(
            "expected webhook-id, webhook-timestamp (within 5 minutes) and webhook-signature of a known key"
        )
    return found


def _signed(body: bytes, headers: Mapping[str, str], key: str) -> bool:
    given = {name: value for name, value in headers.items() if name.startswith("webhook-")}
    try:
        Webhook(key).verify(body, given, json_parse=False)
    except (WebhookVerificationError, binascii.Error, ValueError):
        return False
    return True
