"""The files of a result, and the report as a typed value."""

from pathlib import Path
from typing import TypeVar

from fastapi import APIRouter
from starlette.responses import FileResponse
from starlette.types import Message, Receive, Scope, Send

from service.contracts.api_keys import ApiKey
from service.contracts.blobs import COMMIT_FILE
from service.contracts.errors import ArtifactNotFound, RangeNotSatisfiable
from service.contracts.jobs import JobState
from service.contracts.report import Report
from service.contracts.schemas import Artifact, ArtifactList
from service.contracts.series_report import SeriesReport
from service.dependencies import Parts, PartsOf, Reader
from service.routes.jobs import owned_job

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["results"])

AnyReport = TypeVar("AnyReport", Report, SeriesReport)

MEDIA_TYPES = {
    ".gz": "application/gzip",
    ".dcm": "application/dicom",
    ".csv": "text/csv; charset=utf-8",
    ".json": "application/json",
    ".html": "text/html; charset=utf-8",
    ".pdf": "application/pdf",
    ".zip": "application/zip",
}


class ArtifactFile(FileResponse):
    """A file whose refused ranges are problems like every other refusal."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the file or the part asked for; `RangeNotSatisfiable` before a byte is sent."""

        async def checked(message: Message) -> None:
            if message.get("status", 200) >= 400:
                raise RangeNotSatisfiable("expected one or more ranges 'bytes=FIRST-LAST' within the file")
            await send(message)

        await super().__call__(scope, receive, checked)


@router.get("/artifacts")
def list_artifacts(job_id: str, parts: PartsOf, key: Reader) -> ArtifactList:
    """The files of the result; none before the job has succeeded."""
    found = results_of(job_id, parts, key)
    return ArtifactList(artifacts=tuple(_artifact(job_id, path) for path in found.values()))


@router.get("/artifacts/{name}", response_class=FileResponse)
def download_artifact(job_id: str, name: str, parts: PartsOf, key: Reader) -> ArtifactFile:
    """One file; `Range` requests are answered in part (206)."""
    path = results_of(job_id, parts, key).get(name)
    if path is None:
        raise ArtifactNotFound("the job has no artifact of this name")
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private"}
    return ArtifactFile(path, media_type=_media_type(path), filename=path.name, headers=headers)


@router.get("/report")
def show_report(job_id: str, parts: PartsOf, key: Reader) -> Report:
    """The change report: `report.json` as a typed value."""
    stored = results_of(job_id, parts, key).get(COMMIT_FILE)
    return read_report(stored, Report, "the job has no report yet, or is a series, whose report is at series-report")


def read_report(stored: Path | None, kind: type[AnyReport], missing: str) -> AnyReport:
    """The typed value of a report's file.

    Raises:
        ArtifactNotFound: there is no file; says `missing`.
    """
    if stored is None:
        raise ArtifactNotFound(missing)
    return kind.model_validate_json(stored.read_text(encoding="utf-8"))


def results_of(job_id: str, parts: Parts, key: ApiKey) -> dict[str, Path]:
    """The files of the caller's job by name; none before it has succeeded."""
    job = owned_job(job_id, parts, key)
    return parts.blobs.results(job.id, job.attempt) if job.state is JobState.SUCCEEDED else {}


def _artifact(job_id: str, path: Path) -> Artifact:
    return Artifact(
        name=path.name,
        bytes=path.stat().st_size,
        media_type=_media_type(path),
        href=f"/v1/jobs/{job_id}/artifacts/{path.name}",
    )


def _media_type(path: Path) -> str:
    return MEDIA_TYPES.get(path.suffix, "application/octet-stream")
