"""Callbacks: delivered once, signed, guarded against the site's own network."""

import base64
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from sqlalchemy import Engine
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from service.contracts.blobs import BlobStore
from service.contracts.database import migrate, open_database
from service.contracts.deliveries import DeliveryKind, DeliveryState, Receiver
from service.contracts.delivery_store import DeliveryStore
from service.contracts.input_errors import InvalidOption
from service.contracts.job_store import JobStore, NewJob
from service.contracts.settings import Settings
from worker.callback import checked_address
from worker.delivery.channels import courier_of
from worker.delivery.courier import Courier

OLD, NEW, FOREIGN = ("whsec_" + base64.b64encode(letter * 24).decode() for letter in (b"o", b"n", b"f"))


class Caller:
    """A real HTTP server that answers with the statuses it is told, then with 204."""

    def __init__(self, *statuses: int) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        answers, caller = list(statuses), self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                caller.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                caller.headers.append(dict(self.headers))
                self.send_response(answers.pop(0) if answers else 204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://localhost:{self.server.server_port}/done"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class House:
    """A job store with a clock of its own, and the courier of the settings."""

    def __init__(self, folder: Path, **changes: object) -> None:
        values = {"allow_private_callbacks": True, "callback_attempts": 8, **changes}
        settings = Settings(data_folder=folder, database_url=f"sqlite:///{folder / 'jobs.sqlite'}", **values)
        self.engine: Engine = open_database(settings.database)
        migrate(self.engine)
        self.time = datetime(2026, 1, 1, tzinfo=UTC)
        self.jobs = JobStore(self.engine, now=lambda: self.time)
        self.deliveries = DeliveryStore(self.engine, now=lambda: self.time)
        self.courier: Courier = courier_of(self.deliveries, self.jobs, BlobStore(folder), settings)

    def cancelled_job(self, url: str, *, visits: tuple[str, ...] = ()) -> str:
        new = NewJob(
            follow_up="f", baseline=None, options={}, callback_url=url, owner="k", idempotency_key=None,
            request_digest="d", visits=visits,
        )  # fmt: skip
        job, _ = self.jobs.create(new)
        self.jobs.request_cancel(job.id)
        return job.id

    def deliver(self, url: str, *, times: int) -> list[int]:
        """How many arrived in each of several rounds, two hours apart."""
        arrived = []
        for _ in range(times):
            arrived.append(self.courier.deliver_due(Receiver(kind=DeliveryKind.CALLBACK, target=url)))
            self.time += timedelta(hours=2)
        return arrived


@pytest.fixture
def caller() -> Iterator[Caller]:
    made = Caller(503, 500)
    yield made
    made.close()


def key_files(folder: Path, *keys: str) -> tuple[Path, ...]:
    paths = []
    for number, key in enumerate(keys):
        paths.append(folder / f"key{number}")
        paths[-1].write_text(key + "\n")
    return tuple(paths)


def test_a_callback_is_tried_until_it_arrives_and_then_no_more(tmp_path: Path, caller: Caller) -> None:
    house = House(tmp_path)
    job = house.cancelled_job(caller.url)

    assert house.deliver(caller.url, times=5) == [0, 0, 1, 0, 0]

    assert len(caller.bodies) == 3
    assert json.loads(caller.bodies[-1])["job"] == {
        "id": job, "state": "cancelled", "error_code": None, "report": f"/v1/jobs/{job}/report",
    }  # fmt: skip
    assert not [name for name in caller.headers[-1] if name.lower().startswith("webhook-")]


def test_the_callback_of_a_series_leads_to_its_own_report(tmp_path: Path, caller: Caller) -> None:
    house = House(tmp_path)
    job = house.cancelled_job(caller.url, visits=("a", "b", "f"))

    house.deliver(caller.url, times=3)

    assert json.loads(caller.bodies[-1])["job"]["report"] == f"/v1/jobs/{job}/series-report"


def test_every_key_signs_and_the_id_stays_the_same_over_attempts(tmp_path: Path, caller: Caller) -> None:
    house = House(tmp_path, callback_key_files=key_files(tmp_path, NEW, OLD))
    house.cancelled_job(caller.url)

    assert house.deliver(caller.url, times=3) == [0, 0, 1]

    assert len({one["webhook-id"] for one in caller.headers}) == 1
    for body, headers in zip(caller.bodies, caller.headers, strict=True):
        for key in (NEW, OLD):
            assert Webhook(key).verify(body, headers)["type"] == "job.ended"
        with pytest.raises(WebhookVerificationError):
            Webhook(FOREIGN).verify(body, headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(NEW).verify(body.replace(b"cancelled", b"succeeded"), headers)


@pytest.mark.parametrize("key", ["whsec_@@@", "whsec_"])
def test_a_key_that_is_none_sends_nothing_unsigned(tmp_path: Path, caller: Caller, key: str) -> None:
    house = House(tmp_path, callback_key_files=key_files(tmp_path, key))
    job = house.cancelled_job(caller.url)

    assert house.deliver(caller.url, times=1) == [0]

    (row,) = house.deliveries.find(job_id=job)
    assert (row.state, row.error_code) == (DeliveryState.PENDING, "site_misconfigured")
    assert caller.bodies == []


def test_a_receiver_that_is_gone_is_not_asked_again(tmp_path: Path) -> None:
    caller = Caller(410)
    house = House(tmp_path)
    job = house.cancelled_job(caller.url)

    house.deliver(caller.url, times=3)

    caller.close()
    (row,) = house.deliveries.find(job_id=job)
    assert (row.state, row.error_code, len(caller.bodies)) == (DeliveryState.DEAD, "receiver_refused", 1)


def test_a_url_into_the_own_network_is_dead_at_once_and_never_called(tmp_path: Path, caller: Caller) -> None:
    house = House(tmp_path, allow_private_callbacks=False)
    job = house.cancelled_job(caller.url)

    house.deliver(caller.url, times=2)

    (row,) = house.deliveries.find(job_id=job)
    assert (row.state, row.error_code, caller.bodies) == (DeliveryState.DEAD, "invalid_option", [])


def test_a_receiver_that_is_away_is_named(tmp_path: Path, caller: Caller) -> None:
    house = House(tmp_path, callback_attempts=2)
    caller.close()
    job = house.cancelled_job(caller.url)

    house.deliver(caller.url, times=2)

    (row,) = house.deliveries.find(job_id=job)
    assert (row.state, row.error_code, row.attempts) == (DeliveryState.DEAD, "receiver_unreachable", 2)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "10.1.2.3", "192.168.0.1", "169.254.169.254", "::1", "0.0.0.0"]
)
def test_addresses_of_the_own_network_are_refused(host: str) -> None:
    with pytest.raises(InvalidOption, match="not public"):
        checked_address(host, 80, allow_private=False)


def test_a_public_address_is_allowed() -> None:
    assert checked_address("8.8.8.8", 443, allow_private=False) == "8.8.8.8"
