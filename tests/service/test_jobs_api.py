"""Jobs and their artifacts of the REST API."""

import json
from datetime import UTC, datetime

import pytest

from service.contracts.api_keys import ApiKey, Scope
from service.contracts.job_store import JobStore
from service.contracts.jobs import JobEvent
from service.contracts.options import CompareOptions
from service.contracts.schemas import JobRequest
from service.routes.jobs import new_job
from tests.fixtures.api_service import CANARY, Service, upload_pair


def test_jobs_are_queued_with_their_id_alone(service: Service, key: dict[str, str]) -> None:
    study = upload_pair(service, key)

    answer = service.client.post("/v1/jobs", headers=key, json={"follow_up": study, "baseline": study})

    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert service.queue.sent == [job["id"]]
    assert job["state"] == "queued"


class LaterOptions(CompareOptions):
    """As a version after this one has them."""

    other: bool = False


class LaterRequest(JobRequest):
    options: LaterOptions = LaterOptions()


@pytest.mark.parametrize("options", [{}, {"probabilities": True}, {"crop": "union"}])
def test_an_idempotency_key_outlives_an_update_that_adds_an_option(options: dict[str, object]) -> None:
    caller = ApiKey(id="k", name="site", scopes=frozenset(), created=datetime(2026, 1, 1, tzinfo=UTC), revoked=None)
    body = {"follow_up": "f", "options": options}

    now, later = (new_job(kind.model_validate(body), caller, "visit 7") for kind in (JobRequest, LaterRequest))
    asked = new_job(LaterRequest.model_validate(body | {"options": options | {"other": True}}), caller, "visit 7")

    assert now.request_digest == later.request_digest != asked.request_digest
    assert now.options == CompareOptions.model_validate(options).model_dump(mode="json")


def test_an_idempotency_key_makes_one_job(service: Service, key: dict[str, str]) -> None:
    body, headers = {"follow_up": upload_pair(service, key)}, {**key, "Idempotency-Key": "visit 7"}

    first = service.client.post("/v1/jobs", headers=headers, json=body).json()
    second = service.client.post("/v1/jobs", headers=headers, json=body).json()
    other = service.client.post("/v1/jobs", headers=headers, json={**body, "options": {"mirroring": True}})

    assert first["id"] == second["id"]
    assert service.queue.sent == [first["id"]]
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")


def test_a_job_survives_a_broker_that_is_away(service: Service, key: dict[str, str]) -> None:
    service.queue.broken = True

    answer = service.client.post("/v1/jobs", headers=key, json={"follow_up": upload_pair(service, key)})

    assert answer.status_code == 202
    ready = service.client.get("/readyz")
    assert ready.status_code == 503
    assert {d["name"]: d["ok"] for d in ready.json()["dependencies"]}["broker"] is False


@pytest.mark.parametrize(
    ("body", "code", "status"),
    [
        ({"follow_up": "nothing"}, "study_not_found", 404),
        ({}, "invalid_request", 422),
        ({"follow_up": "x", "options": {"threshold": 7, "secret": CANARY}}, "invalid_request", 422),
    ],
)
def test_bad_jobs_are_refused_without_repeating_them(
    service: Service, key: dict[str, str], body: object, code: str, status: int
) -> None:
    answer = service.client.post("/v1/jobs", headers=key, json=body)

    assert (answer.json()["code"], answer.status_code) == (code, status)
    assert CANARY not in answer.text


def test_scopes_and_owners_are_kept_apart(service: Service, key: dict[str, str]) -> None:
    study = upload_pair(service, key)
    job = service.client.post("/v1/jobs", headers=key, json={"follow_up": study}).json()["id"]
    reader, stranger, admin = (service.key(s) for s in (Scope.READ, Scope.SUBMIT, Scope.ADMIN))

    assert service.client.get(f"/v1/jobs/{job}").json()["code"] == "unauthorized"
    assert service.client.post("/v1/jobs", headers=reader, json={"follow_up": study}).json()["code"] == "forbidden"
    assert service.client.get(f"/v1/jobs/{job}", headers=reader).json()["code"] == "job_not_found"
    assert service.client.delete(f"/v1/studies/{study}", headers=stranger).json()["code"] == "study_not_found"
    assert service.client.get(f"/v1/jobs/{job}", headers=admin).status_code == 200
    assert len(service.client.get("/v1/jobs", headers=admin).json()["jobs"]) == 1
    assert service.client.get("/v1/jobs", headers=reader).json()["jobs"] == []


