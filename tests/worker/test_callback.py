"""Callbacks: delivered once, guarded against the site's own network."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from service.contracts.database import migrate, open_database
from service.contracts.deliveries import DeliveryStore
from service.contracts.errors import InvalidOption
from service.contracts.job_store import JobStore, NewJob
from service.contracts.settings import Settings
from worker.callback import checked_address, deliver_due


class Receiver:
    """A real HTTP server that fails as often as it is told to."""

    def __init__(self, failures: int) -> None:
        self.bodies: list[dict[str, object]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                nonlocal failures
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                failures -= 1
                self.send_response(503 if failures >= 0 else 204)
                self.end_headers()
                if failures < 0:
                    receiver.bodies.append(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver(failures=2)
    yield made
    made.close()


def test_a_callback_is_tried_until_it_arrives_and_then_no_more(tmp_path: Path, receiver: Receiver) -> None:
    settings = Settings(
        data_folder=tmp_path, database_url=f"sqlite:///{tmp_path / 'jobs.sqlite'}", allow_private_callbacks=True
    )
    engine = open_database(settings.database)
    migrate(engine)
    time = [datetime(2026, 1, 1, tzinfo=UTC)]
    jobs, deliveries = JobStore(engine, now=lambda: time[0]), DeliveryStore(engine, now=lambda: time[0])
    url = f"http://localhost:{receiver.server.server_port}/done"
    job, _ = jobs.create(
        NewJob(
            follow_up="f",
            baseline=None,
            options={},
            callback_url=url,
            owner="k",
            idempotency_key=None,
            request_digest="d",
        )
    )
    jobs.request_cancel(job.id)

    arrived = []
    for _ in range(5):
        arrived.append(deliver_due(deliveries, jobs, settings))
        time[0] += timedelta(hours=1)

    assert arrived == [0, 0, 1, 0, 0]
    assert [body["job"] for body in receiver.bodies] == [
        {"id": job.id, "state": "cancelled", "error_code": None, "report": f"/v1/jobs/{job.id}/report"}
    ]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "10.1.2.3", "192.168.0.1", "169.254.169.254", "::1", "0.0.0.0"]
)
def test_addresses_of_the_own_network_are_refused(host: str) -> None:
    with pytest.raises(InvalidOption, match="not public"):
        checked_address(host, 80, allow_private=False)


def test_a_public_address_is_allowed() -> None:
    assert checked_address("8.8.8.8", 443, allow_private=False) == "8.8.8.8"
