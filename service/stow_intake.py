"""STOW-RS bodies straight to disk (DICOM PS3.18 10.5): each instance to a file of ours, under its study.

received/{digest of StudyInstanceUID}/{digest of SOPInstanceUID}.dcm
"""

import hashlib
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from anyio import to_thread
from python_multipart.multipart import parse_options_header

from service.contracts.blobs import BlobStore
from service.contracts.dicom_headers import InstanceIds, read_ids
from service.contracts.errors import InvalidRequest
from service.contracts.input_errors import UploadTooLarge
from service.contracts.settings import Settings
from service.multipart_body import MultipartBody

CANNOT_UNDERSTAND = 0xC000
"""Failure reasons of DICOM PS3.4 table B.2-1 and PS3.18 table I.2-2."""
WRONG_STUDY = 0xA900


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What became of one instance."""

    ids: InstanceIds | None
    """None: it is no DICOM instance."""
    failure: int | None = None
    """DICOM failure reason; None: it is stored."""


async def receive_instances(
    chunks: AsyncIterator[bytes],
    content_type: str,
    *,
    blobs: BlobStore,
    settings: Settings,
    owner: str,
    study_uid: str | None = None,
) -> list[Stored]:
    """What became of each instance of a body; an instance that was sent before is replaced by itself.

    Raises:
        InvalidRequest, IncompleteUpload, UploadTooLarge: the body as a whole is not to be had; nothing of it is kept.
    """
    incoming = blobs.incoming_folder()
    try:
        reader = RelatedReader(content_type, incoming, blobs, settings)
        async for chunk in chunks:
            await to_thread.run_sync(reader.body.feed, chunk)
        await to_thread.run_sync(reader.body.finish)
        return await to_thread.run_sync(_accept, reader.files, blobs, owner, study_uid)
    finally:
        shutil.rmtree(incoming, ignore_errors=True)


class RelatedReader:
    """Parts of a multipart/related body written to files as they come."""

    def __init__(self, content_type: str, folder: Path, blobs: BlobStore, settings: Settings) -> None:
        kind, options = parse_options_header(content_type.encode())
        boundary = options.get(b"boundary")
        if kind != b"multipart/related" or options.get(b"type", b"").lower() != b"application/dicom" or not boundary:
            raise InvalidRequest('expected a body of multipart/related; type="application/dicom"')
        self.files: list[Path] = []
        self._folder, self._settings = folder, settings
        self._sink: BinaryIO | None = None
        callbacks: dict[str, Callable[..., None]] = {
            "on_headers_finished": self._open,
            "on_part_data": self._data,
            "on_part_end": self._close,
        }
        self.body = MultipartBody(boundary, callbacks, close=self._close, blobs=blobs, settings=settings)

    def _open(self) -> None:
        if len(self.files) >= self._settings.max_files:
            raise UploadTooLarge(f"the body holds more than {self._settings.max_files} instances")
        self.files.append(self._folder / f"{len(self.files) + 1:06d}")
        self._sink = self.files[-1].open("xb")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._sink is not None:
            self._sink.write(data[start:end])

    def _close(self) -> None:
        if self._sink is not None:
            self._sink.close()
            self._sink = None


def _accept(files: list[Path], blobs: BlobStore, owner: str, study_uid: str | None) -> list[Stored]:
    done = []
    for path in files:
        ids = read_ids(path)
        if ids is None:
            done.append(Stored(ids=None, failure=CANNOT_UNDERSTAND))
        elif study_uid is not None and ids.study != study_uid:
            done.append(Stored(ids=ids, failure=WRONG_STUDY))
        else:
            folder = blobs.received_folder(owner, ids.study)
            folder.mkdir(parents=True, exist_ok=True)
            path.replace(folder / f"{hashlib.sha256(ids.instance.encode()).hexdigest()[:32]}.dcm")
            done.append(Stored(ids=ids))
    return done
