"""What the anatomy network scores on label maps it never saw: `python -m model.evaluate_anatomy WEIGHTS`.

Brain masks of real scans are scored by `benchmarks/brain_mask.py`.
"""

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from model.checkpoint import LoadedModel, load
from model.head_labels import Head, Region, read_head
from model.head_synthesis import make_head_sample
from model.train_anatomy import HELD_OUT

log = logging.getLogger("model.evaluate_anatomy")

VALIDATION_SEED = 9_000_000
"""First seed of the validation images; training seeds lie far below."""


@torch.inference_mode()
def region_dice(model: LoadedModel, heads: Sequence[Head], *, images: int) -> dict[str, float]:
    """Dice of each region, and of the brain (all of them but the fluid outside), over all voxels of all images."""
    shared, sizes = np.zeros(len(Region) + 1), np.zeros(len(Region) + 1)
    for n in range(images):
        sample = make_head_sample(heads, VALIDATION_SEED + n, model.preprocessing.patch)
        image = torch.from_numpy(sample.image)[None]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = model.network(image, image)[0].argmax(1)[0].numpy()
        pairs = [(sample.regions == region, found == region) for region in Region]
        pairs.append((_brain(sample.regions), _brain(found)))
        shared += [int((truth & mask).sum()) for truth, mask in pairs]
        sizes += [int(truth.sum()) + int(mask.sum()) for truth, mask in pairs]
    names = [*(region.name.lower() for region in Region), "brain"]
    scores = {name: round(float(2 * a / max(b, 1)), 4) for name, a, b in zip(names, shared, sizes, strict=True)}
    del scores["outside"]
    return scores


def _brain(regions: np.ndarray) -> np.ndarray:
    return np.asarray((regions != Region.OUTSIDE) & (regions != Region.CSF))


def main() -> None:
    """Logs the scores as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--labels", type=Path, default=Path("../shared/data/synthseg_labels"))
    parser.add_argument("--images", type=int, default=40)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_flush_denormal(True)
    heads = [read_head(args.labels / name) for name in HELD_OUT]
    log.info(json.dumps(region_dice(load(args.weights), heads, images=args.images), indent=1))


if __name__ == "__main__":
    main()
