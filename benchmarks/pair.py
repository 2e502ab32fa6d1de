"""Time and peak memory of one pair, stage by stage.

    python benchmarks/pair.py [--data ../shared/data] [--only phantom|clinical] [--no-certainty]

Two pairs: the phantom at 1 mm, and patient01 of open_ms_data (raw 2D clinical, whole head), each in a process of its
own. Seconds depend on what else the machine does; the processor's seconds (of all threads) do less.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", choices=["phantom", "clinical"])
    parser.add_argument("--no-certainty", action="store_true", help="without the second opinion of each scan")
    parser.add_argument("--one", nargs=2, type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        measure(*arguments.one, certainty=not arguments.no_certainty)
        return
    with tempfile.TemporaryDirectory() as folder:
        pairs = {}
        if arguments.only != "clinical":
            pairs["phantom, 1 mm"] = phantom(Path(folder) / "phantom")
        if arguments.only != "phantom":
            pairs["patient01, 2D clinical"] = clinical(Path(folder) / "clinical", arguments.data)
        for name, (baseline, follow_up) in pairs.items():
            command = [sys.executable, __file__, "--one", baseline, follow_up]
            command += ["--no-certainty"] if arguments.no_certainty else []
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
            table(name, json.loads(output.splitlines()[-1]))


def phantom(folder: Path) -> tuple[Path, Path]:
    from worker.phantom_files import write_phantom_pair

    write_phantom_pair(folder, kind="nifti")
    return folder / "baseline", folder / "follow_up"


def clinical(folder: Path, data: Path) -> tuple[Path, Path]:
    from longitudinal import Visit

    source = data / "open_ms_data" / "longitudinal" / "patient01"
    first, second = (Visit(source, number).link(folder / f"study{number}") for number in (1, 2))
    return first, second


def measure(baseline: Path, follow_up: Path, *, certainty: bool) -> None:
    """Runs one pair in this process and prints stages, seconds and memory as JSON."""
    from service.contracts.options import CompareOptions
    from worker.case import Stage
    from worker.outcome import CaseRequest
    from worker.pipeline import run_case
    from worker.pipeline_tools import load_tools

    peaks: dict[str, int] = {}
    current, done, process = ["load"], threading.Event(), psutil.Process()

    def watch() -> None:
        while not done.wait(0.05):
            peaks[current[0]] = max(peaks.get(current[0], 0), process.memory_info().rss)

    def progress(stage: Stage, _: float) -> None:
        current[0] = stage.value

    watcher = threading.Thread(target=watch)
    watcher.start()
    began, cpu_began = time.perf_counter(), time.process_time()
    tools = load_tools()
    loaded = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as out:
        options = CompareOptions(certainty=certainty)
        request = CaseRequest(baseline=baseline, follow_up=follow_up, out=Path(out), options=options)
        report = run_case(request, tools=tools, progress=progress)
    total = time.perf_counter() - began
    done.set()
    watcher.join()
    seconds = {"load": loaded, **report.timings_s}
    seconds["report"] = total - sum(seconds.values())
    print(
        json.dumps(
            {
                "seconds": seconds,
                "peaks": peaks,
                "total": total,
                "processor": time.process_time() - cpu_began,
                "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            }
        )
    )


def table(name: str, found: dict) -> None:
    print(f"\n{name}  ({os.cpu_count()} cores)")
    print(f"{'stage':10} {'seconds':>8} {'share':>6} {'peak memory MiB':>16}")
    for stage, seconds in found["seconds"].items():
        share = seconds / found["total"]
        print(f"{stage:10} {seconds:8.1f} {share:6.0%} {found['peaks'].get(stage, 0) / 2**20:16.0f}")
    print(f"{'all':10} {found['total']:8.1f} {1:6.0%} {found['peak'] / 2**20:16.0f}   aim: 180 s, 6144 MiB")
    print(f"processor  {found['processor']:8.1f}")


if __name__ == "__main__":
    main()
