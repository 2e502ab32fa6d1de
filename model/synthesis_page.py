"""A page of synthetic pairs to look at: `python -m model.synthesis_page --out docs/synthesis.png`.

Each sample is T1 and FLAIR of the prior and of the current scan, in the axial slice with most change or most lesion.
Outlines on FLAIR say what a lesion does from the prior to the current scan.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from jaxtyping import Bool
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from model.deformation import Patch
from model.lesion_fates import Fate
from model.lesions import find_lesions
from model.preprocess import bounding_box
from model.synthesis import Sample, make_sample
from model.training_pool import TrainingPool, load_pool

PATCH: Patch = (80, 208, 176)
"""A slab with whole axial slices."""
COLOURS = {
    Fate.UNCHANGED: "#58a6ff",
    Fate.NEW: "#ff4040",
    Fate.RESOLVED: "#40e060",
    Fate.GROWN: "#ffb020",
    Fate.SHRUNK: "#e070ff",
}
LEAST_CHANGE = 0.15
"""Change of volume from which a lesion is outlined as grown or shrunk: carrying small ones along costs some voxels."""

Mask = Bool[NDArray[Any], "d h w"]


def draw_page(pool: TrainingPool, seeds: Sequence[int], path: Path) -> None:
    """Writes the page, two samples a row."""
    rows = (len(seeds) + 1) // 2
    figure = Figure(figsize=(16, 2.55 * rows + 0.3), facecolor="black", layout="constrained")
    axes = figure.subplots(rows, 8, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for number, seed in enumerate(seeds):
        row, side = divmod(number, 2)
        _draw_sample(list(axes[row, 4 * side : 4 * side + 4]), make_sample(pool, seed, PATCH), seed)
    lines = [Line2D([], [], color=colour, label=fate.value) for fate, colour in COLOURS.items()]
    figure.legend(handles=lines, loc="outside lower center", ncols=5, labelcolor="white", facecolor="black", fontsize=9)
    with mpl.rc_context({"savefig.facecolor": "black"}):
        figure.savefig(path, dpi=72)


def fates(prior: Mask, current: Mask) -> dict[Fate, Mask]:
    """Lesions of either time by what they do from the prior to the current scan, judged by their volumes."""
    found = find_lesions(prior | current, 1.0, smallest_mm3=0.0)
    count = len(found.volumes_mm3) + 1
    before, now = (np.bincount(found.labels[mask].ravel(), minlength=count) for mask in (prior, current))
    change = (now - before) / np.maximum(np.maximum(now, before), 1)
    of_label = np.select(
        [before == 0, now == 0, change > LEAST_CHANGE, change < -LEAST_CHANGE],
        [list(Fate).index(fate) for fate in (Fate.NEW, Fate.RESOLVED, Fate.GROWN, Fate.SHRUNK)],
        list(Fate).index(Fate.UNCHANGED),
    )
    return {fate: (found.labels > 0) & (of_label[found.labels] == n) for n, fate in enumerate(Fate)}


def _draw_sample(axes: Sequence[Any], sample: Sample, seed: int) -> None:
    level = _level(sample)
    seen = np.asarray(np.logical_or(sample.prior, sample.current).any(axis=0))
    _, rows, columns = bounding_box(seen[level : level + 1])
    shown = (slice(None), rows, columns)
    by_fate = fates(sample.prior_target, sample.target)
    views = (
        (f"{seed}: prior T1", sample.prior[0], None),
        ("prior FLAIR", sample.prior[1], sample.prior_target),
        ("current T1", sample.current[0], None),
        ("current FLAIR", sample.current[1], sample.target),
    )
    for axis, (title, image, mask) in zip(axes, views, strict=True):
        show(axis, axial(image[shown], level))
        axis.set_title(title, color="white", fontsize=8)
        for fate, colour in COLOURS.items():
            part = None if mask is None else axial((mask & by_fate[fate])[shown], level)
            if part is not None and part.any():
                axis.contour(part, [0.5], colors=colour, linewidths=0.7)


def _level(sample: Sample) -> int:
    """The slice with most lesion, change counting four times, where all four images show most of what any shows."""
    seen = np.stack([(image != 0).sum(axis=(1, 2)) for image in (*sample.prior, *sample.current)])
    weight = 1 + sample.target.sum(axis=(1, 2)) + sample.prior_target.sum(axis=(1, 2))
    weight = weight + 3 * (sample.target ^ sample.prior_target).sum(axis=(1, 2))
    return int(np.where(seen.min(axis=0) > 0.7 * seen.max(), weight, seen.min(axis=0) / seen.size).argmax())


def show(axis: Any, image: NDArray[np.float32]) -> None:
    """As a viewer does: black outside, the window from the brain's own values."""
    inside = image[image != 0]
    low, high = np.percentile(inside, [0.5, 99.7]) if inside.size else (0.0, 1.0)
    axis.imshow(np.where(image == 0, low, image), cmap="gray", vmin=low, vmax=high)


def axial(volume: NDArray[Any], level: int) -> NDArray[np.float32]:
    """Anterior up, the patient's right on the left: (anterior, right) of the array turned as radiologists look."""
    return np.asarray(volume[level][::-1, ::-1], np.float32)


def main() -> None:
    """Draws samples of fixed seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, default=Path("runs/pool"))
    parser.add_argument("--out", type=Path, default=Path("docs/synthesis.png"))
    parser.add_argument("--first", type=int, default=500)
    parser.add_argument("--samples", type=int, default=12)
    args = parser.parse_args()
    draw_page(load_pool(args.data, args.cache), range(args.first, args.first + args.samples), args.out)


if __name__ == "__main__":
    main()
