"""Several visits of a patient, followed together: submitted here; state, events and artifacts are those of a job."""

from typing import Annotated

from fastapi import APIRouter, Header, Response

from service.contracts.blobs import SERIES_COMMIT_FILE
from service.contracts.options import check_allowed
from service.contracts.schemas import JobView, VisitsRequest
from service.contracts.series_report import SeriesReport
from service.contracts.visits import check_in_order
from service.dependencies import PartsOf, Reader, Submitter
from service.routes.artifacts import read_report, results_of
from service.routes.jobs import create_job, new_job, view
from service.routes.studies import owned_study

router = APIRouter(prefix="/v1", tags=["visits"])


@router.post("/series", status_code=202)
def submit_series(
    body: VisitsRequest,
    response: Response,
    parts: PartsOf,
    key: Submitter,
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> JobView:
    """Queues the visits as one job. The same Idempotency-Key with the same body gives the job there is."""
    studies = [owned_study(study, parts, key) for study in body.visits]
    check_in_order([study.acquired for study in studies])
    check_allowed(body.options, parts.settings)
    job = create_job(new_job(body, key, idempotency_key), parts)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return view(job)


@router.get("/jobs/{job_id}/series-report")
def show_series_report(job_id: str, parts: PartsOf, key: Reader) -> SeriesReport:
    """The report of a series: `series.json` as a typed value."""
    stored = results_of(job_id, parts, key).get(SERIES_COMMIT_FILE)
    return read_report(stored, SeriesReport, "the job has no series report yet, or is no series")
