"""Uploads and studies of the REST API."""

from pathlib import Path

import pytest

from service.contracts.api_keys import Scope
from tests.fixtures.api_service import CANARY, Service, dicom_bytes, nifti_bytes, upload, upload_pair, zipped


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
TWO_ZIPS = [("f", ("x.zip", zipped({f"{part}{n}": b"x" for n in range(30)}))) for part in "ab"]
"""Each within the limit of 50 files, together above it."""


@pytest.mark.parametrize(
    ("files", "code", "status"),
    [
        ({"z": ("x.zip", zipped({"a.dcm": dicom_bytes() * 50})[:-90])}, "truncated_archive", 422),
        ({"z": ("x.zip", zipped(BOMB))}, "archive_too_large", 413),
        ({"z": ("x.zip", zipped({f"{n}": b"" for n in range(60)}))}, "archive_too_large", 413),
        (TWO_ZIPS, "archive_too_large", 413),
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


def test_nifti_of_flair_alone_is_taken_where_the_site_allows_it(tmp_path: Path) -> None:
    service = Service(tmp_path, allow_flair_only=True)
    with service.client:
        key = service.key(Scope.SUBMIT, Scope.READ)
        answer = upload(service, key, {"flair": ("a.nii.gz", nifti_bytes())})
        refused = upload(service, key, {"t1": ("a.nii.gz", nifti_bytes())})
    service.engine.dispose()
    assert (answer.status_code, answer.json()["kind"]) == (201, "nifti")
    assert refused.json()["code"] == "missing_flair"


def test_an_upload_over_the_limit_is_refused(tmp_path: Path) -> None:
    service = Service(tmp_path, max_upload_bytes=1000)
    with service.client:
        answer = upload(service, service.key(Scope.SUBMIT), {"z": ("x", b"0" * 2000)})
    service.engine.dispose()

    assert answer.json()["code"] == "upload_too_large"


def test_a_field_that_is_not_known_is_refused(service: Service, key: dict[str, str]) -> None:
    files = {"t1": ("a.nii.gz", nifti_bytes()), "flair": ("b.nii.gz", nifti_bytes())}

    answer = upload(service, key, files, aquired="2024-05-31")

    assert (answer.json()["code"], answer.status_code) == ("invalid_request", 422)


def test_a_body_that_ends_early_is_refused(service: Service, key: dict[str, str]) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="t1"; filename="a"\r\n\r\nabc'
    headers = {**key, "Content-Type": "multipart/form-data; boundary=b"}

    answer = service.client.post("/v1/studies", headers=headers, content=body)

    assert answer.json()["code"] == "incomplete_upload"


def test_a_study_in_use_is_not_deleted(service: Service, key: dict[str, str]) -> None:
    study = upload_pair(service, key)
    job = service.client.post("/v1/jobs", headers=key, json={"follow_up": study}).json()["id"]

    assert service.client.delete(f"/v1/studies/{study}", headers=key).json()["code"] == "study_in_use"
    assert service.client.post(f"/v1/jobs/{job}/cancel", headers=key).json()["state"] == "cancelled"
    assert service.client.delete(f"/v1/studies/{study}", headers=key).status_code == 204
    assert service.client.get(f"/v1/studies/{study}", headers=key).status_code == 404
    assert not (service.folder / "studies" / study).exists()
