"""The REST API through HTTP, on SQLite, without a broker."""

import gzip
import io
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from openapi_spec_validator import validate
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from sqlalchemy import Engine
from starlette.testclient import TestClient

from service.app import create_app
from service.contracts.api_keys import ApiKeys, Scope
from service.contracts.database import open_database
from service.contracts.job_store import JobStore
from service.contracts.jobs import JobEvent
from service.contracts.queue import MemoryQueue
from service.contracts.settings import Settings
from service.openapi import TARGET, rendered

CANARY = "Zyzzyva^Canary"


def nifti_bytes(shape: tuple[int, ...] = (4, 4, 4)) -> bytes:
    image = nib.Nifti1Image(np.arange(np.prod(shape), dtype=np.float32).reshape(shape), np.eye(4))
    return gzip.compress(image.to_bytes())


def dicom_bytes(patient: str = "P1", number: int = 1) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = Dataset()
    dataset.file_meta = meta
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.PatientID, dataset.PatientName, dataset.PatientBirthDate = patient, CANARY, "19700101"
    dataset.StudyDate, dataset.InstanceNumber = "20240102", number
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


class Service:
    def __init__(self, folder: Path, **changes: object) -> None:
        settings = Settings(data_folder=folder, database_url=f"sqlite:///{folder / 'jobs.sqlite'}", **changes)
        self.queue = MemoryQueue()
        self.app = create_app(settings, queue=self.queue)
        self.client = TestClient(self.app, raise_server_exceptions=False)
        self.engine: Engine = open_database(settings.database)
        self.folder = folder

    def key(self, *scopes: Scope) -> dict[str, str]:
        return {"Authorization": f"Bearer {ApiKeys(self.engine).create('test', scopes)}"}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path, max_unpacked_bytes=100 << 20, max_files=50)
    with made.client:
        yield made
    made.engine.dispose()


@pytest.fixture
def key(service: Service) -> dict[str, str]:
    return service.key(Scope.SUBMIT, Scope.READ)


def upload(service: Service, key: dict[str, str], files: object, **data: str) -> object:
    return service.client.post("/v1/studies", headers=key, files=files, data=data)


def upload_pair(service: Service, key: dict[str, str]) -> str:
    files = {"t1": ("a.nii.gz", nifti_bytes()), "flair": ("b.nii.gz", nifti_bytes())}
    return upload(service, key, files).json()["id"]


def test_nifti_files_by_modality_make_a_study(service: Service, key: dict[str, str]) -> None:
    files = {"t1": ("a.nii.gz", nifti_bytes()), "flair": ("b.nii.gz", nifti_bytes())}

    answer = upload(service, key, files, acquired="2024-05-31")

    receipt = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/studies/{receipt['id']}"
    assert (receipt["kind"], receipt["instances"], receipt["acquired"]) == ("nifti", 2, "2024-05-31")
    assert service.client.get(answer.headers["location"], headers=key).json() == receipt
    stored = service.folder / "studies" / receipt["id"]
    assert {path.name for path in stored.iterdir()} == {"t1.nii.gz", "flair.nii.gz"}


def test_a_zip_and_single_dicom_files_make_the_same_kind_of_study(service: Service, key: dict[str, str]) -> None:
    slices = {f"{CANARY}/IM{n}": dicom_bytes(number=n) for n in range(3)}
    one_by_one = [("files", (name, content)) for name, content in slices.items()]

    for files in ({"study": ("x.zip", zipped(slices))}, one_by_one):
        receipt = upload(service, key, files).json()
        assert (receipt["kind"], receipt["instances"], receipt["acquired"]) == ("dicom", 3, "2024-01-02")
        names = [path.name for path in (service.folder / "studies" / receipt["id"]).iterdir()]
        assert not [name for name in names if "Canary" in name]


BOMB = {"a.dcm": b"\0" * (120 << 20)}


