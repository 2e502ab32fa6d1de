"""How large lesions are drawn: outlined over true volume, by how far FLAIR makes a lesion stand out.

    python benchmarks/outlines.py WEIGHTS [WEIGHTS ...] [--voxel 0.5 0.75] [--samples 40] [--data ../shared/data]

Lesions from 30 mm3 of synthetic patches (`model/synthesis.py`, fixed seeds), of which the weights mark three tenths or
more. A lesion's outline is what is marked of it and within 2 mm of it. Outlines that follow what is seen have the same
ratio for bright and for faint lesions: how bright they are depends on the scanner, how large they are does not.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from model.checkpoint import load_members
from model.evaluate import predicted_sample
from model.lesions import find_lesions
from model.synthesis import Sample, make_sample
from model.training_pool import load_pool
from model.visible_change import contrasts

FIRST_SEED = 9_100_000
"""Far from those of training and of validation."""
SMALLEST_MM3 = 30.0
FOUND = 0.3
REACH_MM = 2
CONTRASTS = ((-np.inf, 0.5), (0.5, 0.75), (0.75, 1.0), (1.0, 1.5), (1.5, np.inf))
"""Standard deviations of the brain that the lesion's median stands out by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A lesion that was found."""

    contrast: float
    ratio: float
    """Outlined over true volume."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, nargs="+")
    parser.add_argument("--voxel", type=float, nargs="+", default=[0.5], help="voxel thresholds")
    parser.add_argument("--samples", type=int, default=40)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, default=Path("runs/pool"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    models = dict(zip(arguments.weights, load_members(arguments.weights), strict=True))
    patch = next(iter(models.values())).preprocessing.patch
    found: dict[tuple[Path, float], list[Outline]] = {}
    pool = load_pool(arguments.data, arguments.cache)
    for number in range(arguments.samples):
        sample = make_sample(pool, FIRST_SEED + number, patch)
        for path, model in models.items():
            probability = predicted_sample(model.network, sample)
            for threshold in arguments.voxel:
                found.setdefault((path, threshold), []).extend(outlines(sample, probability >= threshold))
    names = " ".join(f"{f'{low:g} to {high:g} SD':>16}" for low, high in CONTRASTS)
    print(f"{'weights':40}{'voxel':>6} {names} {'all':>12}")
    for (path, threshold), of_weights in found.items():
        cells = " ".join(f"{cell(of_weights, low, high):>16}" for low, high in CONTRASTS)
        print(f"{str(path)[-40:]:40}{threshold:6.2f} {cells} {cell(of_weights, -np.inf, np.inf):>12}")


def outlines(sample: Sample, marked: np.ndarray) -> Iterator[Outline]:
    """Of each lesion that is found."""
    contrast, _ = contrasts((sample.current[1], sample.current[1]), sample.target)
    lesions = find_lesions(sample.target, 1.0, smallest_mm3=SMALLEST_MM3)
    for number, place in enumerate(ndimage.find_objects(lesions.labels), start=1):
        box = tuple(slice(max(0, s.start - REACH_MM), s.stop + REACH_MM) for s in place)
        lesion = lesions.labels[box] == number
        others = sample.target[box] & ~lesion
        around = ndimage.binary_dilation(lesion, iterations=REACH_MM) & ~others
        true = int(lesion.sum())
        if (marked[box] & lesion).sum() >= FOUND * true:
            ratio = float((marked[box] & around).sum() / true)
            yield Outline(contrast=float(np.median(contrast[box][lesion])), ratio=ratio)


def cell(found: list[Outline], low: float, high: float) -> str:
    """Median ratio of the lesions within this contrast, and their number."""
    ratios = [one.ratio for one in found if low <= one.contrast < high]
    return f"{np.median(ratios):.2f} ({len(ratios)})" if ratios else "-"


if __name__ == "__main__":
    main()
