"""The signature of a report: that an answer, a refusal above all, is as this installation gave it.

    report without its signature --canonical JSON--> bytes --HMAC-SHA256 under the installation's key--> signature

The key is a secret of the installation: who holds it can check a report, and could make one. It proves nothing to
others; it shows the site itself that nobody has changed a verdict since.
"""

import hashlib
import hmac
import json
import secrets
from pathlib import Path
from typing import Any, TypeVar

from service.contracts.input_errors import InvalidSignature, UnsignedReport
from service.contracts.report import Report, Signature
from service.contracts.series_report import SeriesReport
from service.contracts.settings import Settings
from service.contracts.site import read_secret

KEY_FILE = "report.key"
"""Of the data folder, where no other is named."""
LEAST_BYTES = 32

Signable = TypeVar("Signable", Report, SeriesReport)


def make_key(path: Path) -> None:
    """A new key in a file of its own, for its owner alone; one that is there stays."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(new_key() + "\n", encoding="utf-8")


def new_key() -> str:
    """The text of a key file."""
    return secrets.token_urlsafe(LEAST_BYTES)


def key_of(settings: Settings) -> bytes | None:
    """The installation's key; None where it has none.

    Raises:
        InvalidOption: a key file is named that is not there or empty.
    """
    if settings.report_key_file is not None:
        return read_secret(settings.report_key_file).encode()
    usual = settings.data_folder / KEY_FILE
    return read_secret(usual).encode() if usual.exists() else None


def signed(report: Signable, key: bytes | None) -> Signable:
    """The report, of a comparison or of a series, with its signature; as it is where there is no key."""
    if key is None:
        return report
    value = _value(report.model_dump(mode="json"), key)
    return report.model_copy(update={"signature": Signature(key_id=key_id(key), value=value)})


def check_signature(document: dict[str, Any], key: bytes) -> None:
    """Returns where the signature of a report, as read from its file, is this installation's and fits.

    Works on the document rather than on a `Report`, so that reports of other versions can be checked too.

    Raises:
        UnsignedReport: there is none.
        InvalidSignature: it is of another key, or the report was changed.
    """
    signature = document.get("signature")
    if not isinstance(signature, dict):
        raise UnsignedReport("expected a report with a signature, saw none")
    stated = signature.get("key_id")
    if stated != key_id(key):
        raise InvalidSignature("the report was signed with another key than this installation's")
    if not hmac.compare_digest(str(signature.get("value")), _value(document, key)):
        raise InvalidSignature("the report is not as it was signed")


def key_id(key: bytes) -> str:
    """Names a key without giving it away: 16 hexadecimal digits."""
    return hashlib.sha256(b"msdelta report key\n" + key).hexdigest()[:16]


def _value(document: dict[str, Any], key: bytes) -> str:
    unsigned = {name: value for name, value in document.items() if name != "signature"}
    canonical = json.dumps(unsigned, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hmac.digest(key, canonical.encode(), "sha256").hex()
