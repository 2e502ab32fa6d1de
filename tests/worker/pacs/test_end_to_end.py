"""The hospital's way, with nothing replaced: storescu > Orthanc > webhook > job > results in the follow-up's study.

The baseline lies in the archive before the script runs; Orthanc stops while the job runs and starts again.
"""

import base64
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import highdicom as hd
import httpx
import pydicom
import pytest
from standardwebhooks import Webhook

from service.contracts.report import Report
from tests.fixtures.coarse_phantom import write_coarse_pair
from tests.fixtures.hospital import PDF, SC, SEG, SR, admin, artifacts_of, results_of, send, uid_of, wait
from tests.fixtures.orthanc import PASSWORD, USER, Orthanc
from tests.fixtures.ports import free_port
from tests.fixtures.running_service import up

pytestmark = [pytest.mark.pacs, pytest.mark.slow]

PLUGIN = Path("docker/orthanc/announce.py")


@dataclass
class Hospital:
    """What stands after the work is done."""

    report: Report
    artifacts: list[pydicom.Dataset]
    results: dict[str, list[pydicom.Dataset]]
    """By SOP class, of the follow-up's study in Orthanc."""
    jobs: list[dict[str, object]]
    answers: list[int]
    """Status of the message that was sent three times, and of a forged one."""
    data: Path
    slices: int


def tell(client: httpx.Client, key: str, study_uid: str, message_id: str) -> int:
    now = datetime.now(UTC)
    body = (
        f'{{"type": "study.stable", "timestamp": "{now.isoformat()}", '
        f'"data": {{"pacs": "main", "study_instance_uid": "{study_uid}"}}}}'
    )
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(key).sign(message_id, now, body),
    }
    return client.post("/v1/webhooks/pacs", content=body, headers=headers).status_code


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    folder = tmp_path_factory.mktemp("hospital")
    write_coarse_pair(folder / "pair", kind="dicom")
    key = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
    (folder / "webhook").write_text(key)
    (folder / "password").write_text(PASSWORD)
    port = free_port()
    orthanc = Orthanc(
        folder / "orthanc",
        plugin=PLUGIN,
        environment={
            "MSDELTA_WEBHOOK_URL": f"http://127.0.0.1:{port}/v1/webhooks/pacs",
            "MSDELTA_WEBHOOK_KEY_FILE": str(folder / "webhook"),
            "MSDELTA_PACS_NAME": "main",
        },
    )
    server = f"dicomweb: {orthanc.dicomweb}, username: {USER}, password_file: {folder / 'password'}"
    (folder / "site.yaml").write_text(
        f"pacs:\n  main: {{{server}, webhook_key_files: [{folder / 'webhook'}], settle_s: 2, "
        "deliver_to: [main], options: {certainty: false}}\n"
        f"destinations:\n  main: {{kind: stow, {server}}}\n"
    )
    orthanc.plugin = None  # an archive from before our script was installed
    orthanc.start()
    send(folder / "pair" / "baseline", orthanc)
    orthanc.stop()
    orthanc.plugin = PLUGIN
    orthanc.start()
    try:
        site = str(folder / "site.yaml")
        with up(folder / "data", port=port, MSDELTA_SITE_FILE=site) as running, admin(running) as client:
            yield _run(orthanc, client, folder / "pair" / "follow_up", key)
    finally:
        orthanc.stop()


def _run(orthanc: Orthanc, client: httpx.Client, follow_up: Path, key: str) -> Hospital:
    study = uid_of(follow_up)
    send(follow_up, orthanc)
    answers = [tell(client, key, study, "m-1") for _ in range(3)]
    answers.append(tell(client, "whsec_" + base64.b64encode(b"forged").decode(), study, "m-2"))
    (job,) = wait(lambda: client.get("/v1/jobs").json()["jobs"], 120, "the job")
    here = f"/v1/jobs/{job['id']}"
    orthanc.stop()
    wait(lambda: client.get(here).json()["state"] == "succeeded", 600, "its end")
    wait(lambda: client.get(f"{here}/deliveries").json()["deliveries"][0]["attempts"], 60, "a try to deliver")
    orthanc.start()
    wait(lambda: client.get(f"{here}/deliveries").json()["deliveries"][0]["state"] == "delivered", 120, "the delivery")
    return Hospital(
        report=Report.model_validate(client.get(f"{here}/report").json()),
        artifacts=artifacts_of(client, job["id"]),
        results=results_of(orthanc, study),
        jobs=client.get("/v1/jobs").json()["jobs"],
        answers=answers,
        data=orthanc.folder.parent / "data",
        slices=len(list((follow_up / "flair").glob("*.dcm"))),
    )


def test_every_kind_of_result_stands_in_the_study_of_the_follow_up(hospital: Hospital) -> None:
    assert {kind: len(found) for kind, found in hospital.results.items()} == {
        SEG: 1,
        SR: 1,
        PDF: 1,
        SC: hospital.slices,
    }


def test_what_stands_in_the_pacs_is_what_the_service_made(hospital: Hospital) -> None:
    made = {one.SOPInstanceUID: one for one in hospital.artifacts}
    for found in hospital.results.values():
        for one in found:
            assert one == made[one.SOPInstanceUID]


def test_the_objects_in_the_pacs_say_what_the_report_says(hospital: Hospital) -> None:
    rows = {row.id: row for row in hospital.report.lesions}
    assert rows
    (seg,), (sr,) = hospital.results[SEG], hospital.results[SR]
    segments = {one.SegmentLabel: str(one.TrackingUID) for one in seg.SegmentSequence}
    assert len(segments) == sum(row.follow_up_volume_mm3 > 0 for row in rows.values())
    groups = hd.sr.Comprehensive3DSR.from_dataset(sr).content.get_volumetric_roi_measurement_groups()
    assert {str(group.tracking_uid) for group in groups} >= set(segments.values())
    assert len(groups) == len(segments) + sum((row.baseline_volume_mm3 or 0) > 0 for row in rows.values())


def test_messages_sent_three_times_make_one_job_and_a_forged_one_none(hospital: Hospital) -> None:
    assert hospital.answers == [202, 202, 202, 401]
    (job,) = hospital.jobs
    assert job["baseline"] is not None


def test_no_name_is_outside_the_images_and_the_results_for_the_pacs(hospital: Hospital) -> None:
    files = [path for path in hospital.data.rglob("*") if path.is_file() and path.suffix != ".dcm"]
    assert len(files) > 10
    for path in files:
        assert b"Phantom^Head" not in path.read_bytes(), path.name
