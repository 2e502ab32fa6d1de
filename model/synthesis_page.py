"""A page of synthetic pairs to look at: `python -m model.synthesis_page --out docs/synthesis.png`.

Each row is one sample: T1 and FLAIR of the current scan, FLAIR of the prior, in the axial slice with the most lesion.
Outlines: lesions of the current scan red, those of the prior yellow.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from model.synthesis import Patch, Sample, make_sample
from model.training_pool import TrainingPool, load_pool

PATCH: Patch = (64, 208, 176)
"""A slab with whole axial slices."""
RANGE = {"T1": (-2.5, 2.0), "FLAIR": (-2.5, 3.0)}
"""z-scores from black to white."""
CURRENT, PRIOR = "#ff3030", "#ffd000"


def draw_page(pool: TrainingPool, seeds: Sequence[int], path: Path) -> None:
    """Writes the page, two samples a row."""
    rows = (len(seeds) + 1) // 2
    figure = Figure(figsize=(12, 2.4 * rows), facecolor="black", layout="constrained")
    axes = figure.subplots(rows, 6, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for number, seed in enumerate(seeds):
        row, side = divmod(number, 2)
        _draw_sample(list(axes[row, 3 * side : 3 * side + 3]), make_sample(pool, seed, PATCH), seed)
    with mpl.rc_context({"savefig.facecolor": "black"}):
        figure.savefig(path, dpi=72)


def _draw_sample(axes: Sequence[Any], sample: Sample, seed: int) -> None:
    both = sample.target | sample.prior_target
    level = int(both.sum(axis=(1, 2)).argmax()) if both.any() else len(both) // 2
    views = (
        ("T1", sample.current[0], None, None),
        ("FLAIR", sample.current[1], sample.target, CURRENT),
        ("FLAIR", sample.prior[1], sample.prior_target, PRIOR),
    )
    for axis, (kind, image, mask, colour), title in zip(
        axes, views, (f"seed {seed}: T1", "FLAIR", "FLAIR of the prior"), strict=True
    ):
        low, high = RANGE[kind]
        axis.imshow(_slice(image, level), cmap="gray", vmin=low, vmax=high)
        axis.set_title(title, color="white", fontsize=8)
        if mask is not None and mask[level].any():
            axis.contour(_slice(mask, level), [0.5], colors=colour, linewidths=0.6)


def _slice(volume: NDArray[Any], level: int) -> NDArray[np.float32]:
    """Anterior up, the patient's right on the left: (anterior, right) of the array turned as radiologists look."""
    return np.asarray(volume[level][::-1, ::-1], np.float32)


def main() -> None:
    """Draws samples of fixed seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, default=Path("runs/pool"))
    parser.add_argument("--out", type=Path, default=Path("docs/synthesis.png"))
    parser.add_argument("--first", type=int, default=500)
    parser.add_argument("--samples", type=int, default=10)
    args = parser.parse_args()
    draw_page(load_pool(args.data, args.cache), range(args.first, args.first + args.samples), args.out)


if __name__ == "__main__":
    main()