def test_pages_of_jobs_follow_each_other(service: Service, key: dict[str, str]) -> None:
    study = upload_pair(service, key)
    made = [service.client.post("/v1/jobs", headers=key, json={"follow_up": study}).json()["id"] for _ in range(3)]

    first = service.client.get("/v1/jobs", headers=key, params={"limit": 2}).json()
    second = service.client.get("/v1/jobs", headers=key, params={"limit": 2, "after": first["next"]}).json()

    assert [job["id"] for job in first["jobs"] + second["jobs"]] == made[::-1]
    assert second["next"] is None


def finished(service: Service, key: dict[str, str], content: bytes, *, more: tuple[str, ...] = ()) -> str:
    job = service.client.post("/v1/jobs", headers=key, json={"follow_up": upload_pair(service, key)}).json()["id"]
    store = JobStore(service.engine)
    lease = store.claim(job, lease_s=60)
    assert lease is not None
    folder = service.folder / "jobs" / job / str(lease.attempt)
    folder.mkdir(parents=True)
    (folder / "lesions.csv").write_bytes(content)
    for name in more:
        (folder / name).write_bytes(content)
    (folder / "report.json").write_text("{}")
    assert service.client.get(f"/v1/jobs/{job}/artifacts", headers=key).json() == {"artifacts": []}
    store.finish(lease, JobEvent.SUCCEED)
    return str(job)


def test_artifacts_are_listed_after_success_and_served_in_ranges(service: Service, key: dict[str, str]) -> None:
    job = finished(service, key, b"0123456789")
    here = f"/v1/jobs/{job}/artifacts"

    listed = service.client.get(here, headers=key).json()["artifacts"]
    whole = service.client.get(f"{here}/lesions.csv", headers=key)
    part = service.client.get(f"{here}/lesions.csv", headers={**key, "Range": "bytes=2-4"})

    assert [one["name"] for one in listed] == ["lesions.csv", "report.json"]
    assert (whole.content, part.status_code, part.content) == (b"0123456789", 206, b"234")


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("report.pdf", "application/pdf"),
        ("report_pdf.dcm", "application/dicom"),
        ("overlay_0001.dcm", "application/dicom"),
        ("overlay.zip", "application/zip"),
        ("follow_up_lesions.nii.gz", "application/gzip"),
    ],
)
def test_an_artifact_says_of_what_type_it_is(service: Service, key: dict[str, str], name: str, media_type: str) -> None:
    job = finished(service, key, b"0123456789", more=(name,))

    listed = service.client.get(f"/v1/jobs/{job}/artifacts", headers=key).json()["artifacts"]
    answer = service.client.get(f"/v1/jobs/{job}/artifacts/{name}", headers=key)

    assert {one["name"]: one["media_type"] for one in listed}[name] == media_type
    assert (answer.headers["content-type"], answer.content) == (media_type, b"0123456789")


@pytest.mark.parametrize("asked", ["bytes=50-60", "lines=1-2", "bytes="])
def test_ranges_that_cannot_be_served_are_problems(service: Service, key: dict[str, str], asked: str) -> None:
    here = f"/v1/jobs/{finished(service, key, b'0123456789')}/artifacts/lesions.csv"

    answer = service.client.get(here, headers={**key, "Range": asked})

    assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("name", ["nothing.txt", "..%2F..%2Fjobs.sqlite", "%2Fetc%2Fpasswd"])
def test_other_files_are_not_served(service: Service, key: dict[str, str], name: str) -> None:
    job = finished(service, key, b"x")

    assert service.client.get(f"/v1/jobs/{job}/artifacts/{name}", headers=key).status_code == 404


def test_events_tell_the_progress_and_end(service: Service, key: dict[str, str]) -> None:
    job = finished(service, key, b"x")

    with service.client.stream("GET", f"/v1/jobs/{job}/events", headers=key) as stream:
        lines = [line for line in stream.iter_lines() if line]

    assert lines[0] == "event: progress"
    assert json.loads(lines[1].removeprefix("data: "))["state"] == "succeeded"
    assert lines[2] == "event: end"
