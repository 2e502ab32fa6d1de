"""How certain the direction of a change is: the part of other readings of the pair that come to the same.

A reading takes one opinion of each scan and one threshold for both, and measures the group's volumes anew:

    opinions of a scan: the network given the other scan; the network given the scan itself, where it was asked
    thresholds:         0.1, 0.2, ... 0.9

Voxels that were given to both masks because FLAIR does not differ (decision 0011) are read with the surer of the two
probabilities. Swapping the time points changes nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32
from numpy.typing import NDArray

from model.grid import Grid
from model.local_growth import local_direction
from model.rules import Rules
from model.statuses import DIRECTION, Status, status_of

THRESHOLDS = tuple(n / 10 for n in range(1, 10))

Mask = Bool[NDArray[Any], "d h w"]
Part = Float32[NDArray[Any], "d h w"]
"""Lesion probability in the box of a group."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupOpinions:
    """What the network says of one group and its surroundings, in one box."""

    baseline: tuple[Part, ...]
    """The first is the one that the mask was made from."""
    follow_up: tuple[Part, ...]
    before: Mask
    after: Mask
    zone: Mask
    """Voxels that may be the group's in another reading."""
    threshold: float
    """That the masks were made with: a voxel of a mask below it was given to both."""
    grid: Grid
    """Of the box."""


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
        _direction(first, second, opinions.grid, rules)
        for baseline in opinions.baseline
        for follow_up in opinions.follow_up
        for first, second in _read(baseline, follow_up, given, opinions)
    ]
    return readings.count(direction) / len(readings)


def _read(baseline: Part, follow_up: Part, given: Mask, opinions: GroupOpinions) -> Iterable[tuple[Mask, Mask]]:
    """The group's masks at each threshold."""
    surer = np.maximum(baseline, follow_up)
    first, second = (np.where(given, surer, part) for part in (baseline, follow_up))
    for threshold in THRESHOLDS:
        yield (first >= threshold) & opinions.zone, (second >= threshold) & opinions.zone


def _direction(before: Mask, after: Mask, grid: Grid, rules: Rules) -> int | None:
    first, second = (rules.lesion_mm3(grid.marked_mm3(mask)) for mask in (before, after))
    if first == second == 0:
        return None
    by_volume = DIRECTION[status_of(first, second, rules)]
    return by_volume or local_direction(before, after, grid, rules)
