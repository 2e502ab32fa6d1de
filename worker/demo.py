"""`make demo`: the main job through the REST API, on a phantom with known truth or on the user's own studies."""

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from service.contracts.blobs import COMMIT_FILE
from service.contracts.nifti_names import sequence_of
from service.contracts.report import Report

OUT = Path("demo")
NEAR_MM = 5.0
"""A reported lesion whose centre lies this near to a true one is taken for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueLesion:
    """What the phantom holds."""

    id: int
    status: str
    baseline_mm3: float
    follow_up_mm3: float
    centre: tuple[float, float, float]


def main() -> None:
    """Runs the demo; the exit status is not 0 when the job did not succeed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--baseline", type=Path)
    parser.add_argument("--follow-up", type=Path)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    console = Console(highlight=False, soft_wrap=True)
    out: Path = arguments.out
    out.mkdir(exist_ok=True)
    truth: list[TrueLesion] = []
    baseline, follow_up = arguments.baseline, arguments.follow_up
    if follow_up is None:
        console.print("Making a phantom pair with known lesions (DICOM) ...")
        truth = _phantom(out / "phantom")
        baseline, follow_up = out / "phantom" / "baseline", out / "phantom" / "follow_up"
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(_service(out, console))
        report = _run(client, baseline, follow_up, out / "results", console)
    _show(report, truth, console)
    console.print(f"\nReport: {(out / 'results' / 'report.html').resolve()}")


def _phantom(folder: Path) -> list[TrueLesion]:
    from worker.phantom_files import write_phantom_pair  # noqa: PLC0415 (SimpleITK, only when it is needed)

    truth = write_phantom_pair(folder, kind="dicom")
    return [
        TrueLesion(
            id=lesion.id,
            status=str(lesion.status),
            baseline_mm3=lesion.baseline_volume_mm3,
            follow_up_mm3=lesion.follow_up_volume_mm3,
            centre=lesion.follow_up_centroid_mm,
        )
        for lesion in truth.lesions
    ]


@contextlib.contextmanager
def _service(out: Path, console: Console) -> Iterator[httpx.Client]:
    """A client of the service at MSDELTA_URL (with MSDELTA_API_KEY), or of one started for the demo."""
    url, key = os.environ.get("MSDELTA_URL"), os.environ.get("MSDELTA_API_KEY")
    if url and key:
        with _client(url, key) as client:
            yield client
        return
    data, port = (out / "service").resolve(), _free_port()
    command = [sys.executable, "-m", "worker.cli", "up", "--data", str(data), "--port", str(port)]
    console.print("Starting Redis, API and worker: msdelta up ...")
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)  # noqa: S603
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_ready(url, process)
        with _client(url, (data / "api-key.txt").read_text().strip()) as client:
            yield client
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def _client(url: str, key: str) -> httpx.Client:
    timeout = httpx.Timeout(60, read=3600)
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=timeout, trust_env=False)


def _wait_ready(url: str, process: subprocess.Popen[str], patience_s: float = 90) -> None:
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        if process.poll() is not None:
            raise SystemExit(f"msdelta up ended: {process.stderr.read() if process.stderr else ''}")
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{url}/readyz", trust_env=False).status_code == 200:
                return
        time.sleep(0.3)
    raise SystemExit("msdelta up did not become ready; see demo/service/logs")


def _run(client: httpx.Client, baseline: Path | None, follow_up: Path, results: Path, console: Console) -> Report:
    request: dict[str, Any] = {"follow_up": _upload(client, follow_up, "follow-up", console)}
    if baseline is not None:
        request["baseline"] = _upload(client, baseline, "baseline", console)
    job = _checked(client.post("/v1/jobs", json=request)).json()
    _watch(client, job["links"]["events"])
    ended = _checked(client.get(job["links"]["self"])).json()
    if ended["state"] != "succeeded":
        error = ended["error"] or {"code": ended["state"], "detail": ""}
        raise SystemExit(f"the job {ended['state']}: {error['code']}: {error['detail']}")
    results.mkdir(parents=True, exist_ok=True)
    for artifact in _checked(client.get(job["links"]["artifacts"])).json()["artifacts"]:
        with client.stream("GET", artifact["href"]) as response, (results / artifact["name"]).open("wb") as file:
            for chunk in response.iter_bytes():
                file.write(chunk)
    return Report.model_validate_json((results / COMMIT_FILE).read_text())


def _upload(client: httpx.Client, study: Path, name: str, console: Console) -> str:
    """The id of the stored study: DICOM as one zip, NIfTI in the fields t1 and flair."""
    found = {sequence_of(path.name): path for path in sorted(study.rglob("*.nii*")) if sequence_of(path.name)}
    files: dict[str, Any]
    with contextlib.ExitStack() as stack:
        if found:
            files = {str(s): ("image.nii.gz", stack.enter_context(path.open("rb"))) for s, path in found.items()}
        else:
            archive = stack.enter_context(tempfile.TemporaryFile())
            with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as packed:
                for number, path in enumerate(p for p in sorted(study.rglob("*")) if p.is_file()):
                    packed.write(path, f"{number:06d}.dcm")
            archive.seek(0)
            files = {"study": ("study.zip", archive)}
        receipt = _checked(client.post("/v1/studies", files=files)).json()
    console.print(
        f"Uploaded {name}: {receipt['instances']} files, {receipt['bytes'] / 2**20:.0f} MiB, {receipt['kind']}"
    )
    return str(receipt["id"])


def _watch(client: httpx.Client, events: str) -> None:
    """Shows the job's server-sent events as a bar until it ends."""
    columns = (TextColumn("{task.description:>10}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"))
    with Progress(*columns, TimeElapsedColumn()) as bar, client.stream("GET", events) as stream:
        task = bar.add_task("queued", total=1.0)
        for line in stream.iter_lines():
            if not line.startswith("data:"):
                continue
            event = json.loads(line.removeprefix("data:"))
            bar.update(task, description=event["stage"] or event["state"], completed=event["fraction"])


def _show(report: Report, truth: list[TrueLesion], console: Console) -> None:
    from worker.commands.compare import print_report  # noqa: PLC0415

    print_report(report, console)
    if not truth:
        return
    table = Table(title="Phantom: known truth and report, mm3")
    for column in ("lesion", "true change", "true volumes", "reported", "volumes", "centre off by"):
        table.add_column(column, justify="left" if "change" in column or column == "reported" else "right")
    matched = set()
    for lesion in truth:
        row = min(report.lesions, key=lambda r: _distance(r.centroid_mm, lesion.centre), default=None)
        known = f"{lesion.baseline_mm3:.0f} > {lesion.follow_up_mm3:.0f}"
        if row is None or _distance(row.centroid_mm, lesion.centre) > NEAR_MM:
            table.add_row(str(lesion.id), lesion.status, known, "not found", "", "")
            continue
        matched.add(row.id)
        seen = f"{row.baseline_volume_mm3 or 0:.0f} > {row.follow_up_volume_mm3:.0f}"
        off = f"{_distance(row.centroid_mm, lesion.centre):.1f} mm"
        table.add_row(str(lesion.id), lesion.status, known, row.status.value if row.status else "", seen, off)
    console.print(table)
    extra = [row for row in report.lesions if row.counted and row.id not in matched]
    console.print(f"Counted lesions in the report that the phantom does not hold: {len(extra)}")


def _distance(a: tuple[float, float, float], b: tuple[float, float, float]) -> float:
    return float(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) ** 0.5)


def _checked(response: httpx.Response) -> httpx.Response:
    if response.is_error:
        raise SystemExit(f"{response.status_code} {response.read().decode(errors='replace')}")
    return response


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
