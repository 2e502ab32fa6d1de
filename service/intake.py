"""Uploads straight to disk: memory stays flat whatever the size, names of the caller are never used.

The multipart body is parsed as it streams in; each part goes to a file of ours. A zip is unpacked after it is whole.
What is refused leaves nothing behind.
"""

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import BinaryIO

from anyio import to_thread
from python_multipart.multipart import parse_options_header

from service.contracts.archives import Limits, opaque_name, unpack_zip
from service.contracts.blobs import BlobStore
from service.contracts.errors import InvalidRequest
from service.contracts.input_errors import EmptyStudy, UploadTooLarge
from service.contracts.settings import Settings
from service.contracts.study_folder import GZIP_MAGIC, study_row
from service.contracts.study_store import StudyRow
from service.multipart_body import MultipartBody

ZIP_MAGIC = b"PK\x03\x04"
LONGEST_FIELD = 64
FIELDS = frozenset({"acquired"})
"""Form fields that are not files."""


@dataclass(slots=True, kw_only=True)
class Part:
    """One part of the form as it streams in."""

    field_name: str = ""
    file_name: str = ""
    path: Path | None = None
    sink: BinaryIO | None = None
    value: bytearray = field(default_factory=bytearray)


async def receive_study(
    chunks: AsyncIterator[bytes], content_type: str, *, blobs: BlobStore, settings: Settings, owner: str
) -> StudyRow:
    """The stored study of an upload.

    Raises:
        BadInput: what is wrong with it; nothing is kept then.
    """
    incoming = blobs.incoming_folder()
    try:
        form = FormReader(content_type, incoming, blobs, settings)
        async for chunk in chunks:
            await to_thread.run_sync(form.body.feed, chunk)
        await to_thread.run_sync(form.body.finish)
        return await to_thread.run_sync(_accept, form, blobs, settings, owner)
    finally:
        shutil.rmtree(incoming, ignore_errors=True)


class FormReader:
    """Parts of a multipart/form-data body written to files as they come."""

    def __init__(self, content_type: str, folder: Path, blobs: BlobStore, settings: Settings) -> None:
        kind, options = parse_options_header(content_type.encode())
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise InvalidRequest("expected a multipart/form-data body")
        self.uploads = folder / "uploads"
        self.uploads.mkdir()
        self.files: list[Part] = []
        self.values: dict[str, str] = {}
        self._settings = settings
        self._part = Part()
        self._header_name, self._header_value = bytearray(), bytearray()
        self.body = MultipartBody(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_part_data": self._data,
                "on_part_end": self._end,
                "on_header_field": lambda data, start, end: self._header_name.extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._header_value.extend(data[start:end]),
                "on_header_end": self._header,
                "on_headers_finished": self._open,
            },
            close=self._close,
            blobs=blobs,
            settings=settings,
        )

    def _begin(self) -> None:
        self._part = Part()

    def _header(self) -> None:
        if bytes(self._header_name).lower() == b"content-disposition":
            _, options = parse_options_header(bytes(self._header_value))
            self._part.field_name = options.get(b"name", b"").decode("utf-8", "replace")
            self._part.file_name = options.get(b"filename", b"").decode("utf-8", "replace")
        self._header_name, self._header_value = bytearray(), bytearray()

    def _open(self) -> None:
        if self._part.file_name:
            if len(self.files) >= self._settings.max_files:
                raise UploadTooLarge(f"the upload holds more than {self._settings.max_files} files")
            self._part.path = self.uploads / f"{len(self.files) + 1:06d}"
            self._part.sink = self._part.path.open("xb")
        elif self._part.field_name not in FIELDS:
            raise InvalidRequest("an unknown form field, expected files and acquired")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._part.sink is not None:
            self._part.sink.write(data[start:end])
        elif len(self._part.value) + end - start > LONGEST_FIELD:
            raise InvalidRequest("a form field is longer than any that is known")
        else:
            self._part.value.extend(data[start:end])

    def _end(self) -> None:
        if self._part.sink is not None:
            self._part.sink.close()
            self._part.sink = None
            self.files.append(self._part)
        else:
            self.values[self._part.field_name] = self._part.value.decode("utf-8", "replace")

    def _close(self) -> None:
        if self._part.sink is not None:
            self._part.sink.close()
            self._part.sink = None


def _accept(form: FormReader, blobs: BlobStore, settings: Settings, owner: str) -> StudyRow:
    """Names, checks and moves the files into place."""
    if not form.files:
        raise EmptyStudy("the upload holds no file")
    acquired = _acquired(form.values)
    study = form.uploads.parent / "study"
    study.mkdir()
    stored = 0
    for part in form.files:
        stored += _store(part, study, stored, settings)
    row = study_row(study, owner=owner, acquired=acquired, without_t1=settings.allow_flair_only)
    blobs.accept_study(study, row.id)
    return row


def _acquired(values: dict[str, str]) -> date | None:
    text = values.get("acquired", "").strip()
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidRequest("acquired: expected an ISO date such as 2024-05-31") from None


def _store(part: Part, study: Path, stored: int, settings: Settings) -> int:
    """The number of files that one upload adds to the study folder, under names of ours."""
    if part.path is None:
        return 0
    with part.path.open("rb") as file:
        start = file.read(4)
    if start == ZIP_MAGIC:
        return unpack_zip(
            part.path, study, _left(study, stored, settings), name=lambda original, n: opaque_name(original, stored + n)
        )
    if part.field_name in {"t1", "flair"}:
        suffix = ".nii.gz" if start[:2] == GZIP_MAGIC else ".nii"
        target = study / f"{part.field_name}{suffix}"
        if target.exists():
            raise InvalidRequest(f"the form holds more than one file for {part.field_name}")
        part.path.rename(target)
    else:
        part.path.rename(study / opaque_name(part.file_name, stored + 1))
    return 1


def _left(study: Path, stored: int, settings: Settings) -> Limits:
    """What the next zip of an upload may unpack to: the limits hold for all of them together."""
    used = sum(path.stat().st_size for path in study.iterdir())
    return Limits(max_bytes=max(0, settings.max_unpacked_bytes - used), max_files=max(0, settings.max_files - stored))
