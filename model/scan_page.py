"""Where weights err on real scans: `python -m model.scan_page WEIGHTS --out docs/weights.png`.

A row per scan: the axial FLAIR slices in which prediction and readers disagree most. Scans with every lesion marked
come first (the shipped weights were trained on them), then the held-out pairs, in which only change is marked: the
prediction there is what differs between the masks of both visits.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from jaxtyping import Bool, Float32
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from model.anatomy_network import SHIPPED
from model.calling import call_lesions
from model.checkpoint import LoadedModel, load
from model.held_out_pairs import real_pair
from model.real_pairs import COMPLETE_OR_NEARLY, read_real_pair
from model.sliding_window import Scan, lesion_opinions, window_of
from model.synthesis_page import axial, show
from model.training_pool import load_pool

SLICES = 6
APART = 6
"""Slices between two that are shown, at least."""
READERS, PREDICTION = "#40e060", "#ff4040"

Mask = Bool[NDArray[Any], "d h w"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Disagreement:
    """A scan with what its readers and what the weights marked."""

    title: str
    flair: Float32[NDArray[Any], "d h w"]
    readers: Mask
    prediction: Mask


def draw_disagreements(scans: list[Disagreement], path: Path) -> None:
    """Writes the page, a row per scan."""
    figure = Figure(figsize=(2.1 * SLICES, 2.5 * len(scans) + 0.3), facecolor="black", layout="constrained")
    axes = figure.subplots(len(scans), SLICES, squeeze=False)
    for row, scan in zip(axes, scans, strict=True):
        for axis in row:
            axis.axis("off")
        for axis, level in zip(row, worst_slices(scan.readers ^ scan.prediction), strict=False):
            show(axis, axial(scan.flair, level))
            for mask, colour in ((scan.readers, READERS), (scan.prediction, PREDICTION)):
                if mask[level].any():
                    axis.contour(axial(mask, level), [0.5], colors=[colour], linewidths=0.7)
        row[0].set_title(scan.title, color="white", fontsize=8, loc="left")
    lines = [Line2D([], [], color=c, label=name) for name, c in (("readers", READERS), ("prediction", PREDICTION))]
    figure.legend(handles=lines, loc="outside lower center", ncols=2, labelcolor="white", facecolor="black", fontsize=8)
    with mpl.rc_context({"savefig.facecolor": "black"}):
        figure.savefig(path, dpi=80)


def worst_slices(difference: Mask) -> list[int]:
    """Slices with most voxels of the mask, `APART` apart, from below; fewer where there is no more to show."""
    voxels = difference.sum(axis=(1, 2))
    chosen: list[int] = []
    for level in np.argsort(-voxels, kind="stable"):
        if len(chosen) < SLICES and voxels[level] and all(abs(int(level) - other) >= APART for other in chosen):
            chosen.append(int(level))
    return sorted(chosen)


def disagreements(model: LoadedModel, regions: LoadedModel, data: Path, cache: Path) -> Iterator[Disagreement]:
    """Of every real scan of the data folder, at the thresholds of the weights' card."""
    for anatomy in (one for one in load_pool(data, cache).anatomies if one.t1 is not None):
        scan = real_pair(anatomy)
        _, lesions = _masks(model, scan.prior, scan.current)
        title = f"{anatomy.name}: lesions"
        yield Disagreement(title=title, flair=scan.current[1], readers=scan.target, prediction=lesions)
    for name in COMPLETE_OR_NEARLY:
        pair = read_real_pair(data / "open_ms_data" / "longitudinal" / name, regions)
        before, after = _masks(model, pair.baseline, pair.follow_up)
        title = f"longitudinal {name}: change"
        yield Disagreement(title=title, flair=pair.follow_up[1], readers=pair.change, prediction=before ^ after)


def _masks(model: LoadedModel, baseline: Scan, follow_up: Scan) -> tuple[Mask, Mask]:
    maps, alone = lesion_opinions(model.network, baseline, follow_up, window_of(model))
    masks = call_lesions(*maps, model.card.thresholds, (baseline[1], follow_up[1]), alone=alone)
    return np.asarray(masks[0]), masks[1]


def main() -> None:
    """Draws the page of one weights file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, default=Path("runs/pool"))
    parser.add_argument("--regions", type=Path, default=SHIPPED, help="weights of the anatomy network")
    parser.add_argument("--out", type=Path, default=Path("docs/weights.png"))
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    draw_disagreements(list(disagreements(load(args.weights), load(args.regions), args.data, args.cache)), args.out)


if __name__ == "__main__":
    main()
