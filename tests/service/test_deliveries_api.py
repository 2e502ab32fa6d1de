"""Deliveries of the REST API: asked for, watched, replayed, and what they keep from being deleted."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from service.contracts.api_keys import Scope
from service.contracts.deliveries import DeliveryKind, Receiver, RetryPolicy
from service.contracts.delivery_store import DeliveryStore
from service.contracts.job_store import JobStore
from service.contracts.jobs import JobEvent
from service.contracts.tables import deliveries
from tests.fixtures.api_service import Service, dicom_bytes, upload, upload_pair

SITE = """
destinations:
  main: {kind: stow, dicomweb: "http://10.9.8.7:8042/dicom-web"}
  archive: {kind: dimse, host: 10.9.8.6, port: 104, ae_title: ARCHIVE}
"""
POLICY = RetryPolicy(attempts=3, first_wait_s=10, longest_wait_s=60)


@pytest.fixture
def service(tmp_path: Path) -> Any:
    site = tmp_path / "site.yaml"
    site.write_text(SITE)
    made = Service(tmp_path / "data", site_file=site)
    with made.client:
        yield made
    made.engine.dispose()


@pytest.fixture
def key(service: Service) -> dict[str, str]:
    return service.key(Scope.SUBMIT, Scope.READ)


def dicom_study(service: Service, key: dict[str, str]) -> str:
    return str(upload(service, key, [("f", ("a", dicom_bytes()))]).json()["id"])


def succeeded(service: Service, key: dict[str, str], **body: object) -> dict[str, Any]:
    made = service.client.post("/v1/jobs", headers=key, json={"follow_up": dicom_study(service, key), **body})
    assert made.status_code == 202, made.text
    store = JobStore(service.engine)
    lease = store.claim(made.json()["id"], lease_s=60)
    assert lease is not None
    store.finish(lease, JobEvent.SUCCEED)
    return dict(made.json())


def fail(service: Service, name: str, code: str = "credentials_refused") -> None:
    store = DeliveryStore(service.engine)
    delivery = store.take(Receiver(kind=DeliveryKind.DICOM, target=name), policy=POLICY, lease_s=60)
    assert delivery is not None
    assert store.failed(delivery, code, wait_s=None)


def test_destinations_that_are_asked_for_get_a_delivery_each_without_their_address(
    service: Service, key: dict[str, str]
) -> None:
    job = succeeded(service, key, deliver_to=["main", "archive", "main"], callback_url="https://example.org/done?x=1")
    assert job["deliver_to"] == ["main", "archive"]

    answer = service.client.get(job["links"]["deliveries"], headers=key)

    found = {one["destination"]: one for one in answer.json()["deliveries"]}
    assert {name: (one["kind"], one["state"], one["attempts"]) for name, one in found.items()} == {
        "main": ("dicom", "pending", 0),
        "archive": ("dicom", "pending", 0),
        None: ("callback", "pending", 0),
    }
    assert "10.9" not in answer.text
    assert "example.org" not in answer.text


@pytest.mark.parametrize(("names", "code"), [(["elsewhere"], "unknown_destination"), (["A B"], "invalid_request")])
def test_destinations_that_are_not_there_are_refused(
    service: Service, key: dict[str, str], names: list[str], code: str
) -> None:
    body = {"follow_up": dicom_study(service, key), "deliver_to": names}

    answer = service.client.post("/v1/jobs", headers=key, json=body)

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert names[0] not in answer.text
    assert service.queue.sent == []


def test_a_study_that_gives_no_dicom_objects_has_nothing_to_deliver(service: Service, key: dict[str, str]) -> None:
    body = {"follow_up": upload_pair(service, key), "deliver_to": ["main"]}

    answer = service.client.post("/v1/jobs", headers=key, json=body)

    assert (answer.status_code, answer.json()["code"]) == (422, "nothing_to_deliver")


def test_destinations_are_part_of_what_an_idempotency_key_stands_for(service: Service, key: dict[str, str]) -> None:
    body, headers = {"follow_up": dicom_study(service, key)}, {**key, "Idempotency-Key": "visit 7"}
    first = service.client.post("/v1/jobs", headers=headers, json=body).json()["id"]

    assert service.client.post("/v1/jobs", headers=headers, json={**body, "deliver_to": []}).json()["id"] == first
    other = service.client.post("/v1/jobs", headers=headers, json={**body, "deliver_to": ["main"]})
    assert other.json()["code"] == "idempotency_conflict"


def test_a_dead_delivery_says_why_and_is_replayed_by_its_owner(service: Service, key: dict[str, str]) -> None:
    job = succeeded(service, key, deliver_to=["main"])
    fail(service, "main")
    here = job["links"]["deliveries"]

    (dead,) = service.client.get(here, headers=key).json()["deliveries"]
    assert (dead["state"], dead["error_code"], dead["next_attempt"]) == ("dead", "credentials_refused", None)
    assert dead["error_title"] == "The receiver does not accept the credentials"
    again = service.client.post(f"{here}/{dead['id']}:replay", headers=key)

    assert again.status_code == 202
    assert (again.json()["state"], again.json()["attempts"]) == ("pending", 0)
    assert len(DeliveryStore(service.engine).receivers_due()) == 1


def test_deliveries_of_others_are_not_to_be_seen_or_replayed(service: Service, key: dict[str, str]) -> None:
    job, other = (succeeded(service, key, deliver_to=["main"]) for _ in range(2))
    stranger, reader = service.key(Scope.SUBMIT, Scope.READ), service.key(Scope.READ)
    (one,) = service.client.get(job["links"]["deliveries"], headers=key).json()["deliveries"]
    post = service.client.post

    assert service.client.get(job["links"]["deliveries"], headers=stranger).json()["code"] == "job_not_found"
    assert post(f"{job['links']['deliveries']}/{one['id']}:replay", headers=stranger).json()["code"] == "job_not_found"
    assert post(f"{job['links']['deliveries']}/{one['id']}:replay", headers=reader).json()["code"] == "forbidden"
    wrong = post(f"{other['links']['deliveries']}/{one['id']}:replay", headers=key)
    assert (wrong.status_code, wrong.json()["code"]) == (404, "delivery_not_found")


@pytest.mark.parametrize("dead", [False, True])
def test_a_study_stays_until_every_result_has_arrived(service: Service, key: dict[str, str], *, dead: bool) -> None:
    job = succeeded(service, key, deliver_to=["main"])
    study = f"/v1/studies/{job['follow_up']}"
    if dead:
        fail(service, "main")

    refused = service.client.delete(study, headers=key)
    assert (refused.status_code, refused.json()["code"]) == (409, "delivery_unfinished")
    assert "abandon_deliveries=true" in refused.json()["detail"]
    assert "replay" in refused.json()["detail"]
    assert (service.folder / "studies" / job["follow_up"]).exists()
    with service.engine.begin() as connection:
        connection.execute(update(deliveries).values(state="delivered"))

    assert service.client.delete(study, headers=key).status_code == 204


def test_a_study_can_be_deleted_by_giving_its_deliveries_up(service: Service, key: dict[str, str]) -> None:
    job = succeeded(service, key, deliver_to=["main", "archive"])
    fail(service, "main")

    answer = service.client.delete(
        f"/v1/studies/{job['follow_up']}", headers=key, params={"abandon_deliveries": "true"}
    )

    assert answer.status_code == 204
    found = service.client.get(job["links"]["deliveries"], headers=key).json()["deliveries"]
    assert [one["state"] for one in found] == ["abandoned", "abandoned"]
    assert DeliveryStore(service.engine).receivers_due() == []
