"""What Celery calls: one job, and beside it a thread that sweeps and has deliveries sent."""

import threading
from functools import lru_cache
from typing import Any

from celery import signals
from sqlalchemy.exc import OperationalError

from service.contracts.arrivals import ArrivalStore
from service.contracts.blobs import BlobStore
from service.contracts.database import open_database
from service.contracts.delivery_store import DeliveryStore
from service.contracts.errors import MsDeltaError, WorkerLost
from service.contracts.job_store import JobStore
from service.contracts.jobs import Job, Lease
from service.contracts.logs import describe, get_logger
from service.contracts.options import CompareOptions, check_allowed
from service.contracts.queue import RUN_JOB, CeleryQueue, JobQueue
from service.contracts.series_questions import SeriesQuestions
from service.contracts.site import read_site
from service.contracts.study_store import StudyStore
from worker.app import app, settings
from worker.case import Progress
from worker.delivery.channels import courier_of
from worker.pipeline_tools import Tools, tools_of
from worker.runner import Runner
from worker.series_answers import SeriesAnswerer
from worker.series_rules_file import load_rules
from worker.stored_studies import Stored

_stop = threading.Event()


@app.task(name=RUN_JOB, time_limit=settings.hard_time_limit_s)
def run_job(job_id: str) -> None:
    """Runs the job of this id, if it is still to be had."""
    _runner().run(job_id)


def sweep_once(jobs: JobStore, queue: JobQueue, *, max_attempts: int, lost_message_s: float) -> list[str]:
    """Sends again what lost its worker or its message; the ids that were sent."""
    swept = jobs.sweep(max_attempts=max_attempts)
    again = [*swept.requeued, *jobs.waiting(longer_than_s=lost_message_s)]
    for job_id in again:
        queue.send(job_id)
        get_logger().info("job sent again", job_id=job_id)
    for job_id in swept.failed:
        get_logger().warning("job given up", job_id=job_id, code=WorkerLost.code)
    return again


@lru_cache(maxsize=1)
def _runner() -> Runner:
    engine = open_database(settings.database)
    blobs = BlobStore(settings.data_folder)
    studies, jobs = StudyStore(engine), JobStore(engine)

    def attempt(job: Job, lease: Lease, progress: Progress) -> None:
        from worker.attempts import run_attempt  # noqa: PLC0415 (torch and SimpleITK load with the first job)

        check_allowed(CompareOptions.model_validate(job.options), settings)
        out = blobs.job_folder(job.id, lease.attempt)
        run_attempt(job, out, Stored(blobs=blobs, studies=studies, jobs=jobs), tools=_tools(), progress=progress)

    return Runner(jobs=jobs, blobs=blobs, settings=settings, run_attempt=attempt)


@lru_cache(maxsize=1)
def _tools() -> Tools:
    return tools_of(settings)


@signals.worker_ready.connect
def _start_housekeeping(**_: Any) -> None:
    threading.Thread(target=_keep_house, name="housekeeping", daemon=True).start()
    threading.Thread(target=_attend_arrivals, name="arrivals", daemon=True).start()
    threading.Thread(target=_answer_series, name="series", daemon=True).start()


@signals.worker_shutdown.connect
def _stop_housekeeping(**_: Any) -> None:
    _stop.set()


def _attend_arrivals() -> None:
    """Attends to studies that came by themselves; apart from the housekeeping, because a PACS can be slow."""
    from worker.pacs.attend import ArrivalDesk  # noqa: PLC0415 (pydicom and numpy load beside the first job)

    engine = open_database(settings.database)
    desk = ArrivalDesk(
        arrivals=ArrivalStore(engine),
        jobs=JobStore(engine),
        studies=StudyStore(engine),
        blobs=BlobStore(settings.data_folder),
        queue=CeleryQueue(settings.broker_url),
        site=lambda: read_site(settings.site_file),
        rules=lambda: load_rules(settings.series_rules),
    )
    while not _stop.is_set():
        try:
            if not desk.attend():
                _stop.wait(1.0)
        except (MsDeltaError, OperationalError) as error:
            get_logger().warning("arrivals not attended to, tried again", **describe(error))
            _stop.wait(5.0)


def _answer_series() -> None:
    """Which series a comparison would use is said also while a job runs."""
    SeriesAnswerer(
        questions=SeriesQuestions(open_database(settings.database)),
        blobs=BlobStore(settings.data_folder),
        rules=settings.series_rules,
    ).keep_answering(_stop)


def _keep_house() -> None:
    """Sweeps and delivers until the worker stops; every worker does it, the job store keeps them apart."""
    engine = open_database(settings.database)
    jobs, queue = JobStore(engine), CeleryQueue(settings.broker_url)
    courier = courier_of(DeliveryStore(engine), jobs, BlobStore(settings.data_folder), settings)
    while not _stop.wait(min(2.0, settings.sweep_every_s)):
        try:
            sweep_once(jobs, queue, max_attempts=settings.max_attempts, lost_message_s=settings.lost_message_s)
            courier.send_due()
        except (MsDeltaError, OperationalError) as error:
            get_logger().warning("housekeeping failed, tried again", **describe(error))
