"""Orthanc plugin: tells msdelta, signed, of every MR study that has stopped growing.

Runs in Orthanc's Python plugin with the standard library alone. Set in Orthanc's environment:

    MSDELTA_WEBHOOK_URL        http://api:8000/v1/webhooks/pacs
    MSDELTA_WEBHOOK_KEY_FILE   a file with the signing key, whsec_...
    MSDELTA_PACS_NAME          this Orthanc's name in msdelta's site file

It follows Orthanc's journal of changes from a place that is kept in Orthanc's own database. The place never passes an
image whose study has not been told of, so that whoever stops, and whenever, nothing is lost; what is told twice,
msdelta takes once.
"""

import base64
import hashlib
import hmac
import json
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orthanc

PLACE = 4713
"""Orthanc's global property that holds the sequence number up to which everything is told."""
PAGE = 500
LONGEST_WAIT_S = 60.0
IDLE_S = 5.0
"""A stable study wakes the thread at once; this is for what no event tells of."""
REFUSED_FOR_GOOD = frozenset({413, 422})
"""Of this message, not of this sender: telling it again would change nothing."""

_wake, _stop = threading.Event(), threading.Event()


class Journal:
    """Changes since the place, and the studies with images that were not told of yet."""

    def __init__(self) -> None:
        """Begins where the last run stopped; on the very first start with the next change, not with the archive."""
        stored = orthanc.GetGlobalProperty(PLACE, "")
        self.read = int(stored) if stored else _get("/changes?last")["Last"]
        self.open: dict[str, int] = {}  # study -> sequence number of its first image that was not told of
        self._keep()

    def follow(self, tell: Callable[[str, int], None], *, starting: bool) -> None:
        """Tells of every study that became stable; at the start also of those that a stop kept from becoming so."""
        done = False
        while not done:
            page = _get(f"/changes?since={self.read}&limit={PAGE}")
            for change in page["Changes"]:
                self._take(change, tell)
            self.read = max(self.read, page["Last"])
            done = page["Done"] or not page["Changes"]
            self._keep()
        if starting:
            for study, sequence in sorted(self.open.items()):
                tell(study, sequence)
                del self.open[study]
            self._keep()

    def _take(self, change: dict[str, Any], tell: Callable[[str, int], None]) -> None:
        sequence, kind = change["Seq"], change["ChangeType"]
        if kind == "NewInstance":
            study = _study_of(change["ID"])
            if study is not None:
                self.open.setdefault(study, sequence)
        elif kind == "StableStudy":
            tell(change["ID"], sequence)
            self.open.pop(change["ID"], None)
        self.read = sequence

    def _keep(self) -> None:
        place = min([self.read, *(sequence - 1 for sequence in self.open.values())])
        orthanc.SetGlobalProperty(PLACE, str(place))


def on_change(kind: int, _level: int, _resource: str) -> None:
    """Orthanc waits for this to return: it only wakes the thread that does the work."""
    if kind == orthanc.ChangeType.ORTHANC_STARTED:
        threading.Thread(target=_run, name="msdelta", daemon=True).start()
    elif kind == orthanc.ChangeType.ORTHANC_STOPPED:
        _stop.set()
        _wake.set()
    elif kind == orthanc.ChangeType.STABLE_STUDY:
        _wake.set()


def _run() -> None:
    journal: Journal | None = None
    wait = 1.0
    while not _stop.is_set():
        try:
            starting = journal is None
            journal = journal or Journal()
            journal.follow(_tell, starting=starting)
            wait = 1.0
            _wake.wait(IDLE_S)
        except Exception as error:  # the thread must outlive whatever happens; the type says enough for a log
            orthanc.LogWarning(f"msdelta is not told yet ({type(error).__name__}), next try in {wait:.0f} s")
            journal = None
            _wake.wait(wait)
            wait = min(2 * wait, LONGEST_WAIT_S)
        _wake.clear()


def _tell(study: str, sequence: int) -> None:
    """Sends one message; raises where it did not arrive."""
    found, series = _get(f"/studies/{study}", missing=None), _get(f"/studies/{study}/series", missing=[])
    if not any(one["MainDicomTags"].get("Modality") == "MR" for one in series):
        return
    body = json.dumps(
        {
            "type": "study.stable",
            "timestamp": datetime.now(UTC).isoformat(),
            "data": {
                "pacs": os.environ["MSDELTA_PACS_NAME"],
                "study_instance_uid": found["MainDicomTags"]["StudyInstanceUID"],
            },
        }
    )
    message, now = f"{study}-{sequence}", str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "webhook-id": message,
        "webhook-timestamp": now,
        "webhook-signature": _signature(f"{message}.{now}.{body}"),
    }
    request = urllib.request.Request(os.environ["MSDELTA_WEBHOOK_URL"], body.encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=20):
            pass
    except urllib.error.HTTPError as error:
        if error.code not in REFUSED_FOR_GOOD:
            raise
        orthanc.LogWarning(f"msdelta refused a study with status {error.code}")


def _signature(content: str) -> str:
    key = base64.b64decode(Path(os.environ["MSDELTA_WEBHOOK_KEY_FILE"]).read_text().strip().removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.digest(key, content.encode(), hashlib.sha256)).decode()


def _study_of(instance: str) -> str | None:
    found = _get(f"/instances/{instance}/study", missing=None)
    return None if found is None else found["ID"]


def _get(path: str, **default: Any) -> Any:
    """What Orthanc's own REST API says; `missing` where the resource was deleted meanwhile."""
    try:
        return json.loads(orthanc.RestApiGet(path))
    except orthanc.OrthancException:
        if "missing" in default:
            return default["missing"]
        raise


orthanc.RegisterOnChangeCallback(on_change)
