"""Jobs under a lease: finished once, cancelled, given back, swept."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from service.contracts.blobs import BlobStore
from service.contracts.database import migrate, open_database
from service.contracts.input_errors import MissingFlair
from service.contracts.job_store import JobStore, NewJob
from service.contracts.jobs import Job, JobState, Lease
from service.contracts.queue import MemoryQueue
from service.contracts.settings import Settings
from worker.case import Progress, Stage
from worker.runner import Runner
from worker.tasks import sweep_once

Attempt = Callable[[Job, Lease, Progress], None]


class House:
    def __init__(self, folder: Path) -> None:
        self.settings = Settings(
            data_folder=folder, database_url=f"sqlite:///{folder / 'jobs.sqlite'}", lease_s=2.0, heartbeat_s=0.2
        )
        self.engine = open_database(self.settings.database)
        migrate(self.engine)
        self.jobs = JobStore(self.engine)
        self.blobs = BlobStore(folder)
        self.blobs.prepare()

    def submit(self) -> str:
        new = NewJob(
            follow_up="f", baseline=None, options={}, callback_url=None, owner="k", idempotency_key=None,
            request_digest="d",
        )  # fmt: skip
        return self.jobs.create(new)[0].id

    def runner(self, attempt: Attempt) -> Runner:
        return Runner(jobs=self.jobs, blobs=self.blobs, settings=self.settings, run_attempt=attempt)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def write_result(house: House, job: Job, lease: Lease) -> None:
    folder = house.blobs.job_folder(job.id, lease.attempt)
    folder.mkdir(parents=True)
    (folder / "report.json").write_text("{}")


def test_a_job_is_run_once_however_often_its_message_comes(house: House) -> None:
    ran = []

    def attempt(job: Job, lease: Lease, progress: Progress) -> None:
        progress(Stage.PREDICT, 0.5)
        ran.append(lease.attempt)
        write_result(house, job, lease)

    job_id = house.submit()
    runner = house.runner(attempt)
    for _ in range(3):
        runner.run(job_id)

    job = house.jobs.get(job_id)
    assert ran == [1]
    assert (job.state, job.fraction) == (JobState.SUCCEEDED, 1.0)
    assert "report.json" in house.blobs.results(job_id, job.attempt)


def test_a_named_error_fails_the_job_with_its_code(house: House) -> None:
    def attempt(*_: object) -> None:
        raise MissingFlair("saw 3 series, none a FLAIR")

    job_id = house.submit()
    house.runner(attempt).run(job_id)

    job = house.jobs.get(job_id)
    assert (job.state, job.error_code, job.error_message) == (
        JobState.FAILED,
        "missing_flair",
        "saw 3 series, none a FLAIR",
    )


def test_a_fault_of_the_program_is_an_internal_error_without_its_text(house: House) -> None:
    def attempt(*_: object) -> None:
        raise ZeroDivisionError("Zyzzyva^Canary")

    job_id = house.submit()
    house.runner(attempt).run(job_id)

    job = house.jobs.get(job_id)
    assert job.error_code == "internal_error"
    assert "Canary" not in str(job)


def test_a_cancelled_job_stops_at_its_next_progress(house: House) -> None:
    started = threading.Event()

    def attempt(_: Job, __: Lease, progress: Progress) -> None:
        progress(Stage.READ, 0.0)
        started.set()
        for step in range(200):
            time.sleep(0.05)
            progress(Stage.PREDICT, step / 200)

    job_id = house.submit()
    thread = threading.Thread(target=house.runner(attempt).run, args=(job_id,))
    thread.start()
    started.wait(5)
    house.jobs.request_cancel(job_id)
    thread.join(8)

    assert house.jobs.get(job_id).state is JobState.CANCELLED


def test_the_heartbeat_keeps_a_lease_that_long_work_would_lose(house: House) -> None:
    def attempt(job: Job, lease: Lease, progress: Progress) -> None:
        progress(Stage.PREDICT, 0.1)
        time.sleep(2.5)  # longer than the lease
        assert house.jobs.sweep(max_attempts=3).requeued == ()
        write_result(house, job, lease)

    job_id = house.submit()
    house.runner(attempt).run(job_id)

    assert house.jobs.get(job_id).state is JobState.SUCCEEDED


def test_a_worker_that_lost_its_lease_writes_no_outcome(house: House) -> None:
    queue = MemoryQueue()

    def second(job: Job, lease: Lease, _: Progress) -> None:
        write_result(house, job, lease)

    def first(job: Job, lease: Lease, progress: Progress) -> None:
        with house.engine.begin() as connection:  # as if this process had slept through its lease
            connection.exec_driver_sql("UPDATE jobs SET lease_expires = '2000-01-01 00:00:00'")
        assert sweep_once(house.jobs, queue, max_attempts=3, lost_message_s=99) == [job.id]
        house.runner(second).run(queue.sent[0])
        write_result(house, job, lease)

    job_id = house.submit()
    house.runner(first).run(job_id)

    job = house.jobs.get(job_id)
    assert (job.state, job.attempt) == (JobState.SUCCEEDED, 2)
    assert (house.blobs.job_folder(job_id, 2) / "report.json").exists()


def test_a_stopping_worker_queues_its_job_again(house: House) -> None:
    def attempt(*_: object) -> None:
        raise SystemExit(0)

    job_id = house.submit()
    with pytest.raises(SystemExit):
        house.runner(attempt).run(job_id)

    assert house.jobs.get(job_id).state is JobState.QUEUED


def test_a_job_whose_message_was_lost_is_sent_again(house: House) -> None:
    queue, job_id = MemoryQueue(), house.submit()

    assert sweep_once(house.jobs, queue, max_attempts=3, lost_message_s=-1.0) == [job_id]
    assert queue.sent == [job_id]
