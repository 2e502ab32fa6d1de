"""How tiles are laid over a brain: what a wider step, mirroring or one tile for all cost, and what they change.

    python benchmarks/tile_layouts.py [--data ../shared/data] [--patients patient01 patient19] [--weights FILE]

Real pairs that the shipped weights were not trained on, on one core, both time points. The yardstick is the layout of
the reference, tiles of the training patch at half a patch, mirrored along the axes that the weights allow. Of each
layout: passes of the network, processor time as a part of the yardstick's, the Dice of its masks (from the weights'
own voxel threshold) beside the yardstick's, and, as delivered (decision 0011), the marked volume found, and the changes
and new lesions that lie away from every mark. `brain`: one tile that holds the whole image.
"""

import argparse
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from model.anatomy_network import SHIPPED
from model.blocks import Triple
from model.checkpoint import LoadedModel, load
from model.metrics import dice
from model.pair_scores import RealScore, real_score
from model.real_pairs import RealPair, read_real_pair
from model.sliding_window import lesion_opinions, tile_starts, window_of

STRIDE = 16
"""The network halves four times: the sides of a tile are multiples of this."""
STEPS = (0.5, 0.6, 0.75, 1.0)
HEADINGS = "layout    mirrored passes   CPU          Dice  found  outside  new"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Of tiles over an image."""

    name: str
    mirrored: bool
    step: float = 0.5
    whole: bool = False


LAYOUTS = (
    *(Layout(name=f"step {step}", mirrored=True, step=step) for step in STEPS),
    *(Layout(name=f"step {step}", mirrored=False, step=step) for step in STEPS),
    Layout(name="brain", mirrored=True, whole=True),
    Layout(name="brain", mirrored=False, whole=True),
)
"""The first is the yardstick, the fifth what the service does."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """What a layout gave on a pair."""

    passes: int
    cpu_s: float
    masks: tuple[np.ndarray, np.ndarray]
    score: RealScore


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--patients", nargs="+", default=["patient01", "patient03", "patient19"])
    parser.add_argument("--weights", type=Path, default=SHIPPED.with_name("compact.safetensors"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    model, regions = load(arguments.weights), load(SHIPPED)
    for patient in arguments.patients:
        pair = read_real_pair(arguments.data / "open_ms_data" / "longitudinal" / patient, regions)
        print(f"\n{patient}, {' x '.join(map(str, pair.baseline.shape[1:]))}")
        print(HEADINGS)
        yardstick: Outcome | None = None
        for layout in LAYOUTS:
            found = outcome(model, pair, layout)
            yardstick = yardstick or found
            print(line(layout, found, yardstick), flush=True)


def outcome(model: LoadedModel, pair: RealPair, layout: Layout) -> Outcome:
    size = pair.baseline.shape[1:]
    patch = upwards(size) if layout.whole else model.preprocessing.patch
    window = replace(window_of(model, mirroring=layout.mirrored), patch=patch, step=layout.step)
    began = time.process_time()
    card = model.card
    maps, alone = lesion_opinions(model.network, pair.baseline, pair.follow_up, window)
    cpu_s = time.process_time() - began
    tiles = math.prod(len(tile_starts(n, p, layout.step)) for n, p in zip(size, patch, strict=True))
    return Outcome(
        passes=tiles * 2 ** len(window.mirror_axes),
        cpu_s=cpu_s,
        masks=(maps[0] >= card.threshold, maps[1] >= card.threshold),
        score=real_score(pair, *maps, card.thresholds, alone),
    )


def line(layout: Layout, found: Outcome, yardstick: Outcome) -> str:
    overlap = ", ".join(f"{dice(a, b):.3f}" for a, b in zip(found.masks, yardstick.masks, strict=True))
    mirrored, cpu, score = "yes" if layout.mirrored else "no", found.cpu_s / yardstick.cpu_s, found.score
    return (
        f"{layout.name:9} {mirrored:8} {found.passes:6} {cpu:5.2f} {overlap:>13} "
        f"{score.volume_found:6.0%} {score.change_outside:8} {score.new_outside:4}"
    )


def upwards(size: tuple[int, ...]) -> Triple:
    d, h, w = (-(-n // STRIDE) * STRIDE for n in size)
    return d, h, w


if __name__ == "__main__":
    main()
