"""Dice of the brain mask against the dataset authors' masks, and seconds.

    python benchmarks/brain_mask.py

The authors' mask lies on their common grid and is carried by their transforms. That of patient19 holds 2.3 litres,
a whole head, and that of patient03 leaves the frontal lobes out: their Dice says little about the brain.
"""

import time

import torch
from longitudinal import patients

from worker.pipeline_tools import network_masker


def main() -> None:
    """Print the table."""
    masker = network_masker(torch.device("cpu"))
    print(f"{'scan':20}{'Dice':>7}{'ml':>7}{'authors ml':>12}{'explained':>11}{'wall s':>8}{'cpu s':>7}")
    for visit in (visit for visits in patients() for visit in visits):
        flair, truth = visit.flair, visit.brain.array
        wall, cpu = time.perf_counter(), time.process_time()
        found = masker(flair)
        seconds = time.perf_counter() - wall, time.process_time() - cpu
        mask = found.mask.array
        dice = 2 * int((mask & truth).sum()) / int(mask.sum() + truth.sum())
        ml = flair.voxel_volume_mm3 / 1000
        print(
            f"{visit.name:20}{dice:7.3f}{mask.sum() * ml:7.0f}{truth.sum() * ml:12.0f}{found.explained:11.2f}"
            f"{seconds[0]:8.1f}{seconds[1]:7.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
