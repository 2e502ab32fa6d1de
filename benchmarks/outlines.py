"""How large lesions are drawn: outlined over true volume, by what FLAIR shows of them and by what they do.

    python benchmarks/outlines.py WEIGHTS [WEIGHTS ...] [--voxel 0.5 0.75] [--samples 40] [--alone]

Lesions from 30 mm3 of synthetic patches (`model/synthesis.py`, fixed seeds), of which the weights mark three tenths or
more. A lesion's outline is what is marked of it and within 2 mm of it. Outlines that follow what is seen have the same
ratio for bright and for faint lesions: how bright they are depends on the scanner, how large they are does not. And it
is the same whether the lesion is smaller, alike or larger at the other time, and without the other time (`--alone`):
otherwise one scan of the pair would leak into the outlines of the other.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from model.checkpoint import load_members
from model.evaluate import sample_opinions
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
OTHERS = ((0.0, 0.6), (0.6, 1 / 0.6), (1 / 0.6, np.inf))
"""Volume at the other time over volume now, of the lesion with those that it touches at either time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A lesion that was found."""

    contrast: float
    other: float
    """Volume at the other time over volume now."""
    ratio: float
    """Outlined over true volume."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, nargs="+")
    parser.add_argument("--voxel", type=float, nargs="+", default=[0.5], help="voxel thresholds")
    parser.add_argument("--samples", type=int, default=40)
    parser.add_argument("--alone", action="store_true", help="each scan is its own prior")
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
            given_prior, alone = sample_opinions(model.network, sample)
            probability = alone if arguments.alone else given_prior
            for threshold in arguments.voxel:
                found.setdefault((path, threshold), []).extend(outlines(sample, probability >= threshold))
    print_table("SD", CONTRASTS, {key: [(one.contrast, one.ratio) for one in rows] for key, rows in found.items()})
    print_table("times", OTHERS, {key: [(one.other, one.ratio) for one in rows] for key, rows in found.items()})


def print_table(
    unit: str, ranges: tuple[tuple[float, float], ...], found: dict[tuple[Path, float], list[tuple[float, float]]]
) -> None:
    """Median ratio of the lesions in each range, and their number; a row for each weights and threshold."""
    names = " ".join(f"{f'{low:.3g} to {high:.3g} {unit}':>18}" for low, high in ranges)
    print(f"{'weights':40}{'voxel':>6} {names} {'all':>12}")
    for (path, threshold), of_weights in found.items():
        cells = " ".join(f"{cell(of_weights, low, high):>18}" for low, high in ranges)
        print(f"{str(path)[-40:]:40}{threshold:6.2f} {cells} {cell(of_weights, -np.inf, np.inf):>12}")


def outlines(sample: Sample, marked: np.ndarray) -> Iterator[Outline]:
    """Of each lesion that is found."""
    contrast, _ = contrasts((sample.current[1], sample.current[1]), sample.target)
    lesions = find_lesions(sample.target, 1.0, smallest_mm3=SMALLEST_MM3)
    groups, _ = ndimage.label(ndimage.binary_dilation(sample.target | sample.prior_target), np.ones((3, 3, 3)))
    then, now = (np.bincount(groups[mask], minlength=groups.max() + 1) for mask in (sample.prior_target, sample.target))
    for number, place in enumerate(ndimage.find_objects(lesions.labels), start=1):
        box = tuple(slice(max(0, s.start - REACH_MM), s.stop + REACH_MM) for s in place)
        lesion = lesions.labels[box] == number
        others = sample.target[box] & ~lesion
        around = ndimage.binary_dilation(lesion, iterations=REACH_MM) & ~others
        true = int(lesion.sum())
        if (marked[box] & lesion).sum() >= FOUND * true:
            ratio = float((marked[box] & around).sum() / true)
            group = groups[box][lesion][0]
            other = float(then[group] / now[group])
            yield Outline(contrast=float(np.median(contrast[box][lesion])), other=other, ratio=ratio)


def cell(found: list[tuple[float, float]], low: float, high: float) -> str:
    """Median ratio of those within this range, and their number."""
    ratios = [ratio for value, ratio in found if low <= value < high]
    return f"{np.median(ratios):.2f} ({len(ratios)})" if ratios else "-"


if __name__ == "__main__":
    main()
