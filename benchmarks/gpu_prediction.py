"""Prediction of a real pair on a GPU beside the CPU: seconds, GPU memory, and how far the masks agree.

    python benchmarks/gpu_prediction.py [--data DATA] [--weights WEIGHTS] [--repeats 3]

Patient19's scan and a simulated rescan, both time points, as the service predicts them (no mirroring, empty tiles left
out). The yardstick is fp32 on the CPU. `full` is the paper's plan, 31.2 M parameters, with random weights: a
measurement of time and memory alone. Seconds are the median after one warm-up; the CPU runs once.
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from model.blocks import Triple
from model.checkpoint import load
from model.held_out_pairs import real_pair
from model.metrics import dice
from model.network import PairNetwork
from model.sliding_window import WindowSettings, predict_pair
from model.training_pool import held_out_pool
from model.zoo import build, plan

PATIENT = "patient19"
FULL_PATCH = (128, 160, 128)
HEADINGS = f"{'plan':9}{'device':7}{'':6}{'mirrored':10}{'s':>8}{'GPU GiB':>9}{'Dice':>18}{'voxels that differ':>20}"

Masks = Sequence[np.ndarray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Where and how a pair is predicted."""

    device: str
    bf16: bool
    mirrored: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prediction:
    """Of both time points."""

    masks: Masks
    seconds: float
    memory_gib: float | None


WAYS = (Way(device="cpu", bf16=False), Way(device="cuda", bf16=False), Way(device="cuda", bf16=True))
FULL_WAYS = (Way(device="cuda", bf16=True), Way(device="cuda", bf16=True, mirrored=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, default=Path("runs/pool"))
    parser.add_argument("--weights", type=Path, default=Path("model/weights/compact.safetensors"))
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        parser.error("torch sees no CUDA device here")
    torch.set_flush_denormal(True)
    pair = real_pair(held_out_pool(arguments.data, arguments.cache, PATIENT).anatomies[0])
    scans = torch.from_numpy(pair.prior), torch.from_numpy(pair.current)
    print(f"{PATIENT}, {' x '.join(map(str, scans[0].shape[1:]))}; {torch.cuda.get_device_name()}\n{HEADINGS}")
    model = load(arguments.weights)
    yardstick: Masks | None = None
    for way in WAYS:
        found = predicted(model.network, scans, model.preprocessing.patch, way, arguments.repeats)
        print(line("compact", way, found, yardstick), flush=True)
        yardstick = yardstick or found.masks
    network = build(plan("full"))
    for way in FULL_WAYS:
        print(line("full", way, predicted(network, scans, FULL_PATCH, way, arguments.repeats), None), flush=True)


def predicted(network: PairNetwork, scans: Sequence[torch.Tensor], patch: Triple, way: Way, repeats: int) -> Prediction:
    network.to(way.device)
    if way.bf16:
        network.channels_last()
    baseline, follow_up = (scan.to(way.device) for scan in scans)
    axes = (0, 1, 2) if way.mirrored else ()
    settings = WindowSettings(patch=patch, bf16=way.bf16, skip_empty=True, mirror_axes=axes)
    times = []
    if way.device != "cpu":
        torch.cuda.reset_peak_memory_stats()
    for _ in range(1 if way.device == "cpu" else repeats + 1):
        began = time.perf_counter()
        maps = predict_pair(network, baseline, follow_up, settings=settings, progress=lambda _: None)
        masks = [(logits[1] > logits[0]).cpu().numpy() for logits in maps]
        times.append(time.perf_counter() - began)
    memory = None if way.device == "cpu" else torch.cuda.max_memory_allocated() / 2**30
    return Prediction(masks=masks, seconds=statistics.median(times[1:] or times), memory_gib=memory)


def line(name: str, way: Way, found: Prediction, yardstick: Masks | None) -> str:
    agreement = differing = "-"
    if yardstick is not None:
        couples = list(zip(found.masks, yardstick, strict=True))
        agreement = ", ".join(f"{dice(a, b):.5f}" for a, b in couples)
        differing = f"{np.mean([np.mean(a != b) for a, b in couples]):.2e}"
    kind, mirrored = "bf16" if way.bf16 else "fp32", "yes" if way.mirrored else "no"
    memory = "-" if found.memory_gib is None else f"{found.memory_gib:.1f}"
    return f"{name:9}{way.device:7}{kind:6}{mirrored:10}{found.seconds:8.2f}{memory:>9}{agreement:>18}{differing:>20}"


if __name__ == "__main__":
    main()
