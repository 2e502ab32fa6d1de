"""A PACS that pushes: an Orthanc sends both studies by STOW-RS, and finds the results in the follow-up's study.

The studies are FLAIR alone, which the site allows.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import highdicom as hd
import httpx
import pydicom
import pytest

from service.contracts.report import Report
from tests.fixtures.coarse_phantom import write_coarse_pair
from tests.fixtures.hospital import PDF, SC, SEG, SR, admin, artifacts_of, results_of, send, uid_of, wait
from tests.fixtures.orthanc import PASSWORD, USER, Orthanc
from tests.fixtures.running_service import up

pytestmark = [pytest.mark.pacs, pytest.mark.slow]


@dataclass
class Pushed:
    report: Report
    jobs: list[dict[str, object]]
    arrivals: list[dict[str, object]]
    made: list[pydicom.Dataset]
    results: dict[str, list[pydicom.Dataset]]
    slices: int


def push(orthanc: Orthanc, service: httpx.Client, study_uid: str) -> None:
    """By Orthanc's own STOW-RS client."""
    server = {
        "Url": f"{service.base_url}/dicom-web/",
        "HttpHeaders": {"Authorization": service.headers["authorization"]},
    }
    with orthanc.client() as client:
        client.put("/dicom-web/servers/msdelta", json=server).raise_for_status()
        query = {"Level": "Study", "Query": {"StudyInstanceUID": study_uid}}
        (study,) = client.post("/tools/find", json=query).json()
        body = {"Resources": [study], "Synchronous": True}
        client.post("/dicom-web/servers/msdelta/stow", json=body, timeout=120).raise_for_status()


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pushed]:
    folder = tmp_path_factory.mktemp("pushed")
    pair = folder / "pair"
    write_coarse_pair(pair, kind="dicom")
    (folder / "password").write_text(PASSWORD)
    orthanc = Orthanc(folder / "orthanc").start()
    (folder / "site.yaml").write_text(
        "received: {settle_s: 5, deliver_to: [main], options: {certainty: false, missing_t1: flair_only}}\n"
        f"destinations:\n  main: {{kind: stow, dicomweb: {orthanc.dicomweb}, username: {USER}, "
        f"password_file: {folder / 'password'}}}\n"
    )
    site = str(folder / "site.yaml")
    try:
        for study in ("baseline", "follow_up"):
            send(pair / study / "flair", orthanc)
        with (
            up(folder / "data", MSDELTA_SITE_FILE=site, MSDELTA_ALLOW_FLAIR_ONLY="1") as running,
            admin(running) as client,
        ):
            for study in ("follow_up", "baseline"):  # the order of the pushes is not that of the visits
                push(orthanc, client, uid_of(pair / study))
            yield _run(orthanc, client, uid_of(pair / "follow_up"), len(list((pair / "follow_up/flair").glob("*.dcm"))))
    finally:
        orthanc.stop()


def _run(orthanc: Orthanc, client: httpx.Client, study: str, slices: int) -> Pushed:
    jobs = lambda: client.get("/v1/jobs").json()["jobs"]  # noqa: E731
    (job,) = wait(lambda: [one for one in jobs() if one["baseline"]], 120, "the comparison")
    here = f"/v1/jobs/{job['id']}"
    wait(lambda: client.get(here).json()["state"] == "succeeded", 600, "its end")
    wait(lambda: client.get(f"{here}/deliveries").json()["deliveries"][0]["state"] == "delivered", 120, "the delivery")
    arrivals = lambda: client.get("/v1/arrivals").json()["arrivals"]  # noqa: E731
    wait(lambda: {one["state"] for one in arrivals()} == {"taken"}, 60, "both arrivals")
    return Pushed(
        report=Report.model_validate(client.get(f"{here}/report").json()),
        jobs=jobs(),
        arrivals=arrivals(),
        made=artifacts_of(client, job["id"]),
        results=results_of(orthanc, study),
        slices=slices,
    )


def test_the_pair_makes_one_comparison_and_the_baseline_a_job_of_its_own(pushed: Pushed) -> None:
    assert sorted(one["baseline"] is not None for one in pushed.jobs) == [False, True]
    assert {one["job"] for one in pushed.arrivals} == {one["id"] for one in pushed.jobs}
    assert pushed.report.mode == "longitudinal"
    assert pushed.report.comparable
    assert pushed.report.lesions
    assert [reason.code for reason in pushed.report.reasons if reason.code == "no_t1"] == ["no_t1"]


def test_every_kind_of_result_stands_in_the_study_of_the_follow_up_as_it_was_made(pushed: Pushed) -> None:
    counts = {kind: len(found) for kind, found in pushed.results.items()}
    assert counts == {SEG: 1, SR: 1, PDF: 1, SC: pushed.slices}
    made = {one.SOPInstanceUID: one for one in pushed.made}
    for found in pushed.results.values():
        for one in found:
            assert one == made[one.SOPInstanceUID]


def test_the_objects_have_the_lesions_of_the_report(pushed: Pushed) -> None:
    (seg,), (sr,) = pushed.results[SEG], pushed.results[SR]
    rows = pushed.report.lesions
    there = {row.tracking_uid for row in rows if row.follow_up_volume_mm3 > 0}
    assert sorted(str(one.TrackingUID) for one in seg.SegmentSequence) == sorted(there)
    assert len({one.SegmentLabel for one in seg.SegmentSequence}) == len(there)
    groups = hd.sr.Comprehensive3DSR.from_dataset(sr).content.get_volumetric_roi_measurement_groups()
    assert {str(group.tracking_uid) for group in groups} == {row.tracking_uid for row in rows}
