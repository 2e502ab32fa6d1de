"""What a training step of the compact plan costs on a CPU, with and without what makes it faster there.

    python benchmarks/training.py [--threads 1] [--rounds 4]

One synthetic pair, both temporal directions, forward and backward in bf16 autocast and the optimiser's step, in turn in
one process. Medians of the processor's time of all threads; the ratio is to the first row.
"""

import argparse
import statistics
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from unittest.mock import patch

import torch
from torch import nn

from model.blocks import InstanceNorm
from model.dataset import SyntheticPairs
from model.kept_memory import freed_memory_kept
from model.losses import DeepSupervision
from model.recipes import RECIPES
from model.training_state import fresh
from model.training_step import Step, update
from model.zoo import build, plan

SEED = 5
WAYS = {
    "plain": (False, False),
    "freed memory kept": (True, False),
    "freed memory kept, norms without copies (as trained)": (True, True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, default=Path("runs/pool"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=4)
    arguments = parser.parse_args()
    torch.set_flush_denormal(True)
    torch.set_num_threads(arguments.threads)
    source = SyntheticPairs(data=arguments.data, cache=arguments.cache, patch=(80, 96, 80))
    batch = [tensor[None] for tensor in source.example(SEED)]
    state = fresh(build(plan("compact")), RECIPES["adamw"], learning_rate=1e-4, ema_decay=0.99)
    step = Step(state.network, DeepSupervision())
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(arguments.rounds):
        for way, (kept, fast_norm) in WAYS.items():
            with freed_memory_kept() if kept else nullcontext(), norm(fast=fast_norm):
                update(state, step, batch)  # the first one asks for the memory
                began = time.process_time()
                update(state, step, batch)
                seconds[way].append(time.process_time() - began)
    medians = {way: statistics.median(values) for way, values in seconds.items()}
    for way, median in medians.items():
        print(f"{way:54} {median:6.2f} s  {medians['plain'] / median:4.2f} x faster")


def norm(*, fast: bool) -> AbstractContextManager[object]:
    """The norm as it is, or PyTorch's own."""
    return nullcontext() if fast else patch.object(InstanceNorm, "forward", nn.InstanceNorm3d.forward)


if __name__ == "__main__":
    main()
