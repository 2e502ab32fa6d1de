"""Series of visits of the REST API."""

import json

import pytest

from service.contracts.api_keys import Scope
from service.contracts.job_store import JobStore
from service.contracts.jobs import JobEvent
from tests.fixtures.api_service import Service, nifti_bytes, upload, upload_pair
from tests.fixtures.series_reports import small_report


def visits(service: Service, key: dict[str, str], *days: str | None) -> list[str]:
    found = []
    for day in days:
        files = {"t1": ("a.nii.gz", nifti_bytes()), "flair": ("b.nii.gz", nifti_bytes())}
        found.append(upload(service, key, files, **({} if day is None else {"acquired": day})).json()["id"])
    return found


def test_a_series_is_a_job_with_its_visits(service: Service, key: dict[str, str]) -> None:
    studies = visits(service, key, "2020-01-05", None, "2024-03-01")

    answer = service.client.post("/v1/series", headers=key, json={"visits": studies, "options": {"mirroring": True}})

    job = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (202, f"/v1/jobs/{job['id']}")
    assert service.queue.sent == [job["id"]]
    assert (job["visits"], job["baseline"], job["follow_up"]) == (studies, studies[0], studies[2])
    assert job["links"]["report"] == f"/v1/jobs/{job['id']}/series-report"
    assert service.client.get(f"/v1/jobs/{job['id']}", headers=key).json() == job


def test_an_idempotency_key_makes_one_series(service: Service, key: dict[str, str]) -> None:
    studies, headers = visits(service, key, None, None, None), {**key, "Idempotency-Key": "patient 7"}

    first = service.client.post("/v1/series", headers=headers, json={"visits": studies}).json()
    second = service.client.post("/v1/series", headers=headers, json={"visits": studies}).json()
    other = service.client.post("/v1/series", headers=headers, json={"visits": studies[::-1]})

    assert first["id"] == second["id"]
    assert service.queue.sent == [first["id"]]
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")


@pytest.mark.parametrize(
    ("chosen", "code", "status"),
    [((1, 0), "visits_out_of_order", 422), ((0,), "invalid_request", 422), ((0, 1, 0), "invalid_request", 422)],
)
def test_visits_that_cannot_be_followed_are_refused(
    service: Service, key: dict[str, str], chosen: tuple[int, ...], code: str, status: int
) -> None:
    studies = visits(service, key, "2020-01-05", "2024-03-01")

    answer = service.client.post("/v1/series", headers=key, json={"visits": [studies[n] for n in chosen]})

    assert (answer.json()["code"], answer.status_code) == (code, status)
    assert "2020" not in answer.text
    assert service.queue.sent == []


def test_scopes_and_owners_are_those_of_jobs(service: Service, key: dict[str, str]) -> None:
    studies = visits(service, key, None, None)
    body = {"visits": studies}
    reader, stranger = service.key(Scope.READ), service.key(Scope.SUBMIT, Scope.READ)

    assert service.client.post("/v1/series", json=body).json()["code"] == "unauthorized"
    assert service.client.post("/v1/series", headers=reader, json=body).json()["code"] == "forbidden"
    assert service.client.post("/v1/series", headers=stranger, json=body).json()["code"] == "study_not_found"
    job = service.client.post("/v1/series", headers=key, json=body).json()["id"]
    assert service.client.get(f"/v1/jobs/{job}/series-report", headers=stranger).json()["code"] == "job_not_found"


def test_a_study_between_first_and_last_is_kept_while_the_series_runs(service: Service, key: dict[str, str]) -> None:
    studies = visits(service, key, None, None, None)
    job = service.client.post("/v1/series", headers=key, json={"visits": studies}).json()["id"]

    refused = service.client.delete(f"/v1/studies/{studies[1]}", headers=key)
    service.client.post(f"/v1/jobs/{job}/cancel", headers=key)

    assert (refused.status_code, refused.json()["code"]) == (409, "study_in_use")
    assert service.client.delete(f"/v1/studies/{studies[1]}", headers=key).status_code == 204


def test_the_report_and_the_artifacts_of_a_series_are_served(service: Service, key: dict[str, str]) -> None:
    job = service.client.post("/v1/series", headers=key, json={"visits": visits(service, key, None, None)}).json()["id"]
    here = f"/v1/jobs/{job}"
    assert service.client.get(f"{here}/series-report", headers=key).json()["code"] == "artifact_not_found"
    store = JobStore(service.engine)
    lease = store.claim(job, lease_s=60)
    assert lease is not None
    folder = service.folder / "jobs" / job / str(lease.attempt)
    folder.mkdir(parents=True)
    (folder / "series.json").write_text(small_report().model_dump_json())
    store.finish(lease, JobEvent.SUCCEED)

    served = service.client.get(f"{here}/series-report", headers=key)

    assert served.json() == json.loads(small_report().model_dump_json())
    names = [one["name"] for one in service.client.get(f"{here}/artifacts", headers=key).json()["artifacts"]]
    assert names == ["series.json"]
    assert service.client.get(f"{here}/report", headers=key).json()["code"] == "artifact_not_found"


def test_a_comparison_has_no_visits_and_no_series_report(service: Service, key: dict[str, str]) -> None:
    job = service.client.post("/v1/jobs", headers=key, json={"follow_up": upload_pair(service, key)}).json()

    assert job["visits"] == []
    assert job["links"]["report"] == f"/v1/jobs/{job['id']}/report"
    answer = service.client.get(f"/v1/jobs/{job['id']}/series-report", headers=key)
    assert answer.json()["code"] == "artifact_not_found"
