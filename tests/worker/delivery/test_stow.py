"""STOW-RS to a real Orthanc, and to a server that answers as Orthanc cannot be made to."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest

from service.contracts.delivery_errors import (
    CredentialsRefused,
    DeliveryUnproven,
    ObjectNotUnderstood,
    ObjectRefused,
    ReceiverBusy,
    ReceiverNotTrusted,
    ReceiverRefused,
    ReceiverTimedOut,
    ReceiverUnreachable,
)
from service.contracts.input_errors import InvalidOption
from service.contracts.site import StowDestination
from tests.fixtures.odd_dicomweb import OddServer
from tests.fixtures.orthanc import PASSWORD, USER, Orthanc
from tests.fixtures.result_objects import write_result
from worker.delivery.destinations import probe, send
from worker.delivery.stow import REQUEST_OBJECTS
from worker.reports.dicom_objects import ResultObject, result_objects

pytestmark = pytest.mark.pacs


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> tuple[ResultObject, ...]:
    return result_objects(write_result(tmp_path_factory.mktemp("result") / "1", overlays=REQUEST_OBJECTS + 10))


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    made = Orthanc(tmp_path_factory.mktemp("orthanc")).start()
    yield made
    made.stop()


def destination(url: str, folder: Path, password: str = PASSWORD, **changes: object) -> StowDestination:
    secret = folder / "password"
    secret.write_text(password + "\n")
    values = {"kind": "stow", "dicomweb": url, "username": USER, "password_file": secret, "timeout_s": 5, **changes}
    return StowDestination.model_validate(values)


def uids(objects: tuple[ResultObject, ...]) -> set[str]:
    return {str(pydicom.dcmread(one.path, stop_before_pixels=True).SOPInstanceUID) for one in objects}


def test_every_object_arrives_once_however_often_it_is_sent(
    objects: tuple[ResultObject, ...], orthanc: Orthanc, tmp_path: Path
) -> None:
    for _ in range(2):
        send(objects, destination(orthanc.dicomweb + "/", tmp_path))

    stored = orthanc.instances()
    assert {one["MainDicomTags"]["SOPInstanceUID"] for one in stored} == uids(objects)
    assert len(stored) == len(objects) == REQUEST_OBJECTS + 13


def test_wrong_credentials_are_for_a_person_to_mend(
    objects: tuple[ResultObject, ...], orthanc: Orthanc, tmp_path: Path
) -> None:
    wrong = destination(orthanc.dicomweb, tmp_path, password="another")

    for call in (lambda: send(objects, wrong), lambda: probe(wrong)):
        with pytest.raises(CredentialsRefused, match="saw 401") as refused:
            call()
        assert not refused.value.retryable
        assert "another" not in str(refused.value)


def test_a_search_tells_what_was_seen(orthanc: Orthanc, tmp_path: Path) -> None:
    assert probe(destination(orthanc.dicomweb, tmp_path)).startswith("QIDO-RS answered with")


def test_a_server_that_is_away_is_unreachable_and_its_name_stays_out_of_the_message(
    objects: tuple[ResultObject, ...], tmp_path: Path
) -> None:
    with pytest.raises(ReceiverUnreachable) as failed:
        send(objects, destination("http://127.0.0.1:9/dicom-web", tmp_path))

    assert failed.value.retryable
    assert "127.0.0.1" not in str(failed.value)


def test_a_secret_that_is_not_there_is_named_as_such(objects: tuple[ResultObject, ...], tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="secret file"):
        send(objects, destination("http://127.0.0.1:9", tmp_path, password_file=tmp_path / "nothing"))


@pytest.fixture
def odd() -> Iterator[OddServer]:
    made = OddServer()
    yield made
    made.close()


def answer(stored: list[str], failed: dict[str, int] | None = None, *, warned: int | None = None) -> bytes:
    """A Store Instances Response (PS3.18 Table 10.5.3-2)."""

    def item(uid: str, tag: str | None = None, value: int = 0) -> dict[str, object]:
        made: dict[str, object] = {"00081155": {"vr": "UI", "Value": [uid]}}
        return made if tag is None else {**made, tag: {"vr": "US", "Value": [value]}}

    listed = [item(uid, None if warned is None else "00081196", warned or 0) for uid in stored]
    document: dict[str, object] = {"00081199": {"vr": "SQ", "Value": listed}}
    if failed:
        refused = [item(uid, "00081197", code) for uid, code in failed.items()]
        document["00081198"] = {"vr": "SQ", "Value": refused}
    return json.dumps(document).encode()


def one_of(objects: tuple[ResultObject, ...]) -> tuple[tuple[ResultObject, ...], str]:
    """The segmentation alone, and its UID."""
    return objects[:1], uids(objects[:1]).pop()


@pytest.mark.parametrize("kind", ["application/dicom+json", "application/json; charset=utf-8", "text/plain"])
def test_an_answer_that_names_every_object_is_proof_in_whatever_dress(
    objects: tuple[ResultObject, ...], odd: OddServer, tmp_path: Path, kind: str
) -> None:
    seg, uid = one_of(objects)
    odd.kind, odd.body = kind, answer([uid], warned=0xB000)
    odd.listed = {uid} if kind == "text/plain" else set()

    send(seg, destination(odd.url, tmp_path))

    assert odd.hosts == [f"127.0.0.1:{odd.server.server_port}"]


@pytest.mark.parametrize(
    ("status", "reason", "failure"),
    [
        (202, 0xA700, ReceiverBusy),
        (409, 0xA900, ObjectRefused),
        (409, 0xC000, ObjectNotUnderstood),
        (202, 0x0110, ObjectNotUnderstood),
        (409, 0x0111, None),
    ],
)
def test_the_reason_of_a_failed_object_is_believed(
    objects: tuple[ResultObject, ...],
    odd: OddServer,
    tmp_path: Path,
    status: int,
    reason: int,
    failure: type[Exception] | None,
) -> None:
    seg, uid = one_of(objects)
    odd.status, odd.body = status, answer([], {uid: reason})

    if failure is None:
        send(seg, destination(odd.url, tmp_path))
    else:
        with pytest.raises(failure, match=f"saw status {reason:04X} for one of kind seg"):
            send(seg, destination(odd.url, tmp_path))


def test_what_an_answer_does_not_name_must_be_listed_by_the_server(
    objects: tuple[ResultObject, ...], odd: OddServer, tmp_path: Path
) -> None:
    seg, uid = one_of(objects)
    with pytest.raises(DeliveryUnproven, match="expected 1 objects to be confirmed, saw 0"):
        send(seg, destination(odd.url, tmp_path))
    odd.listed = {uid}

    send(seg, destination(odd.url, tmp_path))


@pytest.mark.parametrize(
    ("status", "failure", "retryable"),
    [
        (401, CredentialsRefused, False),
        (403, CredentialsRefused, False),
        (404, ReceiverRefused, False),
        (413, ReceiverRefused, False),
        (302, ReceiverRefused, False),
        (409, ReceiverRefused, False),
        (429, ReceiverBusy, True),
        (500, ReceiverBusy, True),
        (503, ReceiverBusy, True),
    ],
)
def test_every_refusal_has_its_name(
    objects: tuple[ResultObject, ...], odd: OddServer, tmp_path: Path, status: int, failure: type, *, retryable: bool
) -> None:
    odd.status = status

    with pytest.raises(failure) as failed:
        send(one_of(objects)[0], destination(odd.url, tmp_path))

    assert failed.value.retryable is retryable
    assert len(odd.logins) == 1


def test_silence_is_a_timeout(objects: tuple[ResultObject, ...], odd: OddServer, tmp_path: Path) -> None:
    odd.wait_s = 1.5

    with pytest.raises(ReceiverTimedOut):
        send(one_of(objects)[0], destination(odd.url, tmp_path, timeout_s=0.5))


def test_a_bearer_token_is_read_from_its_file(
    objects: tuple[ResultObject, ...], odd: OddServer, tmp_path: Path
) -> None:
    seg, uid = one_of(objects)
    odd.body = answer([uid])
    token = tmp_path / "token"
    token.write_text("abc\n")

    send(seg, destination(odd.url, tmp_path, username=None, bearer_token_file=token))

    assert odd.logins == ["Bearer abc"]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_a_certificate_is_trusted_where_the_site_says_so_alone(
    objects: tuple[ResultObject, ...], odd: OddServer, tmp_path: Path
) -> None:
    seg, uid = one_of(objects)
    odd.body = answer([uid])
    certificate, url = odd.speak_tls(tmp_path), odd.url.replace("http:", "https:")

    with pytest.raises(ReceiverNotTrusted) as refused:
        send(seg, destination(url, tmp_path))
    send(seg, destination(url, tmp_path, certificate_file=certificate))

    assert not refused.value.retryable
    assert len(odd.logins) == 1
