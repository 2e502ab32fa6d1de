"""What one attempt of a job runs: a comparison, or the visits of a series."""

from pathlib import Path

from service.contracts.jobs import Job
from service.contracts.options import CompareOptions
from worker.case import Progress
from worker.outcome import CaseRequest
from worker.pipeline import run_case
from worker.pipeline_tools import Tools
from worker.stored_studies import Stored
from worker.study_reader import StudyFolder
from worker.visit_case import SeriesRequest
from worker.visit_pipeline import run_series


def run_attempt(job: Job, out: Path, stored: Stored, *, tools: Tools, progress: Progress) -> None:
    """Writes every artifact of the job to `out`.

    Raises:
        MsDeltaError: the input cannot be used, or the work failed. What `progress` raises passes through.
    """
    if job.visits:
        run_series(_series(job, out, stored), tools=tools, progress=progress)
    else:
        run_case(_case(job, out, stored), tools=tools, progress=progress)


def _series(job: Job, out: Path, stored: Stored) -> SeriesRequest:
    visits = (StudyFolder(folder=stored.folder(one), acquired=stored.acquired(one)) for one in job.visits)
    options = CompareOptions.model_validate(job.options)
    return SeriesRequest(visits=tuple(visits), out=out, options=options, job_id=job.id)


def _case(job: Job, out: Path, stored: Stored) -> CaseRequest:
    return CaseRequest(
        baseline=None if job.baseline is None else stored.folder(job.baseline),
        follow_up=stored.folder(job.follow_up),
        out=out,
        options=CompareOptions.model_validate(job.options),
        baseline_acquired=None if job.baseline is None else stored.acquired(job.baseline),
        follow_up_acquired=stored.acquired(job.follow_up),
        job_id=job.id,
        earlier=stored.earlier_result(job),
    )
