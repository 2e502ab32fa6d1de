"""The delivery table's contract, on SQLite and on PostgreSQL."""

import threading
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text

from service.contracts.database import migrate, open_database
from service.contracts.deliveries import Delivery, DeliveryKind, DeliveryState, Receiver, RetryPolicy
from service.contracts.delivery_store import DeliveryStore
from service.contracts.errors import DeliveryNotFound, IllegalTransition, JobNotFound
from service.contracts.job_store import JobStore, NewJob
from service.contracts.jobs import JobEvent
from tests.fixtures.clock import Clock

POLICY = RetryPolicy(attempts=3, first_wait_s=10, longest_wait_s=60)
MAIN, ARCHIVE = (Receiver(kind=DeliveryKind.DICOM, target=name) for name in ("main", "archive"))
URL = "https://example.org/done"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def jobs(engine: Engine, clock: Clock) -> JobStore:
    return JobStore(engine, now=clock)


@pytest.fixture
def store(engine: Engine, clock: Clock) -> DeliveryStore:
    return DeliveryStore(engine, now=clock)


def ended(jobs: JobStore, event: JobEvent = JobEvent.SUCCEED, **changes: object) -> str:
    """A job that has ended; by default with one destination and no callback."""
    values = {"callback_url": None, "deliver_to": ("main",), **changes}
    new = NewJob(
        follow_up="f" * 32, baseline="b" * 32, options={}, owner="key", idempotency_key=None,
        request_digest="d", **values,
    )  # fmt: skip
    job, _ = jobs.create(new)
    lease = jobs.claim(job.id, lease_s=60)
    assert lease is not None
    jobs.finish(lease, event)
    return job.id


def take(store: DeliveryStore, receiver: Receiver = MAIN) -> Delivery | None:
    return store.take(receiver, policy=POLICY, lease_s=60)


def taken(store: DeliveryStore, receiver: Receiver = MAIN) -> Delivery:
    found = take(store, receiver)
    assert found is not None
    return found


def states(store: DeliveryStore, job_id: str) -> dict[str, str]:
    return {one.target: one.state.value for one in store.find(job_id=job_id)}


def test_success_notes_the_callback_and_every_destination_in_the_same_write(
    jobs: JobStore, store: DeliveryStore
) -> None:
    job = ended(jobs, callback_url=URL, deliver_to=("main", "archive"))

    assert states(store, job) == {URL: "pending", "main": "pending", "archive": "pending"}
    assert {one.target for one in store.receivers_due()} == {URL, "main", "archive"}


@pytest.mark.parametrize("event", [JobEvent.FAIL, JobEvent.CANCEL])
def test_a_job_without_a_result_has_a_callback_alone(jobs: JobStore, store: DeliveryStore, event: JobEvent) -> None:
    assert states(store, ended(jobs, event, callback_url=URL)) == {URL: "pending"}


def test_what_has_arrived_is_not_sent_again(jobs: JobStore, store: DeliveryStore, clock: Clock) -> None:
    job = ended(jobs)
    clock.pass_s(5)
    delivery = taken(store)
    assert (delivery.attempts, delivery.last_attempt) == (1, clock.time)
    assert store.receivers_due() == []
    clock.pass_s(5)

    assert store.arrived(delivery)

    (row,) = store.find(job_id=job)
    assert (row.state, row.delivered, row.error_code) == (DeliveryState.DELIVERED, clock.time, None)
    clock.pass_s(10_000)
    assert take(store) is None


def test_a_failed_attempt_waits_and_is_dead_when_there_is_no_next_one(
    jobs: JobStore, store: DeliveryStore, clock: Clock
) -> None:
    job = ended(jobs)

    assert store.failed(taken(store), "receiver_busy", wait_s=30)
    clock.pass_s(29)
    assert take(store) is None
    clock.pass_s(1)
    again = taken(store)
    assert (again.attempts, again.error_code) == (2, "receiver_busy")
    assert store.failed(again, "credentials_refused", wait_s=None)

    (row,) = store.find(job_id=job, state=DeliveryState.DEAD)
    assert row.error_code == "credentials_refused"
    clock.pass_s(10_000)
    assert take(store) is None
    assert store.count(DeliveryState.DEAD) == 1


def test_a_long_send_outlasts_its_lease_by_renewing_it(jobs: JobStore, store: DeliveryStore, clock: Clock) -> None:
    ended(jobs)
    delivery = taken(store)
    for _ in range(5):
        clock.pass_s(50)
        assert store.renew(delivery, lease_s=60)
        assert take(store) is None

    assert store.arrived(delivery)


