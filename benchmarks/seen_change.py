"""How many true changes the rule keeps that a change must be seen in FLAIR (docs/decisions/0011).

    python benchmarks/seen_change.py [--data ../shared/data] [--cache runs/pool] [--pairs 30]

Synthetic pairs with their true masks, so every difference that the rule takes away is a true one. Their scanners are
far worse than most real ones. A change is kept where more than half of the lesion still differs between the masks.
"""

import argparse
from collections import Counter
from pathlib import Path

import cc3d
import numpy as np

from model.evaluate import VALIDATION_SEED
from model.lesions import COUNTED_MM3
from model.seen_change import settle
from model.synthesis import make_sample
from model.training_pool import load_pool

SIZES = ((COUNTED_MM3, 50.0), (50.0, 200.0), (200.0, np.inf))
"""Volumes of a class, mm3: from, to."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, default=Path("runs/pool"))
    parser.add_argument("--pairs", type=int, default=30)
    arguments = parser.parse_args()
    pool = load_pool(arguments.data, arguments.cache)
    true: Counter[int] = Counter()
    kept: Counter[int] = Counter()
    for number in range(arguments.pairs):
        sample = make_sample(pool, VALIDATION_SEED + number, (80, 96, 80))
        before, after = sample.prior_target, sample.target
        settled = settle(before, after, (sample.prior[1], sample.current[1]))
        differs = settled.baseline ^ settled.follow_up
        labels = cc3d.connected_components(before | after, connectivity=26)
        for label, voxels in enumerate(np.bincount(labels.ravel())[1:], start=1):
            lesion = labels == label
            if voxels >= COUNTED_MM3 and not ((before & lesion).any() and (after & lesion).any()):
                size = next(n for n, (low, high) in enumerate(SIZES) if low <= voxels < high)
                true[size] += 1
                kept[size] += int((differs & lesion).sum() > voxels / 2)
    for n, (low, high) in enumerate(SIZES):
        print(f"new or resolved, {low:.0f} to {high:.0f} mm3: {kept[n]} of {true[n]} kept")
    print(f"all: {kept.total()} of {true.total()}")


if __name__ == "__main__":
    main()