@pytest.mark.parametrize(
    ("files", "code", "status"),
    [
        ({"z": ("x.zip", zipped({"a.dcm": dicom_bytes() * 50})[:-90])}, "truncated_archive", 422),
        ({"z": ("x.zip", zipped(BOMB))}, "archive_too_large", 413),
        ({"z": ("x.zip", zipped({f"{n}": b"" for n in range(60)}))}, "archive_too_large", 413),
        ({"z": ("x.zip", zipped({"../../etc/cron.d/x": b"y"}))}, "unsafe_archive_path", 422),
        ({"z": ("x.zip", zipped({"/etc/passwd": b"y"}))}, "unsafe_archive_path", 422),
        ({"z": ("x.zip", zipped({"..\\..\\x": b"y"}))}, "unsafe_archive_path", 422),
        ({"z": ("x.zip", zipped({"__MACOSX/a": b"y"}))}, "empty_study", 422),
        ({"z": ("x.jpg", b"\xff\xd8\xff not an image of ours")}, "unsupported_file", 422),
        ({"t1": ("a.nii.gz", nifti_bytes())}, "missing_flair", 422),
        ({"flair": ("a.nii.gz", nifti_bytes())}, "missing_t1", 422),
        ({"t1": ("a.nii", b"nothing"), "flair": ("b.nii", b"nothing")}, "not_an_image", 422),
        ([("f", ("a", dicom_bytes("P1"))), ("f", ("b", dicom_bytes("P2")))], "mixed_patients", 422),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_uploads_get_their_code_and_leave_nothing(
    service: Service, key: dict[str, str], files: object, code: str, status: int
) -> None:
    answer = upload(service, key, files)

    problem = answer.json()
    assert (problem["code"], answer.status_code) == (code, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert not list((service.folder / "incoming").iterdir())
    assert not list((service.folder / "studies").iterdir())
    assert "P1" not in answer.text
    assert service.client.get("/livez").status_code == 200


def test_an_upload_over_the_limit_is_refused(tmp_path: Path) -> None:
    service = Service(tmp_path, max_upload_bytes=1000)
    with service.client:
        answer = upload(service, service.key(Scope.SUBMIT), {"z": ("x", b"0" * 2000)})
    service.engine.dispose()

    assert answer.json()["code"] == "upload_too_large"


def test_a_body_that_ends_early_is_refused(service: Service, key: dict[str, str]) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="t1"; filename="a"\r\n\r\nabc'
    headers = {**key, "Content-Type": "multipart/form-data; boundary=b"}

    answer = service.client.post("/v1/studies", headers=headers, content=body)

    assert answer.json()["code"] == "incomplete_upload"


def test_jobs_are_queued_with_their_id_alone(service: Service, key: dict[str, str]) -> None:
    study = upload_pair(service, key)

    answer = service.client.post("/v1/jobs", headers=key, json={"follow_up": study, "baseline": study})

    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert service.queue.sent == [job["id"]]
    assert job["state"] == "queued"


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


def test_a_study_in_use_is_not_deleted(service: Service, key: dict[str, str]) -> None:
    study = upload_pair(service, key)
    job = service.client.post("/v1/jobs", headers=key, json={"follow_up": study}).json()["id"]

    assert service.client.delete(f"/v1/studies/{study}", headers=key).json()["code"] == "study_in_use"
    assert service.client.post(f"/v1/jobs/{job}/cancel", headers=key).json()["state"] == "cancelled"
    assert service.client.delete(f"/v1/studies/{study}", headers=key).status_code == 204
    assert service.client.get(f"/v1/studies/{study}", headers=key).status_code == 404
    assert not (service.folder / "studies" / study).exists()


def test_pages_of_jobs_follow_each_other(service: Service, key: dict[str, str]) -> None:
    study = upload_pair(service, key)
    made = [service.client.post("/v1/jobs", headers=key, json={"follow_up": study}).json()["id"] for _ in range(3)]

    first = service.client.get("/v1/jobs", headers=key, params={"limit": 2}).json()
    second = service.client.get("/v1/jobs", headers=key, params={"limit": 2, "after": first["next"]}).json()

    assert [job["id"] for job in first["jobs"] + second["jobs"]] == made[::-1]
    assert second["next"] is None


def finished(service: Service, key: dict[str, str], content: bytes) -> str:
    job = service.client.post("/v1/jobs", headers=key, json={"follow_up": upload_pair(service, key)}).json()["id"]
    store = JobStore(service.engine)
    lease = store.claim(job, lease_s=60)
    assert lease is not None
    folder = service.folder / "jobs" / job / str(lease.attempt)
    folder.mkdir(parents=True)
    (folder / "lesions.csv").write_bytes(content)
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
    beyond = service.client.get(f"{here}/lesions.csv", headers={**key, "Range": "bytes=50-60"})

    assert [one["name"] for one in listed] == ["lesions.csv", "report.json"]
    assert (whole.content, part.status_code, part.content) == (b"0123456789", 206, b"234")
    assert beyond.status_code == 416


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


@pytest.mark.parametrize(
    ("path", "method", "code"), [("/nothing", "GET", "not_found"), ("/livez", "PUT", "method_not_allowed")]
)
def test_errors_of_the_framework_are_problems_too(service: Service, path: str, method: str, code: str) -> None:
    answer = service.client.request(method, path)

    assert answer.json()["code"] == code
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_the_committed_openapi_is_the_generated_one() -> None:
    assert TARGET.read_text(encoding="utf-8") == rendered()


def test_the_openapi_document_is_valid_and_holds_the_report() -> None:
    document = json.loads(TARGET.read_text(encoding="utf-8"))

    validate(document)
    assert document["openapi"].startswith("3.1")
    assert {"comparable", "reasons", "counts", "volumes_ml", "lesions"} <= set(
        document["components"]["schemas"]["Report"]["properties"]
    )


def test_the_interactive_docs_need_no_other_host(service: Service) -> None:
    page = service.client.get("/docs").text

    fetched = re.findall(r"(?:src|href)=.([^'\"> ]+)", page)
    assert len(fetched) >= 2
    assert [url for url in fetched if not url.startswith("/")] == []
    assert {service.client.get(url).status_code for url in fetched} == {200}


def test_the_service_does_not_load_numerics() -> None:
    code = "import sys, service.app; print([m for m in ('torch', 'SimpleITK', 'scipy', 'nibabel') if m in sys.modules])"

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert loaded.strip() == "[]"
