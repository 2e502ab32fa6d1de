"""Our script in a real Orthanc tells of each study that is stable, signed, and of none less after any stop."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from tests.fixtures.orthanc import Orthanc
from tests.fixtures.pacs_studies import write_small_study
from tests.fixtures.ports import free_port

PLUGIN = Path("docker/orthanc/announce.py")
KEY = "whsec_" + base64.b64encode(b"a key that only this test knows!").decode()

pytestmark = pytest.mark.pacs


class Receiver:
    """Stands where msdelta listens; `status` is what it answers."""

    def __init__(self) -> None:
        self.port, self.status = free_port(), 202
        self.messages: list[dict[str, object]] = []
        self.tries = 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.tries += 1
                body = self.rfile.read(int(self.headers["Content-Length"]))
                Webhook(KEY).verify(body, dict(self.headers))
                if receiver.status < 300:
                    receiver.messages.append(json.loads(body))
                self.send_response(receiver.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def uids(self) -> set[str]:
        return {message["data"]["study_instance_uid"] for message in self.messages}


def wait_for(true: object, seconds: float = 20) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if true():
            return True
        time.sleep(0.1)
    return False


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def orthanc(tmp_path: Path, receiver: Receiver) -> Iterator[Orthanc]:
    (tmp_path / "key").write_text(KEY + "\n")
    environment = {
        "MSDELTA_WEBHOOK_URL": f"http://127.0.0.1:{receiver.port}/v1/webhooks/pacs",
        "MSDELTA_WEBHOOK_KEY_FILE": str(tmp_path / "key"),
        "MSDELTA_PACS_NAME": "main",
    }
    server = Orthanc(tmp_path / "orthanc", plugin=PLUGIN, environment=environment)
    server.start()
    yield server
    server.stop()


def test_a_stable_study_is_told_of_with_a_valid_signature(orthanc: Orthanc, receiver: Receiver, tmp_path: Path) -> None:
    orthanc.store(*write_small_study(tmp_path / "study", day=date(2024, 1, 2)))
    assert wait_for(lambda: receiver.messages)
    assert receiver.messages[0]["type"] == "study.stable"
    assert receiver.messages[0]["data"]["pacs"] == "main"


def test_a_study_is_told_of_though_the_service_was_away(orthanc: Orthanc, receiver: Receiver, tmp_path: Path) -> None:
    receiver.status = 503
    orthanc.store(*write_small_study(tmp_path / "study", day=date(2024, 1, 2)))
    assert wait_for(lambda: receiver.tries > 1)
    assert not receiver.messages
    receiver.status = 202
    assert wait_for(lambda: receiver.messages)


def test_a_kill_before_the_study_is_stable_loses_nothing(orthanc: Orthanc, receiver: Receiver, tmp_path: Path) -> None:
    first = write_small_study(tmp_path / "one", day=date(2024, 1, 2), study_key="1")
    orthanc.store(*first)
    assert wait_for(lambda: receiver.messages)
    second = write_small_study(tmp_path / "two", day=date(2024, 3, 4), study_key="2")
    orthanc.store(*second[:6])
    orthanc.kill()
    told = receiver.uids()
    orthanc.start()
    assert wait_for(lambda: len(receiver.uids() - told) == 1)
    assert len(receiver.uids()) == 2
