"""A client for a DICOMweb server of the site file, and what its refusals are called."""

import requests
from dicomweb_client import DICOMwebClient
from requests.auth import AuthBase

from service.contracts.delivery_errors import (
    CredentialsRefused,
    DeliveryFailed,
    DeliveryUnproven,
    ReceiverBusy,
    ReceiverNotTrusted,
    ReceiverRefused,
    ReceiverTimedOut,
    ReceiverUnreachable,
)
from service.contracts.site import DicomWebServer, read_secret

BUSY = frozenset({408, 425, 429})
"""Statuses below 500 that say "later"."""
WITHOUT_STATUS: dict[type[requests.RequestException], tuple[type[DeliveryFailed], str]] = {
    requests.exceptions.InvalidJSONError: (DeliveryUnproven, "expected DICOM JSON, saw something else"),
    requests.exceptions.SSLError: (ReceiverNotTrusted, "expected a certificate that is trusted here, saw another"),
    requests.exceptions.Timeout: (ReceiverTimedOut, "expected an answer in time, saw none"),
    requests.exceptions.TooManyRedirects: (ReceiverRefused, "expected an answer, saw a redirection"),
}
"""Ways to fail that no HTTP status tells of."""


class Login(AuthBase):
    """Adds the credentials to each request; they are read anew each time a session is opened."""

    def __init__(self, server: DicomWebServer) -> None:
        self._basic = None
        self._bearer = None
        if server.username is not None:
            password = "" if server.password_file is None else read_secret(server.password_file)
            self._basic = requests.auth.HTTPBasicAuth(server.username, password)
        elif server.bearer_token_file is not None:
            self._bearer = read_secret(server.bearer_token_file)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # The client library sets Host without the port; without it the right one is added further down.
        request.headers.pop("Host", None)
        if self._bearer is not None:
            request.headers["Authorization"] = f"Bearer {self._bearer}"
        return request if self._basic is None else self._basic(request)


def open_dicomweb(server: DicomWebServer, *, chunk_bytes: int = 10**6) -> DICOMwebClient:
    """A client that asks once (the caller has retries of its own), follows nobody elsewhere and uses no proxy.

    Args:
        server: where, and as whom.
        chunk_bytes: what is received goes through memory in pieces of so many; a larger body is sent in such pieces.

    Raises:
        InvalidOption: a secret file is not there or empty.
    """
    session = requests.Session()
    session.trust_env = False
    session.max_redirects = 0
    session.auth = Login(server)
    session.headers["Accept"] = "application/dicom+json"
    session.hooks["response"] = [_plain_content_type]
    if server.certificate_file is not None:
        session.verify = str(server.certificate_file)
    url = str(server.dicomweb).rstrip("/")
    client = DICOMwebClient(url, session=session, timeout=server.timeout_s, chunk_size=chunk_bytes)
    client.set_http_retry_params(retry=False)
    return client


def named(error: requests.RequestException) -> DeliveryFailed:
    """The failure of a request by its name; says the HTTP status where there is one, never the address."""
    if error.response is not None and not isinstance(error, tuple(WITHOUT_STATUS)):
        return _of_status(error.response.status_code)
    for kind, (failure, seen) in WITHOUT_STATUS.items():
        if isinstance(error, kind):
            return failure(seen)
    return ReceiverUnreachable("expected a connection, saw none or its early end")


def _of_status(status: int) -> DeliveryFailed:
    seen = f"expected HTTP status 200, saw {status}"
    if status in (401, 403):
        return CredentialsRefused(seen)
    return ReceiverBusy(seen) if status >= 500 or status in BUSY else ReceiverRefused(seen)


def _plain_content_type(response: requests.Response, *_: object, **__: object) -> requests.Response:
    """The client library knows the bare media types of documents alone, and needs one."""
    bare = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if not bare.startswith("multipart/"):
        response.headers["Content-Type"] = bare
    return response
