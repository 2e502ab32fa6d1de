"""The job store's contract, on SQLite and on PostgreSQL."""

import threading

import pytest
from sqlalchemy import Engine

from service.contracts.database import migrate
from service.contracts.errors import IdempotencyConflict, IllegalTransition, JobNotFound, LeaseLost
from service.contracts.job_store import JobStore, NewJob
from service.contracts.jobs import JobEvent, JobState
from tests.fixtures.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(engine: Engine, clock: Clock) -> JobStore:
    return JobStore(engine, now=clock)


def new(**changes: object) -> NewJob:
    values: dict[str, object] = {
        "follow_up": "f" * 32,
        "baseline": "b" * 32,
        "options": {"mirroring": False},
        "callback_url": None,
        "owner": "key",
        "idempotency_key": None,
        "request_digest": "digest",
    }
    return NewJob(**{**values, **changes})  # type: ignore[arg-type]


def test_a_new_job_is_queued_and_comes_back_as_it_was(store: JobStore, clock: Clock) -> None:
    job, created = store.create(new(deliver_to=("main", "archive")))

    assert created
    assert job.deliver_to == ("main", "archive")
    assert store.get(job.id) == job
    assert (job.state, job.attempt, job.options) == (JobState.QUEUED, 0, {"mirroring": False})
    assert job.created == clock.time


def test_an_unknown_job_is_not_found(store: JobStore) -> None:
    with pytest.raises(JobNotFound):
        store.get("nothing")


def test_the_same_idempotency_key_and_body_give_the_same_job(store: JobStore) -> None:
    first, _ = store.create(new(idempotency_key="k"))
    second, created = store.create(new(idempotency_key="k"))

    assert (second.id, created) == (first.id, False)


def test_the_same_idempotency_key_with_another_body_is_refused(store: JobStore) -> None:
    store.create(new(idempotency_key="k"))

    with pytest.raises(IdempotencyConflict):
        store.create(new(idempotency_key="k", request_digest="another"))


def test_the_idempotency_key_of_another_caller_is_another_key(store: JobStore) -> None:
    store.create(new(idempotency_key="k"))
    _, created = store.create(new(idempotency_key="k", owner="other"))

    assert created


