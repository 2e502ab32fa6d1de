"""Results on their way to real receivers: retried, proven, replayed, each destination by itself."""

import io
import json
import logging
import socket
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from pynetdicom import AE, evt
from pynetdicom.presentation import AllStoragePresentationContexts

from service.contracts.deliveries import Delivery, DeliveryKind, DeliveryState, Receiver, RetryPolicy
from service.contracts.logs import configure_logs
from tests.fixtures.delivery_house import House
from tests.fixtures.orthanc import PASSWORD, Orthanc
from tests.fixtures.ports import free_port
from tests.fixtures.result_objects import CANARY, write_result
from tests.fixtures.storescp import TITLE, StoreScp
from worker.delivery.courier import Channel, Courier, Patience

pytestmark = [
    pytest.mark.pacs,
    # pynetdicom leaves the socket of a refused connection to the garbage collector
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_result(tmp_path_factory.mktemp("result") / "1")


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[Orthanc]:
    made = Orthanc(tmp_path / "orthanc")
    yield made
    made.stop()


@pytest.fixture
def scp(tmp_path: Path) -> Iterator[StoreScp]:
    made = StoreScp(tmp_path / "scp")
    yield made
    made.stop()


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What the worker writes to its log."""
    root, written = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers, root.level
    monkeypatch.setattr(sys, "stderr", written)
    configure_logs()
    yield written
    structlog.reset_defaults()
    root.handlers = handlers
    root.setLevel(level)


def in_orthanc(server: Orthanc) -> list[str]:
    return [str(one["MainDicomTags"]["SOPInstanceUID"]) for one in server.instances()]


def test_a_result_goes_to_every_destination_with_the_kinds_it_takes(
    tmp_path: Path, result: Path, orthanc: Orthanc, scp: StoreScp
) -> None:
    orthanc.start(), scp.start()
    house = House(tmp_path, result)
    archive = {"kind": "dimse", "host": "127.0.0.1", "port": scp.port, "ae_title": TITLE, "objects": ["seg", "sr"]}
    house.knows(main=house.stow(orthanc), archive=archive)
    job = house.finished_job("main", "archive")
    assert [path.name for path in (house.folder / "data" / "jobs" / job).iterdir()] == ["2"]

    house.deliver()

    assert len(in_orthanc(orthanc)) == 6
    assert len(scp.files()) == 2
    for name in ("main", "archive"):
        row = house.row(job, name)
        assert (row.state, row.attempts, row.error_code) == (DeliveryState.DELIVERED, 1, None)
        assert row.delivered is not None
    house.deliver()
    assert house.row(job).attempts == 1


def test_a_pacs_that_was_away_gets_the_result_once_it_is_back(tmp_path: Path, result: Path, orthanc: Orthanc) -> None:
    house = House(tmp_path, result)
    house.knows(main=house.stow(orthanc))
    job = house.finished_job("main")

    house.deliver()
    first = house.row(job)
    house.deliver()
    assert house.row(job) == first
    house.late += timedelta(seconds=13)
    house.deliver()
    second = house.row(job)
    orthanc.start()
    house.late += timedelta(seconds=26)
    house.deliver()

    assert (first.state, first.attempts, first.error_code) == (DeliveryState.PENDING, 1, "receiver_unreachable")
    assert first.last_attempt is not None
    assert 7.4 < (first.next_attempt - first.last_attempt).total_seconds() < 13
    assert second.last_attempt is not None
    assert 14.9 < (second.next_attempt - second.last_attempt).total_seconds() < 26
    assert house.row(job).state is DeliveryState.DELIVERED
    assert len(in_orthanc(orthanc)) == 6


def test_wrong_credentials_are_dead_at_once_and_replayed_when_mended(
    tmp_path: Path, result: Path, orthanc: Orthanc, logs: io.StringIO
) -> None:
    orthanc.start()
    house = House(tmp_path, result)
    house.secret.write_text("another")
    house.knows(main=house.stow(orthanc))
    job = house.finished_job("main")

    house.deliver()

    dead = house.row(job)
    assert (dead.state, dead.error_code, dead.attempts) == (DeliveryState.DEAD, "credentials_refused", 1)
    logged = logs.getvalue()
    (line,) = [one for one in map(json.loads, logged.splitlines()) if one["event"] == "delivery dead"]
    assert {name: line[name] for name in ("code", "count", "destination", "job_id", "delivery_id", "level")} == {
        "code": "credentials_refused", "count": 1, "destination": "main", "job_id": job, "delivery_id": dead.id,
        "level": "error",
    }  # fmt: skip
    for secret in (CANARY, "127.0.0.1", "another", "1.2.826"):
        assert secret not in logged
    house.secret.write_text(PASSWORD)
    assert house.deliveries.replay([dead.id]) == 1
    house.deliver()
    assert house.row(job).state is DeliveryState.DELIVERED
    assert len(in_orthanc(orthanc)) == 6


def test_a_receiver_that_breaks_off_is_tried_again(tmp_path: Path, result: Path) -> None:
    house = House(tmp_path, result, delivery_attempts=2)
    seen = []
    with StoreScp(tmp_path / "scp", "--abort-after") as breaking:
        house.knows(main={"kind": "dimse", "host": "127.0.0.1", "port": breaking.port, "ae_title": TITLE})
        job = house.finished_job("main")
        for _ in range(3):
            house.deliver()
            row = house.row(job)
            seen.append((row.state.value, row.attempts, row.error_code))
            house.late += timedelta(minutes=30)

    assert seen[0] == ("pending", 1, "association_aborted")
    assert seen[1:] == [("dead", 2, "association_aborted")] * 2


def _sending() -> int:
    """How many threads of a courier live; one that has written its row ends a moment later."""
    return sum(thread.name == "delivery" for thread in threading.enumerate())


def test_a_destination_that_hangs_does_not_delay_another(tmp_path: Path, result: Path, orthanc: Orthanc) -> None:
    orthanc.start()
    house = House(tmp_path, result)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        hanging = {"kind": "dimse", "host": "127.0.0.1", "port": port, "ae_title": "SILENT", "timeout_s": 120}
        house.knows(main=house.stow(orthanc), silent=hanging)
        jobs = [house.finished_job("silent", "main") for _ in range(2)]
        courier = house.courier()
        began = time.monotonic()
        courier.send_due()
        while any(house.row(job).state is DeliveryState.PENDING for job in jobs) or _sending() > 1:
            assert time.monotonic() - began < 100, "the silent destination held the other up"
            courier.send_due()
            time.sleep(0.1)

        assert [house.row(job, "silent").error_code for job in jobs] == [None, None]
        assert _sending() == 1
    assert courier.wait(20)
    ends = {house.row(job, "silent").error_code for job in jobs}
    assert ends <= {"association_aborted", "receiver_unreachable"}


def test_two_workers_send_a_long_delivery_once(tmp_path: Path, result: Path) -> None:
    """Each object takes longer than the lease."""
    house = House(tmp_path, result, delivery_lease_s=0.6)
    received: list[str] = []

    def slow(event: evt.Event) -> int:
        time.sleep(0.8)
        received.append(str(event.request.AffectedSOPInstanceUID))
        return 0

    entity, port = AE(ae_title=TITLE), free_port()
    entity.supported_contexts = AllStoragePresentationContexts
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, slow)])
    house.knows(main={"kind": "dimse", "host": "127.0.0.1", "port": port, "ae_title": TITLE, "timeout_s": 10})
    job = house.finished_job("main")
    couriers = [house.courier(), house.courier()]

    while house.row(job).state is DeliveryState.PENDING:
        for courier in couriers:
            courier.send_due()
        time.sleep(0.1)
    assert all(courier.wait(10) for courier in couriers)
    server.shutdown()

    assert len(received) == len(set(received)) == 6
    assert (house.row(job).state, house.row(job).attempts) == (DeliveryState.DELIVERED, 1)


def test_a_fault_of_the_site_file_is_tried_again_until_it_is_mended(
    tmp_path: Path, result: Path, orthanc: Orthanc
) -> None:
    orthanc.start()
    house = House(tmp_path, result)
    house.knows(other=house.stow(orthanc))
    job = house.finished_job("main")

    house.deliver()
    assert (house.row(job).state, house.row(job).error_code) == (DeliveryState.PENDING, "site_misconfigured")
    house.knows(main=house.stow(orthanc))
    house.late += timedelta(seconds=13)
    house.deliver()

    assert house.row(job).state is DeliveryState.DELIVERED


def test_files_that_are_away_are_not_taken_for_delivered(tmp_path: Path, result: Path, scp: StoreScp) -> None:
    scp.start()
    house = House(tmp_path, result)
    house.knows(main={"kind": "dimse", "host": "127.0.0.1", "port": scp.port, "ae_title": TITLE})
    job = house.finished_job("main")
    there = house.blobs.job_folder(job, 2)
    there.rename(tmp_path / "away")

    house.deliver()
    assert (house.row(job).state, house.row(job).error_code) == (DeliveryState.PENDING, "result_missing")
    (tmp_path / "away").rename(there)
    house.late += timedelta(seconds=13)
    house.deliver()

    assert house.row(job).state is DeliveryState.DELIVERED
    assert len(scp.files()) == 6


def test_a_fault_of_the_program_is_noted_without_its_text_and_tried_again(
    tmp_path: Path, result: Path, logs: io.StringIO
) -> None:
    house = House(tmp_path, result)
    job = house.finished_job("main")

    def broken(_: Delivery) -> None:
        raise ZeroDivisionError(CANARY)

    policy = RetryPolicy(attempts=2, first_wait_s=10, longest_wait_s=10)
    channels = {DeliveryKind.DICOM: Channel(send=broken, policy=policy, at_once=1)}
    courier = Courier(house.deliveries, channels, Patience(lease_s=60, limit_s=60))
    arrived = courier.deliver_due(Receiver(kind=DeliveryKind.DICOM, target="main"))

    assert (arrived, house.row(job).state, house.row(job).error_code) == (0, DeliveryState.PENDING, "internal_error")
    assert CANARY not in logs.getvalue()
