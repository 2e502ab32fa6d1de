"""A study that comes by itself has one row, is looked at by one worker at a time, and is never forgotten."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from service.contracts.arrivals import Arrival, ArrivalState, ArrivalStore
from service.contracts.errors import ArrivalNotFound
from tests.fixtures.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(engine: Engine, clock: Clock) -> ArrivalStore:
    return ArrivalStore(engine, now=clock)


def due(store: ArrivalStore) -> Arrival:
    found = store.take_due(lease_s=100)
    assert found is not None
    return found


def test_a_study_told_of_three_times_is_one_arrival(store: ArrivalStore) -> None:
    ids = {store.announce("main", "1.2", owner="o").id for _ in range(3)}
    assert len(ids) == 1
    assert len(store.page(owner=None, state=None, limit=10)) == 1


def test_the_same_study_of_two_who_push_is_two_arrivals(store: ArrivalStore) -> None:
    assert store.announce("", "1.2", owner="a").id != store.announce("", "1.2", owner="b").id


def test_a_look_is_one_workers_until_its_lease_ends(store: ArrivalStore, clock: Clock) -> None:
    store.announce("main", "1.2", owner="o")
    due(store)
    assert store.take_due(lease_s=100) is None
    clock.pass_s(101)
    assert due(store).study_uid == "1.2"


def test_the_time_since_which_the_images_are_the_same_begins_anew_with_other_images(
    store: ArrivalStore, clock: Clock
) -> None:
    store.announce("main", "1.2", owner="o")
    store.look_again(due(store), seen="few", after_s=5)
    began = clock.time
    clock.pass_s(5)
    store.look_again(due(store), seen="few", after_s=5)
    clock.pass_s(5)
    again = due(store)
    assert again.seen_since == began
    store.look_again(again, seen="more", after_s=5)
    clock.pass_s(5)
    assert due(store).seen_since == began + timedelta(seconds=10)


def test_a_taken_study_rests_until_it_is_told_of_again(store: ArrivalStore) -> None:
    store.announce("main", "1.2", owner="o")
    store.took(due(store), taken="all", job_id="j1")
    assert store.take_due(lease_s=1) is None
    again = store.announce("main", "1.2", owner="o")
    assert (again.state, again.taken, again.job_id) == (ArrivalState.WAITING, "all", "j1")
    assert due(store).id == again.id


def test_what_is_told_while_a_worker_fetches_is_looked_at_afterwards(store: ArrivalStore) -> None:
    store.announce("main", "1.2", owner="o")
    held = due(store)
    store.announce("main", "1.2", owner="o")
    store.took(held, taken="all", job_id="j1")
    assert due(store).state is ArrivalState.WAITING


def test_looks_that_fail_wait_longer_each_time_and_up_to_ten_minutes(store: ArrivalStore, clock: Clock) -> None:
    store.announce("main", "1.2", owner="o")
    waits = []
    for _ in range(10):
        store.failed(due(store), "pacs_unavailable", final=False)
        waits.append((store.page(owner=None, state=None, limit=1)[0].due - clock.time).total_seconds())
        clock.pass_s(waits[-1])
    assert waits == [5, 10, 20, 40, 80, 160, 320, 600, 600, 600]


def test_a_dead_arrival_keeps_its_reason_and_lives_again_when_told_of(store: ArrivalStore) -> None:
    store.announce("main", "1.2", owner="o")
    store.failed(due(store), "study_gone", final=True)
    dead = store.page(owner=None, state=ArrivalState.DEAD, limit=1)[0]
    assert dead.error_code == "study_gone"
    assert store.take_due(lease_s=1) is None
    assert store.announce("main", "1.2", owner="o").error_code is None
    assert due(store).id == dead.id


def test_a_message_is_known_until_its_time_has_passed(store: ArrivalStore, clock: Clock) -> None:
    store.remember_message("m1", kept_s=600)
    store.remember_message("m1", kept_s=600)
    assert store.knows_message("m1")
    clock.pass_s(601)
    store.remember_message("m2", kept_s=600)
    assert not store.knows_message("m1")


def test_an_unknown_id_is_named_so(store: ArrivalStore) -> None:
    with pytest.raises(ArrivalNotFound):
        store.get("nothing")
