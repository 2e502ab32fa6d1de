"""One job from claim to end, under a lease: what the task does, without Celery."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from service.contracts.blobs import BlobStore
from service.contracts.errors import InternalError, JobCancelled, LeaseLost, MsDeltaError
from service.contracts.job_store import Heartbeat, JobStore
from service.contracts.jobs import Job, JobEvent, Lease
from service.contracts.logs import describe, get_logger
from service.contracts.settings import Settings
from worker.case import Progress, Stage

RunAttempt = Callable[[Job, Lease, Progress], None]
"""Does the work of one attempt, writing under the attempt's folder; may raise `MsDeltaError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """Claims, runs and finishes jobs."""

    jobs: JobStore
    blobs: BlobStore
    settings: Settings
    run_attempt: RunAttempt

    def run(self, job_id: str) -> None:
        """Runs the job if it is to be had; an old or doubled message ends here without a trace."""
        lease = self.jobs.claim(job_id, lease_s=self.settings.lease_s)
        if lease is None:
            return
        log = get_logger().bind(job_id=job_id, attempt=lease.attempt)
        log.info("job started")
        try:
            with LeaseKeeper(self.jobs, lease, self.settings) as keeper:
                self.run_attempt(self.jobs.get(job_id), lease, keeper.progress)
            self.jobs.finish(lease, JobEvent.SUCCEED)
            self.blobs.drop_other_attempts(job_id, lease.attempt)
            log.info("job succeeded")
        except LeaseLost:
            log.warning("lease lost: another worker has the job")
        except JobCancelled:
            self._end(lease, JobEvent.CANCEL, None)
            log.info("job cancelled")
        except MsDeltaError as error:
            self._end(lease, JobEvent.FAIL, error)
            log.info("job failed", **describe(error))
        except (KeyboardInterrupt, SystemExit):
            self.jobs.give_back(lease)
            log.info("worker stops: job queued again")
            raise
        except Exception as error:  # noqa: BLE001 (the boundary: whatever it was, the job must end)
            named = InternalError("an internal error; the worker's log holds it under the job's id")
            self._end(lease, JobEvent.FAIL, named)
            log.error("job failed unexpectedly", **describe(error))

    def _end(self, lease: Lease, event: JobEvent, error: MsDeltaError | None) -> None:
        code, message = (None, None) if error is None else (error.code, error.message)
        try:
            self.jobs.finish(lease, event, error_code=code, error_message=message)
        except LeaseLost:
            get_logger().warning("lease lost: the outcome is another worker's to write", job_id=lease.job_id)


class LeaseKeeper:
    """Renews a lease in the background, and stops the work when it is lost or the job is cancelled.

    The work calls `progress`, which raises in its own thread; a kernel that runs for long delays that, no more.
    """

    def __init__(self, jobs: JobStore, lease: Lease, settings: Settings) -> None:
        self._jobs, self._lease, self._settings = jobs, lease, settings
        self._stage: str | None = None
        self._fraction = 0.0
        self._seen = Heartbeat(held=True, cancel_requested=False)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()

    def progress(self, stage: Stage, fraction: float) -> None:
        """Notes where the work is; a new stage is written at once.

        Raises:
            JobCancelled, LeaseLost: the work has to stop.
        """
        changed = stage.value != self._stage
        self._stage, self._fraction = stage.value, fraction
        if changed:
            self._renew()
        if not self._seen.held:
            raise LeaseLost("another worker took the job over")
        if self._seen.cancel_requested:
            raise JobCancelled("the job was cancelled")

    def _beat(self) -> None:
        period = min(self._settings.heartbeat_s, 1.0)
        since_renewal = 0.0
        written = self._fraction
        while not self._stopped.wait(period):
            since_renewal += period
            if since_renewal >= self._settings.heartbeat_s or self._fraction - written >= 0.01:
                self._renew()
                since_renewal, written = 0.0, self._fraction

    def _renew(self) -> None:
        try:
            self._seen = self._jobs.heartbeat(
                self._lease, lease_s=self._settings.lease_s, stage=self._stage, fraction=self._fraction
            )
        except MsDeltaError as error:
            get_logger().warning("heartbeat failed, tried again", job_id=self._lease.job_id, **describe(error))
