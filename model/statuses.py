"""What happened to a group of lesions, by its volumes, by what was not seen, and by the noise of measuring."""

from enum import StrEnum
from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray

from model.grid import Grid
from model.local_growth import local_direction
from model.repeatability import change_limit
from model.rules import ROUNDING, Rules

Mask = Bool[NDArray[Any], "d h w"]


class Status(StrEnum):
    """What happened to a group; `LABELS` are its voxel values in a change map."""

    NEW = "new"
    ENLARGING = "enlarging"
    STABLE = "stable"
    SHRINKING = "shrinking"
    RESOLVED = "resolved"
    INDETERMINATE = "indeterminate"


LABELS: dict[Status, int] = {status: number for number, status in enumerate(Status, start=1)}

OPPOSITE: dict[Status, Status] = {
    Status.NEW: Status.RESOLVED,
    Status.RESOLVED: Status.NEW,
    Status.ENLARGING: Status.SHRINKING,
    Status.SHRINKING: Status.ENLARGING,
    Status.STABLE: Status.STABLE,
    Status.INDETERMINATE: Status.INDETERMINATE,
}
"""The status when baseline and follow-up are swapped."""

DIRECTION: dict[Status, int] = {
    Status.NEW: 1,
    Status.ENLARGING: 1,
    Status.STABLE: 0,
    Status.SHRINKING: -1,
    Status.RESOLVED: -1,
}
"""More, the same or less; an indeterminate status has none."""

BY_PLACE = {1: Status.ENLARGING, 0: Status.STABLE, -1: Status.SHRINKING}
"""The status of what is there at both times, by the place where it grew or shrank (`local_direction`)."""


def status_of(baseline_mm3: float, follow_up_mm3: float, rules: Rules) -> Status:
    """The status by volumes alone; a volume of zero means that there is no lesion at that time."""
    if baseline_mm3 <= 0:
        return Status.NEW
    if follow_up_mm3 <= 0:
        return Status.RESOLVED
    if _has_grown(baseline_mm3, follow_up_mm3, rules):
        return Status.ENLARGING
    if _has_grown(follow_up_mm3, baseline_mm3, rules):
        return Status.SHRINKING
    return Status.STABLE


def status_with_unseen(
    baseline_mm3: float, follow_up_mm3: float, unseen_mm3: tuple[float, float, float], rules: Rules
) -> Status:
    """The status by volumes, or `indeterminate` where it depends on what was not seen in both studies.

    Each unseen voxel of the group may or may not have been lesion at either time. When the two extremes of that
    disagree on the direction (activity, none, regression), nothing can be said.

    Args:
        baseline_mm3: volume of the group at baseline.
        follow_up_mm3: the same at follow-up.
        unseen_mm3: volume not seen in both, of the baseline, of the follow-up, and of the two together.
        rules: of measurement.
    """
    measured = status_of(baseline_mm3, follow_up_mm3, rules)
    if unseen_mm3[2] <= 0:
        return measured
    sure = (baseline_mm3 - unseen_mm3[0], follow_up_mm3 - unseen_mm3[1])
    most = (sure[0] + unseen_mm3[2], sure[1] + unseen_mm3[2])
    directions = {
        DIRECTION[measured],
        DIRECTION[status_of(rules.lesion_mm3(sure[0]), rules.lesion_mm3(most[1]), rules)],
        DIRECTION[status_of(rules.lesion_mm3(most[0]), rules.lesion_mm3(sure[1]), rules)],
    }
    return measured if len(directions) == 1 else Status.INDETERMINATE


def status_of_masks(before: Mask, after: Mask, seen: Mask, grid: Grid, rules: Rules) -> Status:
    """The status of a group, in which growth counts by the ratio of its volumes or by the place where it lies.

    `indeterminate` where it depends on what was not seen in both studies, or where a lesion seems to grow or shrink by
    its volumes, but by no more than noise. That is the noise of the whole; a part as large as a lesion, where none was,
    is no noise of it, however large the rest is.

    Args:
        before: the group at baseline.
        after: at follow-up.
        seen: what both studies show.
        grid: of all three.
        rules: of measurement.
    """
    volumes = grid.marked_mm3(before), grid.marked_mm3(after)
    unseen = [grid.marked_mm3(mask & ~seen) for mask in (before, after, before | after)]
    status = status_with_unseen(*volumes, (unseen[0], unseen[1], unseen[2]), rules)
    if status is Status.STABLE:
        return BY_PLACE[local_direction(before & seen, after & seen, grid, rules)]
    by_ratio = status in {Status.ENLARGING, Status.SHRINKING}
    return Status.INDETERMINATE if by_ratio and is_noise(*volumes, rules) else status


def is_noise(baseline_mm3: float, follow_up_mm3: float, rules: Rules) -> bool:
    """Whether two volumes differ by no more than they do where nothing changes (95 % limits of agreement).

    What comes or goes whole has no ratio of volumes and is not judged here.
    """
    if baseline_mm3 <= 0 or follow_up_mm3 <= 0:
        return False
    between = float(np.sqrt(baseline_mm3 * follow_up_mm3))
    return abs(float(np.log(follow_up_mm3) - np.log(baseline_mm3))) <= change_limit(between, rules.noise)


def _has_grown(before_mm3: float, after_mm3: float, rules: Rules) -> bool:
    enough = after_mm3 - before_mm3 >= rules.growth_mm3 - ROUNDING
    return enough and after_mm3 / before_mm3 >= rules.growth_factor - ROUNDING
