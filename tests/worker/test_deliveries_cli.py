"""`msdelta deliveries` as an operator types it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from service.contracts.database import migrate, open_database
from service.contracts.deliveries import DeliveryKind, DeliveryState, Receiver, RetryPolicy
from service.contracts.delivery_store import DeliveryStore
from service.contracts.errors import DeliveryNotFound, IllegalTransition, UnknownDestination
from service.contracts.input_errors import InvalidOption
from service.contracts.job_store import JobStore, NewJob
from service.contracts.jobs import JobEvent
from tests.fixtures.orthanc import PASSWORD, USER, Orthanc
from tests.fixtures.storescp import StoreScp
from worker.cli import cli

POLICY = RetryPolicy(attempts=3, first_wait_s=10, longest_wait_s=60)


class Desk:
    """An operator's shell over one job store with a succeeded job."""

    def __init__(self, folder: Path) -> None:
        url = f"sqlite:///{folder / 'jobs.sqlite'}"
        self.environment = {
            "MSDELTA_DATA_FOLDER": str(folder),
            "MSDELTA_DATABASE_URL": url,
            "MSDELTA_SITE_FILE": str(folder / "site.yaml"),
        }
        self.site = folder / "site.yaml"
        self.site.write_text("destinations: {archive: {kind: dimse, host: 10.1.2.3, port: 104, ae_title: ARCHIVE}}\n")
        engine = open_database(url)
        migrate(engine)
        self.jobs, self.store = JobStore(engine), DeliveryStore(engine)
        self.job = self.ended(JobEvent.SUCCEED)

    def ended(self, event: JobEvent) -> str:
        new = NewJob(
            follow_up="f", baseline=None, options={}, callback_url="https://example.org/x", owner="k",
            idempotency_key=None, request_digest="d", deliver_to=("main",),
        )  # fmt: skip
        job, _ = self.jobs.create(new)
        lease = self.jobs.claim(job.id, lease_s=60)
        assert lease is not None
        self.jobs.finish(lease, event)
        return job.id

    def kill(self) -> str:
        """The id of the delivery to main, now dead."""
        delivery = self.store.take(Receiver(kind=DeliveryKind.DICOM, target="main"), policy=POLICY, lease_s=60)
        assert delivery is not None
        self.store.failed(delivery, "association_rejected", wait_s=None)
        return delivery.id

    def types(self, *words: str) -> Result:
        return CliRunner().invoke(cli, ["deliveries", *words], env=self.environment)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_the_list_shows_the_dead_with_their_code_and_no_address(desk: Desk) -> None:
    dead = desk.kill()

    every, lines = desk.types("list").output, desk.types("list", "--state", "dead", "--json").output.splitlines()

    assert len(every.splitlines()) == 2
    assert "association_rejected" in every
    assert "example.org" not in every
    (row,) = map(json.loads, lines)
    assert (row["id"], row["destination"], row["state"], row["job_id"]) == (dead, "main", "dead", desk.job)
    assert not {"target", "lease_token"} & set(row)


@pytest.mark.parametrize("by", ["id", "--dead", "--job"])
def test_dead_deliveries_are_due_again_after_a_replay(desk: Desk, by: str) -> None:
    dead = desk.kill()
    words = {"id": [dead], "--dead": ["--dead"], "--job": ["--job", desk.job]}[by]

    answer = desk.types("replay", *words)

    assert (answer.exit_code, answer.output) == (0, f"deliveries due now: {2 if by == '--job' else 1}\n")
    assert desk.store.get(dead).state is DeliveryState.PENDING
    assert Receiver(kind=DeliveryKind.DICOM, target="main") in desk.store.receivers_due()


def test_a_result_is_sent_to_a_further_destination_and_there_once(desk: Desk) -> None:
    first = desk.types("replay", "--job", desk.job, "--to", "archive")
    second = desk.types("replay", "--job", desk.job, "--to", "archive")

    assert first.output.startswith("noted: delivery ")
    assert second.output == first.output
    assert sorted(one.target for one in desk.store.find(job_id=desk.job)) == [
        "archive",
        "https://example.org/x",
        "main",
    ]


def test_what_cannot_be_replayed_is_refused_by_name(desk: Desk) -> None:
    failed = desk.ended(JobEvent.FAIL)

    for words, refusal in (
        (("replay",), InvalidOption),
        (("replay", "--to", "archive"), InvalidOption),
        (("replay", "nothing"), DeliveryNotFound),
        (("replay", "--job", desk.job, "--to", "nowhere"), UnknownDestination),
        (("replay", "--job", failed, "--to", "archive"), IllegalTransition),
        (("test", "nowhere"), UnknownDestination),
    ):
        assert isinstance(desk.types(*words).exception, refusal), words


@pytest.mark.pacs
def test_a_destination_is_asked_whether_it_answers(desk: Desk, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(PASSWORD)
    orthanc = Orthanc(tmp_path / "orthanc")
    with StoreScp(tmp_path / "scp") as scp:
        desk.site.write_text(
            f"destinations:\n"
            f"  archive: {{kind: dimse, host: 127.0.0.1, port: {scp.port}, ae_title: ARCHIVE}}\n"
            f"  main: {{kind: stow, dicomweb: '{orthanc.dicomweb}', username: {USER}, password_file: {secret}}}\n"
        )
        try:
            orthanc.start()
            answers = [desk.types("test", name).output for name in ("archive", "main")]
        finally:
            orthanc.stop()

    assert answers == ["archive: C-ECHO answered with status 0000\n", "main: QIDO-RS answered with no study\n"]
