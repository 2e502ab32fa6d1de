"""A real scan as another scanner would give it: between the two nothing changed, so nothing may be reported.

Only the images differ: contrast curve, bias field, blur, slice thickness and noise are drawn anew (`model/scanner.py`);
the head does not move.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

from model.calling import Probability, Thresholds, call_lesions
from model.change_scores import change_table
from model.grid import network_grid
from model.scanner import acquire, draw_acquisition
from model.statuses import Status

Scan = Float32[NDArray[np.float32], "2 d h w"]

DARKEST_PERCENTILE = 0.5
"""Of the brain: what becomes zero before the scanner's contrast curve is applied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RescanScore:
    """What is reported between a scan and itself under another scanner; every changed lesion is false."""

    name: str
    seed: int
    thresholds: Thresholds
    lesions: int
    """Counted (14 mm3 and more) at either time."""
    false: dict[str, int]
    """Counted lesions by status: new, enlarging, shrinking, resolved."""


def rescanned(scan: Scan, seed: int) -> Scan:
    """The scan, z-scored in the brain as before, as another scanner would give it; zero stays zero.

    Raises:
        ValueError: a channel is zero everywhere.
    """
    rng = np.random.default_rng(seed)
    brain = scan.any(axis=0)
    if not all(channel[brain].any() for channel in scan):
        raise ValueError("scan: a channel is zero everywhere")
    channels = []
    for channel in scan:
        dark, middle = np.percentile(channel[brain], DARKEST_PERCENTILE), np.median(channel[brain])
        clean = np.where(brain, (channel - dark) / (middle - dark), 0.0).astype(np.float32)
        image = acquire(clean, draw_acquisition(rng))
        channels.append(np.where(brain, (image - image[brain].mean()) / image[brain].std(), 0.0))
    return np.stack(channels).astype(np.float32)


def rescan_score(
    name: str,
    seed: int,
    scans: tuple[Scan, Scan],
    probability: tuple[Probability, Probability],
    thresholds: Thresholds,
    alone: Sequence[Probability] = (),
) -> RescanScore:
    """The change table between a scan on a 1 mm network grid and its rescan, from the probability of both."""
    masks = call_lesions(*probability, thresholds, (scans[0][1], scans[1][1]), alone=alone)
    analysis = change_table((np.asarray(masks[0]), masks[1]), network_grid(masks[1].shape))
    counted = [change.status for change in analysis.changes if change.counted]
    changed = (Status.NEW, Status.ENLARGING, Status.SHRINKING, Status.RESOLVED)
    return RescanScore(
        name=name,
        seed=seed,
        thresholds=thresholds,
        lesions=len(counted),
        false={status.value: counted.count(status) for status in changed},
    )
