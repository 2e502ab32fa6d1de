"""How a job id gets to a worker. The message holds nothing else."""

import uuid
from typing import Protocol

from celery import Celery
from kombu.exceptions import OperationalError

from service.contracts.errors import DependencyUnavailable

RUN_JOB = "msdelta.run_job"
JOB_QUEUE = "gpu"
"""One queue for whole jobs: a worker there owns one device."""


class JobQueue(Protocol):
    """Sends job ids to workers, at least once."""

    def send(self, job_id: str) -> None:
        """Hands the id to the broker.

        Raises:
            DependencyUnavailable: the broker does not answer; the sweeper will send it later.
        """
        ...

    def answers(self) -> bool:
        """True when the broker answers."""
        ...


class CeleryQueue:
    """Job ids through Celery and Redis; names the task, imports no worker."""

    def __init__(self, broker_url: str) -> None:
        self._celery = Celery("msdelta", broker=broker_url)
        self._celery.conf.update(
            task_serializer="json",
            task_ignore_result=True,
            broker_connection_retry_on_startup=True,
            broker_transport_options={"socket_connect_timeout": 3, "socket_timeout": 5, "max_retries": 1},
            task_publish_retry=False,
        )

    def send(self, job_id: str) -> None:
        """Hands the id to the broker."""
        try:
            self._celery.send_task(RUN_JOB, args=(job_id,), queue=JOB_QUEUE, task_id=uuid.uuid4().hex)
        except (OperationalError, OSError) as error:
            raise DependencyUnavailable("the broker does not answer") from error

    def answers(self) -> bool:
        """True when the broker answers."""
        try:
            with self._celery.connection_for_write() as connection:
                connection.ensure_connection(max_retries=1, interval_start=0.1, timeout=3)
        except (OperationalError, OSError):
            return False
        return True


class MemoryQueue:
    """Keeps the ids in a list: for tests and for running without a broker."""

    def __init__(self, *, broken: bool = False) -> None:
        self.sent: list[str] = []
        self.broken = broken

    def send(self, job_id: str) -> None:
        """Appends the id."""
        if self.broken:
            raise DependencyUnavailable("the broker does not answer")
        self.sent.append(job_id)

    def answers(self) -> bool:
        """True unless it is broken."""
        return not self.broken
