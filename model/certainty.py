"""How certain the direction of a change is: the part of other readings of the pair that come to the same.

A reading takes one opinion of each scan and one threshold for both, and measures the group's volumes anew:

    opinions of a scan: the network given the other scan; the network given the scan itself, where it was asked
    thresholds:         0.1, 0.2, ... 0.9

Voxels that were given to both masks because FLAIR does not differ (decision 0011) are read with the surer of the two
probabilities. Swapping the time points changes nothing.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32
from numpy.typing import NDArray

from model.rules import Rules
from model.statuses import DIRECTION, Status, status_of

THRESHOLDS = tuple(n / 10 for n in range(1, 10))

Part = Float32[NDArray[Any], "d h w"]
"""Lesion probability in the box of a group."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupOpinions:
    """What the network says of one group and its surroundings, in one box."""

    baseline: tuple[Part, ...]
    """The first is the one that the mask was made from."""
    follow_up: tuple[Part, ...]
    before: Bool[NDArray[Any], "d h w"]
    after: Bool[NDArray[Any], "d h w"]
    zone: Bool[NDArray[Any], "d h w"]
    """Voxels that may be the group's in another reading."""
    threshold: float
    """That the masks were made with: a voxel of a mask below it was given to both."""
    voxel_mm3: float


def certainty(status: Status, opinions: GroupOpinions, rules: Rules) -> float | None:
    """Part of the readings with the direction of `status`, 0 to 1; None of an indeterminate one.

    A reading in which no lesion is left at either time has no direction.
    """
    direction = DIRECTION.get(status)
    if direction is None:
        return None
    given = opinions.before & (opinions.baseline[0] < opinions.threshold)
    given |= opinions.after & (opinions.follow_up[0] < opinions.threshold)
    readings = [
        _direction(first, second, rules)
        for baseline in opinions.baseline
        for follow_up in opinions.follow_up
        for first, second in _volumes(baseline, follow_up, given, opinions)
    ]
    return readings.count(direction) / len(readings)


def _volumes(
    baseline: Part, follow_up: Part, given: Bool[NDArray[Any], "d h w"], opinions: GroupOpinions
) -> list[tuple[float, float]]:
    surer = np.maximum(baseline, follow_up)
    first, second = (np.where(given, surer, part)[opinions.zone] for part in (baseline, follow_up))
    counts = [(int((first >= t).sum()), int((second >= t).sum())) for t in THRESHOLDS]
    return [(a * opinions.voxel_mm3, b * opinions.voxel_mm3) for a, b in counts]


def _direction(baseline_mm3: float, follow_up_mm3: float, rules: Rules) -> int | None:
    first, second = rules.lesion_mm3(baseline_mm3), rules.lesion_mm3(follow_up_mm3)
    return None if first == second == 0 else DIRECTION[status_of(first, second, rules)]
