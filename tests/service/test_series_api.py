"""The dry run of the choice of series: the API asks, a worker's thread answers."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.contracts.api_keys import Scope
from service.contracts.blobs import BlobStore
from service.contracts.series_questions import SeriesQuestions
from tests.fixtures.api_service import CANARY, Service, upload, upload_pair, zipped
from tests.fixtures.small_studies import edit, write_dicom_study
from worker.series_answers import SeriesAnswerer

PATH = "/v1/series-selection:dry-run"


@pytest.fixture
def answering(service: Service) -> Iterator[SeriesAnswerer]:
    """A worker's thread on the service's own stores."""
    answerer = SeriesAnswerer(questions=SeriesQuestions(service.engine), blobs=BlobStore(service.folder), rules=None)
    stop = threading.Event()
    thread = threading.Thread(target=answerer.keep_answering, args=(stop,))
    thread.start()
    yield answerer
    stop.set()
    thread.join()


def upload_dicom(service: Service, key: dict[str, str], folder: Path) -> str:
    members = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.dcm"))}
    return upload(service, key, {"files": ("study.zip", zipped(members))}).json()["id"]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = write_dicom_study(tmp_path / "made")
    for path in folder.rglob("*.dcm"):
        edit(path, SeriesDescription=f"{path.parent.name} {CANARY}", ProtocolName=CANARY, StationName=CANARY)
    return folder


@pytest.mark.usefixtures("answering")
def test_the_decision_of_a_pair_says_what_is_chosen_and_why(
    service: Service, key: dict[str, str], study: Path, tmp_path: Path
) -> None:
    first, second = (upload_dicom(service, key, study) for _ in range(2))

    answer = service.client.post(PATH, headers=key, json={"follow_up": second, "baseline": first})

    decision = answer.json()
    assert answer.status_code == 200
    assert decision["outcome"] == "selected"
    assert [one["time_point"] for one in decision["studies"]] == ["baseline", "follow_up"]
    for one in decision["studies"]:
        assert {series["number"]: series["chosen_as"] for series in one["series"]} == {2: "T1", 3: "FLAIR"}
    flair = decision["studies"][1]["series"][1]
    assert "fluid suppressed" in flair["flair"]["reasons"][0]
    assert flair["t1"]["against"] == "echo too long for a T1"
    assert [(one["sequence"], one["score"] > 0.8) for one in decision["likeness"]] == [("T1", True), ("FLAIR", True)]
    assert CANARY.split("^")[0].lower() not in answer.text.lower()
    assert service.client.get("/v1/jobs", headers=key).json()["jobs"] == []
    assert SeriesQuestions(service.engine).take() is None


@pytest.mark.usefixtures("answering")
def test_a_study_without_flair_and_nifti_studies_are_answers_too(
    service: Service, key: dict[str, str], study: Path
) -> None:
    for path in (study / "flair").iterdir():
        path.unlink()
    missing = service.client.post(PATH, headers=key, json={"follow_up": upload_dicom(service, key, study)}).json()
    assert (missing["outcome"], missing["likeness"]) == ("missing_flair", [])
    assert missing["message"].startswith("saw 1 series")

    named = service.client.post(PATH, headers=key, json={"follow_up": upload_pair(service, key)}).json()
    assert named["outcome"] == "selected"
    assert {series["chosen_as"] for series in named["studies"][0]["series"]} == {"T1", "FLAIR"}


@pytest.mark.usefixtures("answering")
def test_what_cannot_be_read_is_refused_under_its_code(service: Service, key: dict[str, str], study: Path) -> None:
    stored = upload_dicom(service, key, study)
    for path in BlobStore(service.folder).study_folder(stored).iterdir():
        path.write_bytes(path.read_bytes()[:600])

    answer = service.client.post(PATH, headers=key, json={"follow_up": stored})

    assert (answer.status_code, answer.json()["code"]) == (422, "corrupt_image")


def test_a_site_file_with_a_wrong_key_is_named(service: Service, key: dict[str, str], tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text("thresholds: {least: 1}")
    questions = SeriesQuestions(service.engine)
    asked = questions.ask(baseline=None, follow_up=upload_pair(service, key))
    assert SeriesAnswerer(questions=questions, blobs=BlobStore(service.folder), rules=site).answer_next()
    with pytest.raises(Exception, match=r"thresholds\.least: unknown key"):
        questions.fetch(asked)


def test_without_a_worker_the_answer_is_to_try_again(tmp_path: Path) -> None:
    service = Service(tmp_path, series_answer_s=0.3)
    with service.client:
        key = service.key(Scope.SUBMIT, Scope.READ)
        answer = service.client.post(PATH, headers=key, json={"follow_up": upload_pair(service, key)})
    assert (answer.status_code, answer.json()["code"]) == (503, "dependency_unavailable")
    assert answer.json()["retryable"] is True
    assert SeriesQuestions(service.engine).take() is None
    service.engine.dispose()


def test_other_peoples_studies_and_keys_without_the_scope_are_refused(service: Service, key: dict[str, str]) -> None:
    mine = upload_pair(service, key)
    other = service.client.post(PATH, headers=service.key(Scope.SUBMIT), json={"follow_up": mine})
    assert (other.status_code, other.json()["code"]) == (404, "study_not_found")
    baseline = service.client.post(PATH, headers=key, json={"follow_up": mine, "baseline": "none"})
    assert (baseline.status_code, baseline.json()["code"]) == (404, "study_not_found")
    reader = service.client.post(PATH, headers=service.key(Scope.READ), json={"follow_up": mine})
    assert (reader.status_code, reader.json()["code"]) == (403, "forbidden")
    assert service.client.post(PATH, headers=key, json={"studies": [mine]}).status_code == 422