def test_a_delivery_whose_sender_died_is_taken_over_and_only_the_new_one_writes(
    jobs: JobStore, store: DeliveryStore, clock: Clock
) -> None:
    job = ended(jobs)
    lost = taken(store)
    clock.pass_s(61)
    held = taken(store)

    assert held.attempts == 2
    assert not store.renew(lost, lease_s=60)
    assert not store.arrived(lost)
    assert not store.failed(lost, "receiver_busy", wait_s=None)
    assert states(store, job) == {"main": "pending"}
    assert store.arrived(held)


def test_a_delivery_that_kills_every_sender_is_given_up(jobs: JobStore, store: DeliveryStore, clock: Clock) -> None:
    job = ended(jobs)
    for _ in range(POLICY.attempts):
        taken(store)
        clock.pass_s(61)

    assert take(store) is None
    (row,) = store.find(job_id=job)
    assert (row.state, row.error_code) == (DeliveryState.DEAD, "worker_lost")


def test_of_many_workers_at_once_one_takes_a_delivery(jobs: JobStore, store: DeliveryStore) -> None:
    ended(jobs)
    found: list[Delivery | None] = []
    start = threading.Barrier(6)

    def work() -> None:
        start.wait()
        found.append(take(store))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(one is not None for one in found) == 1


def test_replay_begins_anew_from_every_state_but_leaves_alone_what_is_being_sent(
    jobs: JobStore, store: DeliveryStore
) -> None:
    ended(jobs, deliver_to=("main", "archive"))
    dead, sent = taken(store), taken(store, ARCHIVE)
    store.failed(dead, "receiver_refused", wait_s=None)

    assert store.replay([dead.id, sent.id]) == 1
    again = taken(store)
    assert (again.id, again.attempts) == (dead.id, 1)
    assert store.arrived(sent)
    assert store.replay([sent.id]) == 1
    assert store.get(sent.id).delivered is None
    assert store.replay([]) == 0


def test_a_result_can_be_sent_to_a_further_destination(jobs: JobStore, store: DeliveryStore) -> None:
    job, failed = ended(jobs, deliver_to=()), ended(jobs, JobEvent.FAIL)

    assert take(store, ARCHIVE) is None
    made = store.send_to(job, "archive")

    assert taken(store, ARCHIVE).id == made
    with pytest.raises(IllegalTransition, match="a failed job"):
        store.send_to(failed, "archive")
    with pytest.raises(JobNotFound):
        store.send_to("nothing", "archive")
    with pytest.raises(DeliveryNotFound):
        store.get("nothing")


def test_a_study_has_unproven_results_until_each_has_arrived_or_is_given_up(
    jobs: JobStore, store: DeliveryStore
) -> None:
    job = ended(jobs, callback_url=URL, deliver_to=("main", "archive"))
    store.arrived(taken(store))
    assert [one.target for one in store.unproven("b" * 32)] == ["archive"]
    store.failed(taken(store, ARCHIVE), "receiver_refused", wait_s=None)
    assert [one.target for one in store.unproven("f" * 32)] == ["archive"]
    assert store.unproven("another") == []

    assert store.abandon("f" * 32) == 1

    assert store.unproven("f" * 32) == []
    assert states(store, job) == {"main": "delivered", "archive": "abandoned", URL: "pending"}


def test_waits_double_up_to_the_limit_and_vary_by_a_quarter() -> None:
    policy = RetryPolicy(attempts=102, first_wait_s=10, longest_wait_s=900)

    waits = [policy.wait_s(n) for n in range(1, 102)]

    for wait, planned in zip(waits, [10, 20, 40, 80, 160, 320, 640, *[900] * 94], strict=True):
        assert wait is not None
        assert 0.75 * planned <= wait <= 1.25 * planned
    assert len({wait / 900 for wait in waits[7:] if wait}) > 50
    assert policy.wait_s(102) is None
    assert 0.9 < sum([10, 20, 40, 80, 160, 320, 640, *[900] * 94]) / 86_400 < 1.1


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_rows_of_an_older_version_live_on(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = f"sqlite:///{tmp_path / 'old.sqlite'}" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    engine = open_database(url)
    if kind == "postgresql":
        with engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
    config = Config()
    config.set_main_option("script_location", "service/contracts/migrations")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO jobs (id, state, follow_up, options, owner, request_digest, created, queued, attempt,"
                " fraction, cancel_requested) VALUES ('j', 'succeeded', 'f', '{}', 'k', 'd', '2026-01-01 00:00:00',"
                " '2026-01-01 00:00:00', 1, 1.0, false)"
            )
        )
        connection.execute(
            text(
                "INSERT INTO deliveries (id, job_id, kind, target, state, attempts, next_attempt)"
                f" VALUES ('d', 'j', 'callback', '{URL}', 'pending', 0, '2026-01-01 00:00:00')"
            )
        )

    migrate(engine)

    assert JobStore(engine).get("j").deliver_to == ()
    assert taken(DeliveryStore(engine), Receiver(kind=DeliveryKind.CALLBACK, target=URL)).id == "d"
    engine.dispose()
