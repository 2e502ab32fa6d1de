"""How well the lesions of real scans are found whose readers marked every lesion."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model.anatomy import Anatomy
from model.calling import Mask, Thresholds, call_lesions
from model.grid import network_grid
from model.held_out_pairs import real_pair
from model.lesions import find_lesions
from model.metrics import Scores, score
from model.network import PairNetwork
from model.sliding_window import WindowSettings, lesion_opinions, lesion_probabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanScore:
    """A scan beside a simulated rescan of itself, or alone; lesions below 3 mm3 are dropped from both masks."""

    name: str
    thresholds: Thresholds
    scores: Scores
    lesions: int
    """Of the readers' consensus."""
    found: int
    """Those of which a voxel is predicted."""
    false: int
    """Predicted lesions without any voxel of the consensus."""
    volume_ml: tuple[float, float]
    """Of the consensus and of the prediction."""


def scan_scores(
    network: PairNetwork,
    anatomy: Anatomy,
    *,
    window: WindowSettings,
    settings: Sequence[Thresholds],
    alone: bool = False,
) -> list[ScanScore]:
    """Scores at each setting; whether the network was trained on the scan is for the caller to know.

    Args:
        network: what is scored.
        anatomy: a real scan.
        window: how it is computed.
        settings: of the calling.
        alone: the scan is its own prior, as in single time point mode; otherwise a simulated rescan is.

    Raises:
        ValueError: the anatomy is no real scan.
    """
    pair = real_pair(anatomy)
    if alone:
        _, current = lesion_probabilities(network, pair.current, pair.current, window)
        masks = [call_lesions(None, current, one)[1] for one in settings]
    else:
        maps, own = lesion_opinions(network, pair.prior, pair.current, window)
        flair = pair.prior[1], pair.current[1]
        masks = [call_lesions(*maps, one, flair, alone=own)[1] for one in settings]
    return [scan_score(anatomy.name, pair.target, *called) for called in zip(masks, settings, strict=True)]


def scan_score(name: str, truth: Mask, prediction: Mask, thresholds: Thresholds) -> ScanScore:
    """Of two masks on a 1 mm network grid."""
    true, predicted = find_lesions(truth, 1.0), find_lesions(prediction, 1.0)
    met = set(np.unique(true.labels[predicted.mask])) - {0}
    right = set(np.unique(predicted.labels[true.mask])) - {0}
    return ScanScore(
        name=name,
        thresholds=thresholds,
        scores=score(truth, prediction, network_grid(truth.shape)),
        lesions=len(true.volumes_mm3),
        found=len(met),
        false=len(predicted.volumes_mm3) - len(right),
        volume_ml=(round(int(true.mask.sum()) / 1000, 2), round(int(predicted.mask.sum()) / 1000, 2)),
    )