def test_of_many_claims_at_once_one_gets_the_job(store: JobStore) -> None:
    job, _ = store.create(new())
    leases = []
    start = threading.Barrier(6)

    def claim() -> None:
        start.wait()
        leases.append(store.claim(job.id, lease_s=60))

    threads = [threading.Thread(target=claim) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(lease is not None for lease in leases) == 1
    assert store.get(job.id).attempt == 1


def test_a_finished_job_keeps_its_outcome_and_cannot_be_claimed(store: JobStore) -> None:
    job, _ = store.create(new())
    lease = store.claim(job.id, lease_s=60)
    assert lease is not None
    store.finish(lease, JobEvent.FAIL, error_code="missing_flair", error_message="saw none")

    ended = store.get(job.id)

    assert (ended.state, ended.error_code, ended.error_message) == (JobState.FAILED, "missing_flair", "saw none")
    assert store.claim(job.id, lease_s=60) is None


def test_heartbeats_note_progress_and_renew_the_lease(store: JobStore, clock: Clock) -> None:
    job, _ = store.create(new())
    lease = store.claim(job.id, lease_s=60)
    assert lease is not None
    clock.pass_s(50)
    beat = store.heartbeat(lease, lease_s=60, stage="predict", fraction=0.5)
    clock.pass_s(50)

    assert beat.held
    assert store.sweep(max_attempts=3).requeued == ()
    assert (store.get(job.id).stage, store.get(job.id).fraction) == ("predict", 0.5)


def test_an_expired_lease_is_swept_and_its_holder_can_write_nothing(store: JobStore, clock: Clock) -> None:
    job, _ = store.create(new())
    old = store.claim(job.id, lease_s=60)
    assert old is not None
    clock.pass_s(61)

    assert store.sweep(max_attempts=3).requeued == (job.id,)
    assert not store.heartbeat(old, lease_s=60, stage=None, fraction=0).held
    again = store.claim(job.id, lease_s=60)
    assert again is not None
    assert again.attempt == 2
    with pytest.raises(LeaseLost):
        store.finish(old, JobEvent.SUCCEED)
    store.finish(again, JobEvent.SUCCEED)
    assert store.get(job.id).state is JobState.SUCCEEDED


def test_a_job_that_loses_every_worker_fails_after_its_attempts(store: JobStore, clock: Clock) -> None:
    job, _ = store.create(new())
    for _ in range(3):
        assert store.claim(job.id, lease_s=60) is not None
        clock.pass_s(61)
        swept = store.sweep(max_attempts=3)

    assert swept.failed == (job.id,)
    assert (store.get(job.id).state, store.get(job.id).error_code) == (JobState.FAILED, "worker_lost")


def test_cancelling_a_queued_job_ends_it(store: JobStore) -> None:
    job, _ = store.create(new())

    assert store.request_cancel(job.id).state is JobState.CANCELLED
    with pytest.raises(IllegalTransition):
        store.request_cancel(job.id)


def test_cancelling_a_running_job_asks_its_worker_to_stop(store: JobStore) -> None:
    job, _ = store.create(new())
    lease = store.claim(job.id, lease_s=60)
    assert lease is not None

    assert store.request_cancel(job.id).state is JobState.RUNNING
    assert store.heartbeat(lease, lease_s=60, stage=None, fraction=0).cancel_requested
    store.finish(lease, JobEvent.CANCEL)
    assert store.get(job.id).state is JobState.CANCELLED


def test_a_cancelled_job_whose_worker_died_ends_cancelled(store: JobStore, clock: Clock) -> None:
    job, _ = store.create(new())
    store.claim(job.id, lease_s=60)
    store.request_cancel(job.id)
    clock.pass_s(61)

    assert store.sweep(max_attempts=3).requeued == ()
    assert store.get(job.id).state is JobState.CANCELLED


def test_a_worker_that_stops_gives_its_job_back(store: JobStore) -> None:
    job, _ = store.create(new())
    lease = store.claim(job.id, lease_s=60)
    assert lease is not None

    assert store.give_back(lease)
    assert store.get(job.id).state is JobState.QUEUED


def test_jobs_whose_message_was_lost_are_found_once_per_waiting_time(store: JobStore, clock: Clock) -> None:
    job, _ = store.create(new())

    assert store.waiting(longer_than_s=120) == []
    clock.pass_s(121)
    assert store.waiting(longer_than_s=120) == [job.id]
    assert store.waiting(longer_than_s=120) == []


def test_pages_are_newest_first_and_of_one_owner(store: JobStore, clock: Clock) -> None:
    ids = []
    for n in range(5):
        clock.pass_s(1)
        ids.append(store.create(new(owner="other" if n == 2 else "key"))[0].id)

    first = store.page(owner="key", state=None, limit=2, before=None)
    rest = store.page(owner="key", state=None, limit=9, before=(first[-1].created, first[-1].id))

    assert [job.id for job in first + rest] == [ids[4], ids[3], ids[1], ids[0]]
    assert len(store.page(owner=None, state=JobState.QUEUED, limit=9, before=None)) == 5


def test_a_study_is_in_use_until_its_jobs_have_ended(store: JobStore) -> None:
    job, _ = store.create(new())

    assert store.uses_study("b" * 32)
    assert store.uses_study("f" * 32)
    store.request_cancel(job.id)
    assert not store.uses_study("b" * 32)


def test_migrating_twice_changes_nothing(engine: Engine, store: JobStore) -> None:
    job, _ = store.create(new())

    migrate(engine)

    assert store.get(job.id) == job


@pytest.mark.parametrize("study", ["a" * 32, "b" * 32, "c" * 32])
def test_every_visit_of_a_series_is_in_use_until_it_has_ended(store: JobStore, study: str) -> None:
    job, _ = store.create(new(baseline="a" * 32, follow_up="c" * 32, visits=("a" * 32, "b" * 32, "c" * 32)))

    assert store.get(job.id).visits == ("a" * 32, "b" * 32, "c" * 32)
    assert store.uses_study(study)
    assert not store.uses_study("d" * 32)
    store.request_cancel(job.id)
    assert not store.uses_study(study)


def succeeded(store: JobStore, clock: Clock, **values: object) -> str:
    clock.pass_s(1.0)
    job, _ = store.create(new(**values))
    lease = store.claim(job.id, lease_s=60)
    assert lease is not None
    store.finish(lease, JobEvent.SUCCEED)
    return job.id


def test_the_newest_result_is_a_comparison_of_the_owner_that_succeeded(store: JobStore, clock: Clock) -> None:
    first, second = "a" * 32, "c" * 32
    assert store.newest_result_of([first, second], owner="key") is None
    for follow_up in (first, second):
        succeeded(store, clock, follow_up=follow_up, owner="key")
    newest = succeeded(store, clock, follow_up=first, owner="key")
    succeeded(store, clock, follow_up=first, owner="other")
    succeeded(store, clock, follow_up=first, owner="key", visits=(second, first))
    store.create(new(follow_up=first, owner="key"))

    found = store.newest_result_of([first, second], owner="key")

    assert found is not None
    assert found.id == newest
    assert store.newest_result_of([], owner="key") is None
