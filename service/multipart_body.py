"""A multipart body as it streams in, within the limits of the settings; what its parts become is the caller's."""

from collections.abc import Callable, Mapping
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from service.contracts.blobs import BlobStore
from service.contracts.errors import InvalidRequest
from service.contracts.input_errors import IncompleteUpload, UploadTooLarge
from service.contracts.settings import Settings


class MultipartBody:
    """Hands the parts of a body to callbacks, and closes what they opened when it is refused."""

    def __init__(
        self,
        boundary: bytes,
        callbacks: Mapping[str, Callable[..., None]],
        *,
        close: Callable[[], None],
        blobs: BlobStore,
        settings: Settings,
    ) -> None:
        self._close, self._blobs, self._settings = close, blobs, settings
        self._received, self._ended = 0, False
        handlers: dict[str, Any] = {**callbacks, "on_end": self._end}
        self._parser = MultipartParser(boundary, handlers)  # type: ignore[arg-type]

    def feed(self, chunk: bytes) -> None:
        """Takes the next bytes of the body.

        Raises:
            UploadTooLarge: it is larger than the limit, or than the disk has room for.
            InvalidRequest: it is no multipart body; and what the callbacks raise.
        """
        self._received += len(chunk)
        if self._received > self._settings.max_upload_bytes:
            self._close()
            raise UploadTooLarge(f"the upload is larger than {self._settings.max_upload_bytes} bytes")
        if self._blobs.free_bytes() < self._settings.least_free_bytes:
            self._close()
            raise UploadTooLarge("the upload does not fit on the disk of this service")
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            self._close()
            raise InvalidRequest("the body is not valid multipart content") from error

    def finish(self) -> None:
        """Checks that the body was whole.

        Raises:
            IncompleteUpload: it was not.
        """
        self._close()
        if not self._ended:
            raise IncompleteUpload("the body ended before its last boundary")

    def _end(self) -> None:
        self._ended = True
