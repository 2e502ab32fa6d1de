"""How well the volume of the brain's tissue repeats on one simulated scanner.

    python benchmarks/brain_volume.py [--patients 01 03 19]

The FLAIR of both visits of real patients, twice as one scanner would give it: the head lies anew (up to 5 degrees and
5 mm), noise, bias field and slice positions are drawn anew, protocol and contrast stay. Both label maps are carried
back by the true motion, and the tissue is counted on one 1 mm grid. The number is `noise.brain_log_sd` in
`worker/measurement_rules.yaml`.
"""

import argparse
from dataclasses import replace

import numpy as np
import torch
from longitudinal import Visit, data_folder
from real_changes import turned_about

from model.anatomy_network import SHIPPED, region_map
from model.brain_volume import tissue_mm3
from model.checkpoint import LoadedModel, load
from model.grid import Grid, corners, grid_around
from model.repeatability import within_lesion_sd
from model.resampling import field_of_view, resample
from model.scanner import Acquisition, acquire, draw_acquisition
from model.volume import Volume

LIES_ANEW = 2
"""Rescans of each visit."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", nargs="*", default=["01", "03", "19"])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = load(SHIPPED)
    model.network.channels_last()
    volumes = []
    for seed, (patient, number) in enumerate((p, n) for p in arguments.patients for n in (1, 2)):
        flair = Visit(data_folder() / f"patient{patient}", number).flair
        rng = np.random.default_rng(seed)
        protocol = draw_acquisition(rng)
        volumes.append(tuple(measured(flair, protocol, rng, model) for _ in range(LIES_ANEW)))
        first, second = volumes[-1]
        print(
            f"patient{patient} visit {number}, slices of {protocol.slice_thickness_mm:.1f} mm: "
            f"{first / 1000:.0f} and {second / 1000:.0f} ml, {100 * (second / first - 1):+.2f} %",
            flush=True,
        )
    print(f"log SD of one volume {within_lesion_sd(volumes):.4f} ({len(volumes)} visits)")


def measured(flair: Volume, protocol: Acquisition, rng: np.random.Generator, model: LoadedModel) -> float:
    """Tissue of one rescan, mm3, where the original shows the head."""
    grid = grid_around(corners(Grid.of(flair)), spacing_mm=1.0)
    original_from_rescan = turned_about(corners(Grid.of(flair)).mean(axis=0), rng)
    clean = np.asarray(resample(flair, grid, volume_from_grid=original_from_rescan))
    white = np.float32(np.median(clean[clean > np.median(clean[clean > 0])]))
    image = acquire(clean / white, replace(protocol, seed=int(rng.integers(2**31))))
    rescan = Volume(array=image.astype(np.float32), affine=grid.affine)
    labels = Volume(array=region_map(rescan, model=model).regions(grid), affine=grid.affine)
    rescan_from_original = np.linalg.inv(original_from_rescan)
    there = resample(labels, grid, volume_from_grid=rescan_from_original, interpolation="nearest")
    seen = field_of_view(flair, grid, volume_from_grid=np.eye(4))
    seen &= field_of_view(rescan, grid, volume_from_grid=rescan_from_original)
    return tissue_mm3(np.rint(there).astype(np.uint8), seen, grid)


if __name__ == "__main__":
    main()
