"""Real pairs of which readers marked change alone, as labelled scans to train on.

`python -m model.mark_pairs WEIGHTS --data DATA --out FOLDER`, then `msdelta train ... --data FOLDER --synthetic DATA`.

Which visit has a marked lesion is seen in FLAIR; what both visits have, weights tell; what neither tells is unknown:

    marked, and FLAIR differs            a lesion of the brighter visit; none of the other, if it stands out no more
    marked otherwise, or beside a mark   unknown; so is the rim of a change, where readers draw wider than a consensus
    elsewhere, both readings are sure    a lesion of both visits
    elsewhere, one of them suspects it   unknown
    elsewhere, bright at both visits     unknown: the weights may be blind to it
    elsewhere                            no lesion of either visit: scanners and positions that differ are no change
"""

import argparse
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cc3d
import numpy as np
import torch
from jaxtyping import Bool, Float32, Int8
from numpy.typing import NDArray
from scipy import ndimage

from model.anatomy_network import SHIPPED
from model.calling import Probability
from model.checkpoint import load
from model.held_out_pairs import write_image
from model.network import UNKNOWN
from model.real_pairs import COMPLETE_OR_NEARLY, RealPair, read_real_pair
from model.rescan import rescanned
from model.sliding_window import lesion_probabilities, window_of
from model.visible_change import contrasts, visible_change

log = logging.getLogger("model.mark_pairs")

Mask = Bool[NDArray[Any], "d h w"]
Image = Float32[NDArray[Any], "d h w"]
Labels = Int8[NDArray[Any], "d h w"]

IGNORED = 2
"""What `UNKNOWN` is in the written masks: nnU-Net's label `ignore`."""
SUSPICION = 0.1
"""Probability from which a voxel may be lesion."""
SURE = 0.9
"""What the surest voxel of an unchanged lesion must reach, as the mean of both readings."""
CORE = 0.5
GONE_PART = 0.5
"""Of the brighter visit's contrast, below which the other visit has no lesion."""
RIM_PART = 0.5
"""Of what FLAIR differs by in the middle of a change; below it lies the rim."""
REACH_MM = 4
"""How far a voxel is from that middle at most."""
BRIGHT_SD = 1.5
"""What stands out by this much at both visits, in standard deviations of the brain, may be a lesion, whatever the
weights say."""
CUBE = np.ones((3, 3, 3), bool)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MarkedPair:
    """Labels of both visits: 1 lesion, 0 none, `UNKNOWN`."""

    baseline: Labels
    follow_up: Labels


def marked_pair(pair: RealPair, readings: tuple[Probability, Probability]) -> MarkedPair:
    """The labels that marks, images and weights give together.

    Args:
        pair: both visits and the marks of change, of either sign.
        readings: lesion probability at baseline and at follow-up.
    """
    flair = pair.baseline[1], pair.follow_up[1]
    mean, either = (readings[0] + readings[1]) / 2, np.maximum(*readings)
    contrast = contrasts(flair, pair.change | (either >= SUSPICION))
    stable = _sure(mean) & (mean >= CORE)
    unknown = (either >= SUSPICION) | (np.minimum(*contrast) >= BRIGHT_SD)
    base = np.where(stable, 1, np.where(unknown, UNKNOWN, 0))
    base[ndimage.binary_dilation(pair.change, CUBE) & (base == 0)] = UNKNOWN
    base[pair.change] = UNKNOWN
    visits = [base.copy(), base.copy()]
    seen = visible_change(pair.change, contrast)
    for at, other in ((0, 1), (1, 0)):
        visits[at][_inside(seen[at], contrast[at] - contrast[other])] = 1
        absent = (contrast[other] < GONE_PART * contrast[at]) & (readings[other] < CORE)
        visits[other][seen[at] & absent] = 0
    outside = (flair[0] == 0) & (flair[1] == 0)
    labels = [np.where(outside, 0, visit).astype(np.int8) for visit in visits]
    return MarkedPair(baseline=labels[0], follow_up=labels[1])


def _inside(change: Mask, difference: Image) -> Mask:
    """A change without its rim: the outline of a lesion lies where it has half of its contrast."""
    middle = ndimage.maximum_filter(np.where(change, difference, 0), size=2 * REACH_MM + 1)
    return np.asarray(change & (difference >= RIM_PART * middle))


def _sure(mean: Probability) -> Mask:
    """Suspicions of which one voxel at least is sure."""
    labels = np.asarray(cc3d.connected_components(mean >= CORE, connectivity=26))
    surest = np.asarray(ndimage.maximum(mean, labels, np.arange(int(labels.max()) + 1)))
    keep = surest >= SURE
    keep[0] = False
    return np.asarray(keep[labels])


def write_marked_pair(pair: RealPair, marks: MarkedPair, out: Path) -> list[str]:
    """Both visits in nnU-Net's layout; the names of the scans, in the order of time.

    A T1 that stands in for the baseline's is written as another scanner would give it: two that are equal to the last
    bit are no two visits.
    """
    names = [f"pair_{pair.name}_{visit}" for visit in ("baseline", "follow_up")]
    baseline = pair.baseline
    if pair.borrowed_t1:
        baseline = np.stack([rescanned(baseline, 0)[0], baseline[1]])
    for name, scan, labels in zip(names, (baseline, pair.follow_up), (marks.baseline, marks.follow_up), strict=True):
        for number, channel in enumerate(scan):
            write_image(channel, out / "imagesTr" / f"{name}_{number:04d}.nii.gz")
        stored = np.where(labels == UNKNOWN, IGNORED, labels).astype(np.uint8)
        write_image(stored, out / "labelsTr" / f"{name}.nii.gz")
    return names


def main() -> None:
    """Writes the pairs as a labelled folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--regions", type=Path, default=SHIPPED)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--patients", nargs="+", default=list(COMPLETE_OR_NEARLY))
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    model, regions = load(args.weights), load(args.regions)
    patients = {}
    for name in args.patients:
        pair = read_real_pair(args.data / "open_ms_data" / "longitudinal" / name, regions)
        window = window_of(model, mirroring=True)
        readings = lesion_probabilities(model.network, pair.baseline, pair.follow_up, window)
        marks = marked_pair(pair, readings)
        patients[f"pair_{name}"] = write_marked_pair(pair, marks, args.out)
        counts = [(int((one == 1).sum()), int((one == UNKNOWN).sum())) for one in (marks.baseline, marks.follow_up)]
        log.info("%s: lesion and unknown voxels %s, %s", name, *counts)
    labels = {"background": 0, "lesion": 1, "ignore": IGNORED}
    dataset = {"channel_names": {"0": "T1", "1": "FLAIR"}, "labels": labels}
    (args.out / "dataset.json").write_text(json.dumps(dataset))
    (args.out / "patientsTr.json").write_text(json.dumps(patients))


if __name__ == "__main__":
    main()
