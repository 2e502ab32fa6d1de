"""Our predictor beside nnU-Net's own: seconds, peak memory, and how far the masks agree.

    python3 -m venv ENV
    ENV/bin/pip install -c constraints.txt nnunetv2 safetensors
    python benchmarks/inference.py --nnunet-python ENV/bin/python [--repeats 3] [--threads 2]
    python benchmarks/inference.py --nnunet-python ENV/bin/python --crop 120 144 120 --modes default
    python benchmarks/inference.py --nnunet-python ENV/bin/python --plan full --crop 128 160 192 --repeats 1

Same weights, same prepared arrays of both time points of a real pair, same tiles, Gaussian and threads; each run in a
process of its own, in turn, after a warm-up of one tile; nothing but the prediction is timed. Medians over the repeats.
`CPU s` is the processor's time of all threads: it depends less than `seconds` on what else the machine does. Three
modes, both time points each:

    identical  no mirroring on either side
    mirrored   mirroring over 3 axes on both sides
    default    ours as the service runs it (no mirroring), nnU-Net as it comes (mirroring)

Ours has bf16 where the processor is fast in it (the difference and its norm in fp32), one encoder pass per scan, empty
tiles left out. `ours, fp32` is the same without bf16. A mask is logit of lesion > logit of background. `--plan full` is
the paper's 31.2 M parameters with random weights: a measurement of time alone, its masks mean nothing. `--crop` takes
the middle of the images: 27 tiles of the compact plan become 8 with 120 144 120.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

AIMS = {"identical": "3 x, 99.9 % of voxels", "mirrored": "3 x, 99.9 % of voxels", "default": "8 x, Dice 0.98"}
RUNS = {
    "identical": [("nnU-Net", "plain"), ("ours", "plain"), ("ours, fp32", "plain")],
    "mirrored": [("nnU-Net", "mirrored"), ("ours", "mirrored")],
    "default": [("nnU-Net", "mirrored"), ("ours", "plain")],
}
"""Of each mode the sides and what they do; the first is the yardstick."""

Run = tuple[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nnunet-python", type=Path, help="Python of an environment with nnunetv2")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--patient", default="patient19")
    parser.add_argument("--plan", choices=["compact", "full"], default="compact")
    parser.add_argument("--crop", type=int, nargs=3, metavar=("D", "H", "W"))
    parser.add_argument("--modes", nargs="+", choices=list(RUNS), default=["identical"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--one", nargs=3, metavar=("FOLDER", "SIDE", "MIRRORING"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        measure(Path(arguments.one[0]), arguments.one[1], arguments.one[2], arguments.threads)
        return
    if arguments.nnunet_python is None:
        parser.error("--nnunet-python is needed")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        size = prepare(folder, arguments)
        print(f"{arguments.patient}, {arguments.plan} plan, {size}, {arguments.threads} threads, both time points")
        wanted = list(dict.fromkeys(run for mode in arguments.modes for run in RUNS[mode]))
        found: dict[Run, list[dict]] = {run: [] for run in wanted}
        masks: dict[Run, np.ndarray] = {}
        for repeat in range(arguments.repeats):
            for run in wanted if repeat % 2 == 0 else wanted[::-1]:
                found[run].append(child(folder, run, arguments))
                masks[run] = masks_in(folder)
        table(found)
        for mode in arguments.modes:
            compare(mode, found, masks if arguments.plan == "compact" else None)


def prepare(folder: Path, arguments: argparse.Namespace) -> str:
    """Writes the pair and the weights that both sides read; says how large the images are."""
    from model.anatomy_network import SHIPPED
    from model.checkpoint import load
    from model.real_pairs import read_real_pair

    pair = read_real_pair(arguments.data / "open_ms_data" / "longitudinal" / arguments.patient, load(SHIPPED))
    size = pair.baseline.shape[1:]
    crop = [min(n, wanted) for n, wanted in zip(size, arguments.crop or size, strict=True)]
    box = tuple(slice((n - c) // 2, (n - c) // 2 + c) for n, c in zip(size, crop, strict=True))
    baseline, follow_up = (np.ascontiguousarray(scan[:, *box]) for scan in (pair.baseline, pair.follow_up))
    np.savez(folder / "pair.npz", baseline=baseline, follow_up=follow_up)
    write_weights(folder / "weights.safetensors", arguments.plan)
    return " x ".join(map(str, crop))


def write_weights(path: Path, plan_name: str) -> None:
    import torch

    from model.checkpoint import Card, Preprocessing, save
    from model.zoo import build, plan
    from worker.pipeline_tools import shipped_weights

    if plan_name == "compact":
        path.write_bytes(shipped_weights().read_bytes())
        return
    torch.manual_seed(0)
    save(path, build(plan("full")), Preprocessing(patch=(128, 160, 128)), Card(name="random weights"))


def child(folder: Path, run: Run, arguments: argparse.Namespace) -> dict:
    side, mirroring = run
    threads = str(arguments.threads)
    command = [sys.executable, __file__, "--threads", threads, "--one", str(folder), side, mirroring]
    if side == "nnU-Net":
        script = Path(__file__).with_name("nnunet_side.py")
        command = [str(arguments.nnunet_python), str(script), str(folder), mirroring, threads]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    return json.loads(output.splitlines()[-1])


def measure(folder: Path, side: str, mirroring: str, threads: int) -> None:
    """Our side in this process: masks beside the pair, seconds and memory as JSON."""
    import resource
    from dataclasses import replace

    import torch

    from model.sliding_window import predict_pair
    from worker.pipeline_tools import load_tools

    torch.set_num_threads(threads)
    ensemble = load_tools(weights=folder / "weights.safetensors", device="cpu").ensemble
    member, window = ensemble.members[0], ensemble.window
    if mirroring == "mirrored":
        window = replace(window, mirror_axes=member.preprocessing.mirror_axes)
    if side == "ours, fp32":
        window = replace(window, bf16=False)
        member.network.to(memory_format=torch.contiguous_format)
    pair = np.load(folder / "pair.npz")
    scans = [torch.from_numpy(pair[name]) for name in ("baseline", "follow_up")]
    one_tile = [scan[:, *(slice(n) for n in window.patch)] for scan in scans]
    predict_pair(member.network, *one_tile, settings=replace(window, mirror_axes=()), progress=lambda _: None)
    began, cpu = time.perf_counter(), time.process_time()
    logits = predict_pair(member.network, *scans, settings=window, progress=lambda _: None)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
    masks = [(one[1] > one[0]).numpy() for one in logits]
    np.savez(folder / "masks.npz", baseline=masks[0], follow_up=masks[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "peak": peak}))


def masks_in(folder: Path) -> np.ndarray:
    masks = np.load(folder / "masks.npz")
    return np.stack([masks["baseline"], masks["follow_up"]])


def table(found: dict[Run, list[dict]]) -> None:
    print(f"\n{'side':12} {'tiles':9} {'seconds':>8} {'CPU s':>8} {'peak memory MiB':>16}")
    for (side, mirroring), runs in found.items():
        peak = max(one["peak"] for one in runs) / 2**20
        print(f"{side:12} {mirroring:9} {middle(runs, 'seconds'):8.1f} {middle(runs, 'cpu_seconds'):8.1f} {peak:16.0f}")


def compare(mode: str, found: dict[Run, list[dict]], masks: dict[Run, np.ndarray] | None) -> None:
    theirs, *ours = RUNS[mode]
    print(f"\n{mode}  (aim: {AIMS[mode]})")
    for run in ours:
        ratios = [middle(found[theirs], kind) / middle(found[run], kind) for kind in ("seconds", "cpu_seconds")]
        line = f"{run[0]:12} {ratios[0]:5.1f} x faster, {ratios[1]:5.1f} x less CPU time"
        if masks is not None:
            pairs = list(zip(masks[theirs], masks[run], strict=True))
            equal = ", ".join(f"{(a == b).mean():.3%}" for a, b in pairs)
            line += f"; voxels equal {equal}; Dice {', '.join(f'{dice(a, b):.4f}' for a, b in pairs)}"
        print(line)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * float((a & b).sum()) / max(1, int(a.sum()) + int(b.sum()))


def middle(runs: list[dict], kind: str) -> float:
    return statistics.median(one[kind] for one in runs)


if __name__ == "__main__":
    main()
