"""C-STORE to dcmtk's storescp: each object confirmed, each refusal by its name."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless
from pynetdicom import AE, evt
from pynetdicom.presentation import AllStoragePresentationContexts

from service.contracts.delivery_errors import (
    AssociationAborted,
    AssociationRejected,
    ObjectNotUnderstood,
    ObjectRefused,
    ReceiverBusy,
    ReceiverTimedOut,
    ReceiverUnreachable,
    SopClassNotAccepted,
)
from service.contracts.site import DimseDestination
from tests.fixtures.ports import free_port
from tests.fixtures.result_objects import write_result
from tests.fixtures.storescp import StoreScp
from worker.delivery.destinations import probe, send
from worker.reports.dicom_objects import ResultObject, result_objects

pytestmark = [
    pytest.mark.pacs,
    # pynetdicom leaves the socket of a refused connection to the garbage collector
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> tuple[ResultObject, ...]:
    return result_objects(write_result(tmp_path_factory.mktemp("result") / "1"))


@pytest.fixture
def scp(tmp_path: Path) -> Iterator[Callable[..., StoreScp]]:
    made: list[StoreScp] = []

    def start(*options: str) -> StoreScp:
        made.append(StoreScp(tmp_path / f"scp{len(made)}", *options).start())
        return made[-1]

    yield start
    for one in made:
        one.stop()


def uids(paths: list[Path]) -> set[str]:
    return {str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in paths}


def test_every_object_arrives_once_however_often_it_is_sent(
    objects: tuple[ResultObject, ...], scp: Callable[..., StoreScp]
) -> None:
    receiver = scp()

    for _ in range(2):
        send(objects, receiver.destination())

    assert len(objects) == 6
    assert uids(receiver.files()) == uids([one.path for one in objects])
    assert len(receiver.files()) == len(objects)


def test_a_receiver_of_the_default_transfer_syntax_alone_gets_the_same_content(
    objects: tuple[ResultObject, ...], scp: Callable[..., StoreScp]
) -> None:
    receiver = scp("+xi")

    send(objects, receiver.destination())

    assert len(receiver.files()) == len(objects)
    sent = {pydicom.dcmread(one.path).SOPInstanceUID: pydicom.dcmread(one.path) for one in objects}
    for path in receiver.files():
        got = pydicom.dcmread(path)
        assert got.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
        assert [(one.tag, one.value) for one in got] == [(one.tag, one.value) for one in sent[got.SOPInstanceUID]]


def test_a_compression_that_the_receiver_does_not_take_is_undone(
    objects: tuple[ResultObject, ...], scp: Callable[..., StoreScp], tmp_path: Path
) -> None:
    (tmp_path / "packed").mkdir()
    whole = pydicom.dcmread(objects[-1].path)
    packed = pydicom.dcmread(objects[-1].path)
    packed.compress(RLELossless, generate_instance_uid=False)
    packed.save_as(tmp_path / "packed" / "one.dcm", enforce_file_format=True)
    plain, taking = scp(), scp("+xr")

    for receiver in (plain, taking):
        send(result_objects(tmp_path / "packed"), receiver.destination())

    (undone,), (kept,) = (map(pydicom.dcmread, receiver.files()) for receiver in (plain, taking))
    assert undone.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert kept.file_meta.TransferSyntaxUID == RLELossless
    for got in (undone, kept):
        assert got.SOPInstanceUID == whole.SOPInstanceUID
        assert (got.pixel_array == whole.pixel_array).all()


@pytest.mark.parametrize(
    ("options", "failure", "text"),
    [
        (("--abort-after",), AssociationAborted, "saw the association end"),
        (("--abort-during",), AssociationAborted, "saw the association end"),
    ],
)
def test_a_receiver_that_breaks_off_is_named(
    objects: tuple[ResultObject, ...], scp: Callable[..., StoreScp], options: tuple[str, ...], failure: type, text: str
) -> None:
    with pytest.raises(failure, match=text):
        send(objects, scp(*options).destination())


def test_a_receiver_that_knows_us_under_another_title_rejects_for_good(objects: tuple[ResultObject, ...]) -> None:
    """Not storescp: it closes the connection at once after its rejection, which then may never be read."""
    with receiver(lambda _: 0) as known:
        stranger = known.model_copy(update={"ae_title": "SOMEBODY"})
        with pytest.raises(AssociationRejected, match="saw a rejection, source 1, reason 7"):
            send(objects, stranger)


def test_nobody_who_listens_is_unreachable(objects: tuple[ResultObject, ...], scp: Callable[..., StoreScp]) -> None:
    receiver = scp()
    receiver.stop()

    with pytest.raises(ReceiverUnreachable):
        send(objects, receiver.destination())
    with pytest.raises(ReceiverUnreachable):
        probe(receiver.destination())


def test_a_receiver_that_takes_the_connection_and_says_nothing_times_out(objects: tuple[ResultObject, ...]) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        silence = DimseDestination(kind="dimse", host="127.0.0.1", port=port, ae_title="SILENT", timeout_s=1)

        with pytest.raises(ReceiverTimedOut, match="within 1 s"):
            send(objects, silence)


def test_echo_tells_what_was_seen(scp: Callable[..., StoreScp]) -> None:
    assert probe(scp().destination()) == "C-ECHO answered with status 0000"


STATUSES = [
    (0x0000, None),
    (0xB000, None),
    (0x0111, None),
    (0xA700, ReceiverBusy),
    (0xA900, ObjectRefused),
    (0xC001, ObjectNotUnderstood),
    (0x0110, ObjectNotUnderstood),
    (0x0122, ObjectRefused),
]


@pytest.mark.parametrize(("status", "failure"), STATUSES)
def test_the_status_of_an_object_is_believed(
    objects: tuple[ResultObject, ...], status: int, failure: type[Exception] | None
) -> None:
    """storescp cannot be told its status: pynetdicom's own receiver is, over a real association."""
    answered: list[int] = []

    def answer(_: evt.Event) -> int:
        answered.append(status)
        return status

    with receiver(answer) as destination:
        if failure is None:
            send(objects, destination)
            assert len(answered) == len(objects)
        else:
            with pytest.raises(failure, match=f"saw status {status:04X} for one of kind seg"):
                send(objects, destination)


def test_a_receiver_that_does_not_take_the_class_gets_nothing(objects: tuple[ResultObject, ...]) -> None:
    got: list[str] = []

    def answer(event: evt.Event) -> int:
        got.append(str(event.request.AffectedSOPInstanceUID))
        return 0

    no_seg = [one for one in AllStoragePresentationContexts if "66.4" not in str(one.abstract_syntax)]
    with (
        receiver(answer, contexts=no_seg) as destination,
        pytest.raises(SopClassNotAccepted, match="kind seg"),
    ):
        send(objects, destination)
    assert got == []


class receiver:  # noqa: N801 (a context manager)
    def __init__(self, answer: Callable[[evt.Event], int], *, contexts: list[object] | None = None) -> None:
        self.entity = AE(ae_title="ARCHIVE")
        self.entity.supported_contexts = contexts or AllStoragePresentationContexts
        self.entity.require_called_aet = True
        self.port, self.answer = free_port(), answer

    def __enter__(self) -> DimseDestination:
        self.server = self.entity.start_server(
            ("127.0.0.1", self.port), block=False, evt_handlers=[(evt.EVT_C_STORE, self.answer)]
        )
        return DimseDestination(kind="dimse", host="127.0.0.1", port=self.port, ae_title="ARCHIVE", timeout_s=5)

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
