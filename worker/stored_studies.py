"""Studies of the service as the pipelines read them."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from service.contracts.blobs import BlobStore
from service.contracts.job_store import JobStore
from service.contracts.jobs import Job
from service.contracts.study_store import StudyStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Where the files of a study lie, and what was said of it when it was uploaded."""

    blobs: BlobStore
    studies: StudyStore
    jobs: JobStore

    def folder(self, study_id: str) -> Path:
        """Its files."""
        return self.blobs.study_folder(study_id)

    def acquired(self, study_id: str) -> date | None:
        """Its date, where it is known.

        Raises:
            StudyNotFound: there is no such study.
        """
        return self.studies.get(study_id).acquired

    def earlier_result(self, job: Job) -> Path | None:
        """Where the newest result lies whose follow-up is the baseline of the job; None where there is none."""
        if job.baseline is None:
            return None
        before = self.jobs.newest_result_of(self.studies.alike(job.baseline), owner=job.owner)
        return None if before is None else self.blobs.job_folder(before.id, before.attempt)
