"""What a set of weights scores: `python -m model.evaluate`.

On fixed synthetic patches, on real scans with every lesion marked (the shipped weights were trained on them), on
held-out real pairs, and on real scans beside a simulated rescan of themselves.
"""

import argparse
import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float32
from numpy.typing import NDArray

from model.anatomy_network import SHIPPED
from model.calling import Thresholds, call_lesions
from model.checkpoint import load
from model.lesion_coverage import VOXEL_MM3, hits
from model.lesions import find_lesions
from model.network import PairNetwork
from model.pair_scores import real_score
from model.real_pairs import COMPLETE_OR_NEARLY, read_real_pair
from model.rescan import rescan_score, rescanned
from model.scan_scores import scan_scores
from model.sliding_window import WindowSettings, lesion_opinions, predict_asked, window_of
from model.synthesis import Sample, make_sample
from model.training_pool import TrainingPool, load_pool

log = logging.getLogger("model.evaluate")

Mask = Bool[NDArray[Any], "d h w"]
Probability = Float32[NDArray[Any], "d h w"]

VALIDATION_SEED = 9_000_000
"""First seed of the validation patches; training seeds lie far below."""

SMALL_MM3 = 50.0
"""Lesions below this are scored apart, too."""
VOXEL = (0.5, 0.75, 0.85)
LESION = (0.0, 0.9, 0.98, 0.995, 0.998, 0.9995, 0.9998, 0.9999)
"""Settings that are compared, every voxel threshold with every lesion threshold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionCount:
    """Lesions of the truth and of the prediction (from 3 mm3), and how many of each meet the other side."""

    true: int
    found: int
    predicted: int
    right: int

    @property
    def f1(self) -> float:
        """Harmonic mean of sensitivity and precision; 1 where both sides are empty."""
        if self.true == self.predicted == 0:
            return 1.0
        if self.true == 0 or self.predicted == 0 or self.found + self.right == 0:
            return 0.0
        sensitivity, precision = self.found / self.true, self.right / self.predicted
        return 2 * sensitivity * precision / (sensitivity + precision)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticScore:
    """Totals over the validation patches at one setting; each lesion is judged by the current scan alone."""

    thresholds: Thresholds
    dice: float
    """Of all voxels of all patches together."""
    lesions: LesionCount
    f1: float
    small_true: int
    """Lesions below 50 mm3."""
    small_found: int


def match(truth: Mask, prediction: Mask) -> LesionCount:
    """Lesions of either side that the other covers by a tenth."""
    true, found = hits(truth, prediction)
    predicted, right = hits(prediction, truth)
    return LesionCount(true=true, found=found, predicted=predicted, right=right)


def synthetic_scores(
    network: PairNetwork,
    pool: TrainingPool,
    *,
    patches: int,
    size: tuple[int, int, int],
    settings: Sequence[Thresholds],
) -> list[SyntheticScore]:
    """Scores on `patches` fixed samples, one row for each setting."""
    samples = (make_sample(pool, VALIDATION_SEED + n, size) for n in range(patches))
    cases = [(sample.target, *sample_opinions(network, sample)) for sample in samples]
    return [_score(cases, thresholds) for thresholds in settings]


def sample_opinions(network: PairNetwork, sample: Sample) -> tuple[Probability, Probability]:
    """Lesion probability of a synthetic patch's current scan, in one tile: given the prior, and alone."""
    a, b, c = sample.target.shape
    scans = [torch.from_numpy(scan) for scan in (sample.current, sample.prior)]
    settings = WindowSettings(patch=(a, b, c), bf16=True)
    logits = predict_asked(network, scans, [(0, 1), (0, 0)], settings=settings, progress=lambda _: None)
    given_prior, alone = (one.softmax(0)[1].numpy() for one in logits)
    return given_prior, alone


def _score(cases: Iterable[tuple[Mask, Probability, Probability]], thresholds: Thresholds) -> SyntheticScore:
    overlap = size = 0
    counts = np.zeros(6, int)
    for truth, probability, alone in cases:
        _, mask = call_lesions(None, probability, thresholds, alone=[alone])
        overlap += int((truth & mask).sum())
        size += int(truth.sum()) + int(mask.sum())
        whole = match(truth, mask)
        small = match(truth & ~find_lesions(truth, VOXEL_MM3, smallest_mm3=SMALL_MM3).mask, mask)
        counts += [whole.true, whole.found, whole.predicted, whole.right, small.true, small.found]
    lesions = LesionCount(**dict(zip(("true", "found", "predicted", "right"), map(int, counts[:4]), strict=True)))
    return SyntheticScore(
        thresholds=thresholds,
        dice=round(2 * overlap / max(size, 1), 4),
        lesions=lesions,
        f1=round(lesions.f1, 4),
        small_true=int(counts[4]),
        small_found=int(counts[5]),
    )


def main() -> None:
    """Writes the scores of one weights file as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, default=Path("runs/pool"))
    parser.add_argument("--regions", type=Path, default=SHIPPED, help="weights of the anatomy network")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--patches", type=int, default=48)
    parser.add_argument("--rescans", type=int, default=2, help="of each real follow-up scan")
    parser.add_argument(
        "--mirroring", action="store_true", help="of the real scans, along the axes that the weights allow"
    )
    parser.add_argument("--alone", action="store_true", help="the fully marked scans are their own priors")
    parser.add_argument("--self-prior", type=float, help="part of the scan as its own prior in how sure a lesion is")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    model = load(args.weights)
    patch = model.preprocessing.patch
    own = model.card.self_prior if args.self_prior is None else args.self_prior
    card = replace(model.card.thresholds, self_prior=own)
    compared = (Thresholds(voxel=voxel, lesion=lesion, self_prior=own) for voxel in VOXEL for lesion in LESION)
    settings = list(dict.fromkeys((card, *compared)))
    result: dict[str, Any] = {"sha256": model.sha256, "synthetic": [], "scans": [], "real": [], "rescan": []}
    window = window_of(model, mirroring=args.mirroring)
    predicted = partial(lesion_opinions, model.network, window=window)
    regions = load(args.regions)
    pool = load_pool(args.data, args.cache)
    for anatomy in (one for one in pool.anatomies if one.t1 is not None):
        scores = scan_scores(model.network, anatomy, window=window, settings=settings, alone=args.alone)
        result["scans"] += [asdict(score) for score in scores]
    if args.patches:
        of_patches = synthetic_scores(model.network, pool, patches=args.patches, size=patch, settings=settings)
        result["synthetic"] = [asdict(score) for score in of_patches]
    for name in COMPLETE_OR_NEARLY:
        pair = read_real_pair(args.data / "open_ms_data" / "longitudinal" / name, regions)
        maps, alone = predicted(pair.baseline, pair.follow_up)
        result["real"] += [asdict(real_score(pair, *maps, thresholds, alone)) for thresholds in settings]
        for seed in range(args.rescans):
            scans = pair.follow_up, rescanned(pair.follow_up, seed)
            maps, alone = predicted(*scans)
            result["rescan"] += [asdict(rescan_score(name, seed, scans, maps, one, alone)) for one in settings]
        log.info("%s done", name)
    args.out.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
