"""The Celery application of the worker: job ids in, nothing out; the job store holds the state."""

from typing import Any

from celery import Celery, signals

from service.contracts.logs import configure_logs
from service.contracts.queue import JOB_QUEUE
from service.contracts.settings import Settings

settings = Settings()


def make_app(settings: Settings) -> Celery:
    """A worker's application: late acknowledgement, one message at a time, json alone."""
    app = Celery("msdelta", broker=settings.broker_url, include=["worker.tasks"])
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        task_default_queue=JOB_QUEUE,
        broker_connection_retry_on_startup=True,
        broker_transport_options={"visibility_timeout": settings.visibility_timeout_s},
    )
    return app


@signals.setup_logging.connect
def _our_logs(**_: Any) -> None:
    """Celery's own lines quote task arguments and texts of exceptions: ours replace them."""
    configure_logs(settings.log_level)


app = make_app(settings)
