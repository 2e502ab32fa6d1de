"""STOW-RS as a PACS speaks it: what is stored, what is refused, and that a study is noticed once."""

import json
import shutil
from pathlib import Path

import pytest
from pydicom import dcmread

from service.contracts.api_keys import Scope
from tests.fixtures.api_service import CANARY, Service, dicom_bytes

BOUNDARY = "a-boundary"


def dicom_of(study: str, instance: str, folder: Path) -> bytes:
    path = folder / "one.dcm"
    path.write_bytes(dicom_bytes())
    dataset = dcmread(path)
    dataset.StudyInstanceUID, dataset.SOPInstanceUID = study, instance
    dataset.file_meta.MediaStorageSOPInstanceUID = instance
    dataset.save_as(path)
    return path.read_bytes()


def body_of(*parts: bytes) -> bytes:
    head = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    return b"".join(head + part + b"\r\n" for part in parts) + f"--{BOUNDARY}--\r\n".encode()


def store(service: Service, key: dict[str, str], body: bytes, path: str = "", kind: str | None = None) -> object:
    content = kind or f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
    return service.client.post(f"/dicom-web/studies{path}", content=body, headers={**key, "Content-Type": content})


@pytest.fixture
def key(service: Service) -> dict[str, str]:
    return service.key(Scope.SUBMIT, Scope.READ)


def test_instances_are_stored_and_their_study_is_waited_for(
    service: Service, key: dict[str, str], tmp_path: Path
) -> None:
    answer = store(service, key, body_of(*(dicom_of("1.2.3", f"1.2.3.{n}", tmp_path) for n in (1, 2))))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/dicom+json"
    stored = json.loads(answer.content)["00081199"]["Value"]
    assert [one["00081155"]["Value"] for one in stored] == [["1.2.3.1"], ["1.2.3.2"]]
    arrivals = service.client.get("/v1/arrivals", headers=key).json()["arrivals"]
    assert [(one["pacs"], one["state"]) for one in arrivals] == [(None, "waiting")]
    files = sorted((tmp_path / "received").rglob("*.dcm"))
    assert len(files) == 2
    assert dcmread(files[0]).PatientName == CANARY


def test_an_instance_that_is_sent_again_replaces_itself(service: Service, key: dict[str, str], tmp_path: Path) -> None:
    for _ in range(3):
        assert store(service, key, body_of(dicom_of("1.2.3", "1.2.3.1", tmp_path))).status_code == 200
    assert len(list((tmp_path / "received").rglob("*.dcm"))) == 1
    assert len(service.client.get("/v1/arrivals", headers=key).json()["arrivals"]) == 1


def test_of_a_mixed_body_the_good_part_is_stored_and_the_rest_named(
    service: Service, key: dict[str, str], tmp_path: Path
) -> None:
    good, other = dicom_of("1.2.3", "1.2.3.1", tmp_path), dicom_of("1.9", "1.9.1", tmp_path)
    answer = store(service, key, body_of(good, b"no DICOM at all", other), "/1.2.3")
    said = json.loads(answer.content)
    assert answer.status_code == 202
    assert said["00081198"]["Value"][0]["00081197"]["Value"] == [0xA900]
    assert said["0008119A"]["Value"][0]["00081197"]["Value"] == [0xC000]
    assert len(list((tmp_path / "received").rglob("*.dcm"))) == 1


def test_a_body_with_nothing_usable_is_a_conflict(service: Service, key: dict[str, str]) -> None:
    assert store(service, key, body_of(b"nothing")).status_code == 409


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (body_of(b"x")[:-20], None, "incomplete_upload"),
        (b"plain", "application/dicom", "invalid_request"),
        (body_of(b"x"), f'multipart/related; type="application/dicom+json"; boundary={BOUNDARY}', "invalid_request"),
        (b"not a part", None, "invalid_request"),
    ],
)
def test_a_body_that_is_none_is_refused_whole(
    service: Service, key: dict[str, str], tmp_path: Path, body: bytes, kind: str | None, code: str
) -> None:
    answer = store(service, key, body, kind=kind)
    assert answer.json()["code"] == code
    shutil.rmtree(tmp_path / "received", ignore_errors=True)
    assert list((tmp_path / "incoming").iterdir()) == []


def test_a_key_without_the_scope_stores_nothing(service: Service) -> None:
    assert store(service, service.key(Scope.READ), body_of(b"x")).status_code == 403
