"""A PACS is believed by its signature alone; told twice, the service acts once."""

import base64
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from service.contracts.api_keys import Scope
from tests.fixtures.api_service import Service

OLD, NEW, OTHER = ("whsec_" + base64.b64encode(name * 6).decode() for name in (b"old!", b"new!", b"else"))
STUDY = "1.2.840.99999.1"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    for name, key in (("old", OLD), ("new", NEW), ("other", OTHER)):
        (tmp_path / name).write_text(key)
    site = tmp_path / "site.yaml"
    site.write_text(
        json.dumps(
            {
                "pacs": {
                    "main": {
                        "dicomweb": "http://127.0.0.1:9/dicom-web",
                        "webhook_key_files": [str(tmp_path / "old"), str(tmp_path / "new")],
                    },
                    "other": {
                        "dicomweb": "http://127.0.0.1:9/dicom-web",
                        "webhook_key_files": [str(tmp_path / "other")],
                    },
                }
            }
        )
    )
    made = Service(tmp_path, site_file=site)
    with made.client:
        yield made
    made.engine.dispose()


def message(pacs: str = "main", study: str = STUDY, **data: object) -> bytes:
    body = {"type": "study.stable", "timestamp": "2026-03-01T10:00:00Z", "data": {"pacs": pacs, **data}}
    body["data"]["study_instance_uid"] = study
    return json.dumps(body).encode()


def signed(body: bytes, key: str = NEW, *, message_id: str = "m1", at: datetime | None = None) -> dict[str, str]:
    when = at or datetime.now(UTC)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(when.timestamp())),
        "webhook-signature": Webhook(key).sign(message_id, when, body.decode()),
    }


def tell(service: Service, body: bytes, headers: dict[str, str]) -> object:
    return service.client.post("/v1/webhooks/pacs", content=body, headers=headers)


@pytest.mark.parametrize("key", [OLD, NEW], ids=["old key", "new key"])
def test_a_message_signed_with_any_key_of_the_pacs_is_taken(service: Service, key: str) -> None:
    body = message()
    answer = tell(service, body, signed(body, key))
    assert answer.status_code == 202
    assert (answer.json()["pacs"], answer.json()["state"]) == ("main", "waiting")


def test_the_same_message_three_times_is_acted_on_once(service: Service) -> None:
    body = message()
    answers = [tell(service, body, signed(body)).json() for _ in range(3)]
    assert len({answer["id"] for answer in answers}) == 1
    admin = service.key(Scope.ADMIN)
    assert len(service.client.get("/v1/arrivals", headers=admin).json()["arrivals"]) == 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body, headers: (body + b" ", headers),
        lambda body, headers: (body, {**headers, "webhook-signature": "v1,AAAA"}),
        lambda body, headers: (body, {**headers, "webhook-signature": "no signature at all"}),
        lambda body, headers: (body, {**headers, "webhook-id": "m2"}),
        lambda body, _: (body, signed(body, "whsec_" + base64.b64encode(b"unknown key").decode())),
        lambda body, _: (body, signed(body, at=datetime.now(UTC) - timedelta(minutes=6))),
        lambda body, _: (body, signed(body, at=datetime.now(UTC) + timedelta(minutes=6))),
        lambda body, _: (body, {}),
        lambda body, _: (body, signed(body, message_id="m" * 65)),
        lambda body, _: (body, signed(body, OTHER)),
    ],
    ids=["body", "signature", "garbage", "id", "key", "stale", "future", "none", "long id", "another PACS's key"],
)
def test_a_forged_or_stale_message_is_refused_and_leaves_nothing(service: Service, spoil: object) -> None:
    body, headers = spoil(message(), signed(message()))
    answer = tell(service, body, headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_signature")
    admin = service.key(Scope.ADMIN)
    assert service.client.get("/v1/arrivals", headers=admin).json()["arrivals"] == []


@pytest.mark.parametrize("study", ["../../etc/passwd", "1.2.x", "1." + "2" * 70, ""])
def test_a_signed_message_with_no_uid_is_refused(service: Service, study: str) -> None:
    body = message(study=study)
    answer = tell(service, body, signed(body))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert "passwd" not in answer.text


def test_a_message_that_is_too_long_is_refused_before_it_is_read_whole(service: Service) -> None:
    body = message() + b" " * (17 << 10)
    assert tell(service, body, signed(body)).status_code == 413


def test_arrivals_show_no_uid_and_only_an_admin_sees_those_of_a_pacs(service: Service) -> None:
    body = message(baseline_study_instance_uid="1.2.840.99999.7")
    arrival = tell(service, body, signed(body)).json()
    assert "99999" not in json.dumps(arrival)
    reader, admin = service.key(Scope.READ), service.key(Scope.ADMIN)
    assert service.client.get(f"/v1/arrivals/{arrival['id']}", headers=reader).status_code == 404
    assert service.client.get(f"/v1/arrivals/{arrival['id']}", headers=admin).json() == arrival


def test_an_admin_has_a_study_looked_for_again(service: Service) -> None:
    body = message()
    arrival = tell(service, body, signed(body)).json()
    time.sleep(0.01)
    again = service.client.post(f"/v1/arrivals/{arrival['id']}:again", headers=service.key(Scope.ADMIN))
    assert (again.status_code, again.json()["state"]) == (202, "waiting")
