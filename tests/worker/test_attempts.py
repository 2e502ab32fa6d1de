"""What an attempt of a job runs: real reading of stored studies, as far as a refusal."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from service.contracts.blobs import BlobStore
from service.contracts.database import migrate, open_database
from service.contracts.input_errors import BadInput, DifferentPatients, VisitsOutOfOrder
from service.contracts.job_store import JobStore, NewJob
from service.contracts.jobs import Job, JobEvent, JobState
from service.contracts.study_store import StudyRow, StudyStore
from tests.fixtures.small_studies import edit, write_dicom_study
from worker.attempts import run_attempt
from worker.pipeline_tools import load_tools
from worker.stored_studies import Stored

NOW = datetime(2026, 1, 1, tzinfo=UTC)
JOB = Job(
    id="j", state=JobState.RUNNING, follow_up="s2023", baseline="s2021", options={}, callback_url=None, visits=(),
    deliver_to=(), owner="k", created=NOW, started=NOW, ended=None, attempt=1, stage=None, fraction=0.0,
    error_code=None, error_message=None, cancel_requested=False,
)  # fmt: skip


@pytest.fixture
def stored(tmp_path: Path) -> Stored:
    """Three studies of three years; the last is of another person."""
    engine = open_database(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    migrate(engine)
    found = Stored(blobs=BlobStore(tmp_path), studies=StudyStore(engine), jobs=JobStore(engine))
    for year in (2021, 2022, 2023):
        name = f"s{year}"
        for path in write_dicom_study(found.folder(name)).glob("*/*.dcm"):
            edit(path, StudyDate=f"{year}0409", AcquisitionDate=None)
            if year == 2023:
                edit(path, PatientID="another", PatientBirthDate="19010101", PatientName="Other^One")
        row = StudyRow(
            id=name, kind="dicom", instances=28, bytes=1, sha256=name, acquired=None, owner="k", created=NOW
        )  # fmt: skip
        found.studies.add(row)
    return found


@pytest.mark.parametrize(
    ("job", "refusal", "message"),
    [
        (JOB, DifferentPatients, "^the identifying"),
        (replace(JOB, visits=("s2021", "s2022", "s2023")), DifferentPatients, "^visits 1 and 3: "),
        (replace(JOB, visits=("s2022", "s2021")), VisitsOutOfOrder, "^visit 2 was acquired before visit 1"),
    ],
    ids=["comparison", "series", "series out of order"],
)
def test_a_job_runs_what_it_is(stored: Stored, tmp_path: Path, job: Job, refusal: type[BadInput], message: str) -> None:
    with pytest.raises(refusal, match=message):
        run_attempt(job, tmp_path / "out", stored, tools=load_tools(device="cpu"), progress=lambda *_: None)

    assert not (tmp_path / "out").exists()


def finished(stored: Stored, *, baseline: str | None, follow_up: str, owner: str = "k", **more: object) -> Job:
    new = NewJob(
        follow_up=follow_up, baseline=baseline, options={}, callback_url=None, owner=owner, idempotency_key=None,
        request_digest="", **more,
    )  # fmt: skip
    job, _ = stored.jobs.create(new)
    lease = stored.jobs.claim(job.id, lease_s=60)
    assert lease is not None
    stored.jobs.finish(lease, JobEvent.SUCCEED)
    return job


def test_the_earlier_result_is_the_newest_one_of_the_same_files_of_the_same_owner(stored: Stored) -> None:
    job = replace(JOB, baseline="again", follow_up="s2023")
    assert stored.earlier_result(replace(JOB, baseline=None)) is None
    for name, owner in (("again", "k"), ("theirs", "other")):
        row = StudyRow(
            id=name, kind="dicom", instances=28, bytes=1, sha256="s2022", acquired=None, owner=owner, created=NOW
        )  # fmt: skip
        stored.studies.add(row)
    finished(stored, baseline="s2021", follow_up="theirs", owner="other")
    finished(stored, baseline=None, follow_up="s2021")
    assert stored.earlier_result(job) is None
    finished(stored, baseline=None, follow_up="s2022")
    newest = finished(stored, baseline="s2021", follow_up="s2022")
    finished(stored, baseline=None, follow_up="s2022", visits=("s2021", "s2022"))
    assert stored.earlier_result(job) == stored.blobs.job_folder(newest.id, 1)
