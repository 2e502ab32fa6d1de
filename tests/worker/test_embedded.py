"""`msdelta up` as a user runs it: real Redis, API and worker, one real job on the phantom.

A worker killed in the middle of a job costs nothing but time, a study full of names leaves no trace, bad studies
get their code while the service lives on, and the command line gives the same report.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import psutil
import pydicom
import pytest

from service.contracts.report import Report
from tests.fixtures.coarse_phantom import write_coarse_pair
from tests.fixtures.ports import free_port
from tests.fixtures.running_service import up, upload, wait_for

pytestmark = pytest.mark.slow

CANARIES = {
    "PatientName": "Zyzzyva^Canary",
    "PatientID": "CANARY-PID-7731",
    "OtherPatientIDs": "CANARY-OTHER",
    "PatientAddress": "Canarystreet 1",
    "ReferringPhysicianName": "Quagga^Canary",
    "InstitutionName": "Canary Hospital",
    "StudyDescription": "canary study text",
    "AccessionNumber": "CANARYACC",
}


@pytest.fixture(scope="module")
def canary_pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantom")
    write_coarse_pair(folder, kind="dicom")
    for path in folder.glob("*/*/*.dcm"):
        dataset = pydicom.dcmread(path)
        for name, text in CANARIES.items():
            setattr(dataset, name, text)
        dataset.save_as(path)
    return folder


@dataclass
class Finished:
    """A job whose worker was killed once, and what the service left behind."""

    report: Report
    ended: dict[str, object]
    decision: dict[str, object]
    artifacts: set[str]
    data: Path
    output: str


@pytest.fixture(scope="module")
def finished(canary_pair: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("up")
    with up(folder / "data") as running:
        studies = {
            name: upload(running.client, canary_pair / name, folder / f"{name}.zip")
            for name in ("baseline", "follow_up")
        }
        job = running.client.post("/v1/jobs", json=studies).json()["id"]
        wait_for(running, job, lambda view: view["state"] == "running" and view["stage"] == "register", 120)
        decision = running.client.post("/v1/series-selection:dry-run", json=studies, timeout=60).json()
        running.worker().kill()
        ended = wait_for(running, job, lambda view: view["state"] in ("succeeded", "failed"), 600)
        assert ended["state"] == "succeeded", ended
        artifacts = running.client.get(f"/v1/jobs/{job}/artifacts").json()["artifacts"]
        return Finished(
            report=Report.model_validate(running.client.get(f"/v1/jobs/{job}/report").json()),
            ended=ended,
            decision=decision,
            artifacts={artifact["name"] for artifact in artifacts},
            data=folder / "data",
            output=running.stop(),
        )


def test_a_killed_worker_costs_only_time(finished: Finished) -> None:
    assert finished.ended["attempt"] == 2
    assert finished.report.comparable
    assert finished.artifacts >= {
        "report.dcm",
        "follow_up_lesions.dcm",
        "baseline_lesions.dcm",
        "follow_up_lesions.nii.gz",
        "follow_up_lesion_ids.nii.gz",
        "baseline_lesions.nii.gz",
        "change.nii.gz",
        "lesions.csv",
        "report.json",
        "report.html",
        "report.pdf",
        "report_pdf.dcm",
    }
    assert [folder.name for folder in (finished.data / "jobs" / str(finished.ended["id"])).iterdir()] == ["2"]


def test_the_choice_of_series_is_told_while_a_job_runs_and_is_the_one_of_the_job(finished: Finished) -> None:
    assert finished.decision["outcome"] == "selected"
    flair = [one for one in finished.decision["studies"][1]["series"] if one["chosen_as"] == "FLAIR"]
    reported = [one.reasons for one in finished.report.follow_up.series if one.sequence == "FLAIR"]
    assert [tuple(one["flair"]["reasons"]) for one in flair] == reported


def test_the_service_leaves_no_process_behind(finished: Finished) -> None:
    assert "stopped" in finished.output
    assert not [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(finished.data) in " ".join(process.info["cmdline"] or [])
    ]


def test_names_are_in_the_uploads_and_in_dicom_results_alone(finished: Finished) -> None:
    files = [path for path in finished.data.rglob("*") if path.is_file() and "studies" not in path.parts]
    of_the_patient = {path for path in files if path.suffix == ".dcm"}  # DICOM results name whom they belong to
    outside = [path for path in files if path not in of_the_patient]
    assert {path.name for path in of_the_patient if not path.name.startswith("overlay_")} == {
        "baseline_lesions.dcm",
        "follow_up_lesions.dcm",
        "report.dcm",
        "report_pdf.dcm",
    }
    contents = b"".join(path.read_bytes() for path in outside)

    assert {path.parent.name for path in outside} >= {"logs", "data"}
    searched = finished.output.encode() + json.dumps(finished.ended).encode() + contents
    for text in [*CANARIES.values(), "Zyzzyva", "CANARY", "Canary"]:
        assert text.encode() not in searched, text


def test_the_command_line_gives_the_report_of_the_service(
    finished: Finished, canary_pair: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "worker.cli", "compare", str(canary_pair / "baseline")]
    command += [str(canary_pair / "follow_up"), "-o", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr

    report = Report.model_validate_json((tmp_path / "report.json").read_text())

    uids = {"lesions": {"__all__": {"tracking_uid"}}}
    of_the_run = {"job_id": True, "created": True, "timings_s": True, "signature": True, **uids}
    assert report.model_dump(exclude=of_the_run) == finished.report.model_dump(exclude=of_the_run)
    assert {path.name for path in tmp_path.iterdir()} == finished.artifacts


def without_a_slice(study: Path) -> None:
    slices = sorted((study / "flair").glob("*.dcm"))
    slices[len(slices) // 2].unlink()


def of_somebody_else(study: Path) -> None:
    for path in study.rglob("*.dcm"):
        dataset = pydicom.dcmread(path)
        dataset.PatientID, dataset.PatientName, dataset.PatientBirthDate = "OTHER-PID", "Other^Canary", "19500101"
        dataset.save_as(path)


def without_flair(study: Path) -> None:
    shutil.rmtree(study / "flair")


def test_bad_studies_fail_with_their_code_and_the_service_lives_on(canary_pair: Path, tmp_path: Path) -> None:
    with up(tmp_path / "data") as running:
        good = upload(running.client, canary_pair / "baseline", tmp_path / "good.zip")
        bad = {}
        for damage, code in (
            (without_a_slice, "missing_slice"),
            (of_somebody_else, "different_patients"),
            (without_flair, "missing_flair"),
        ):
            study = tmp_path / code
            shutil.copytree(canary_pair / "follow_up", study)
            damage(study)
            bad[code] = upload(running.client, study, tmp_path / f"{code}.zip")
        for array, code in (
            (np.zeros((64, 64, 64), np.int16), "empty_image"),
            (np.ones((64, 64, 64, 3), np.int16), "not_three_dimensional"),
        ):
            nib.save(nib.Nifti1Image(array, np.diag([3.0, 3.0, 3.0, 1.0])), tmp_path / "image.nii.gz")
            content = (tmp_path / "image.nii.gz").read_bytes()
            files = dict.fromkeys(("t1", "flair"), ("image.nii.gz", content))
            bad[code] = running.client.post("/v1/studies", files=files).json()["id"]
        worker = running.worker().pid

        for code, study_id in bad.items():
            job = running.client.post("/v1/jobs", json={"baseline": good, "follow_up": study_id}).json()["id"]
            ended = wait_for(running, job, lambda view: view["state"] in ("succeeded", "failed"), 120)
            assert (ended["state"], ended["error"]["code"]) == ("failed", code)  # type: ignore[index]
            assert "OTHER" not in json.dumps(ended)

        assert running.worker().pid == worker
        assert running.client.get("/readyz").status_code == 200


def test_a_second_up_on_the_same_data_is_refused_and_a_restart_remembers(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with up(data) as first:
        second = subprocess.run(
            [sys.executable, "-m", "worker.cli", "up", "--data", str(data), "--port", str(free_port())],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert (second.returncode, "dependency_unavailable" in second.stderr) == (1, True)
        key = first.client.headers["Authorization"]
    with up(data) as again:
        assert again.client.headers["Authorization"] == key
        assert again.client.get("/v1/jobs").json() == {"jobs": [], "next": None}
