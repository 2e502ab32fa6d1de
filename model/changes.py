"""What changed between two lesion masks, by the measurement rules (docs/architecture.md, version 1.1)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from numpy.typing import NDArray
from scipy import ndimage

from model.grid import Grid
from model.lesions import COUNTED_MM3, SMALLEST_MM3, LesionMap, centroid_mm, find_lesions
from model.overlaps import DILATION_MM, ROUNDING, Groups, group, within

GROWTH_FACTOR = 1.5
"""enlarging from this ratio of volumes on, shrinking from its inverse (measurement rules, status)."""
GROWTH_MM3 = 14.0
"""... and at least this difference of volumes: the smallest lesion that counts (measurement rules, status)."""


class Status(StrEnum):
    """What happened to a group; `LABELS` are its voxel values in a change map."""

    NEW = "new"
    ENLARGING = "enlarging"
    STABLE = "stable"
    SHRINKING = "shrinking"
    RESOLVED = "resolved"
    INDETERMINATE = "indeterminate"


Box = tuple[slice, slice, slice]
"""Where a group lies, in voxels."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionChange:
    """One group of lesions that hang together over the two time points."""

    id: int
    status: Status | None
    """None in single time point mode."""
    baseline_mm3: float | None
    follow_up_mm3: float
    new_part_mm3: float
    """Of an enlarging group: follow-up volume more than 1 mm away from the old lesion."""
    baseline_components: int
    follow_up_components: int
    centroid_mm: tuple[float, float, float]
    """World of the grid."""
    probability: float
    """Highest lesion probability in the group, either time point."""

    @property
    def largest_mm3(self) -> float:
        """Volume at the larger of its time points."""
        return max(self.baseline_mm3 or 0.0, self.follow_up_mm3)

    @property
    def counted(self) -> bool:
        """At least 14 mm3."""
        return self.largest_mm3 >= COUNTED_MM3 - 1e-9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChangeAnalysis:
    """The change table, and the masks it was measured on (components of at least 3 mm3)."""

    changes: tuple[LesionChange, ...]
    baseline: LesionMap | None
    follow_up: LesionMap
    groups: NDArray[np.int32]
    """Id of the group at each voxel of either mask, 0 elsewhere."""
    group_of: Groups
    """Id of the group of each lesion of either map."""
    change_map: UInt8[NDArray[Any], "d h w"] | None
    """`LABELS` of each voxel of either mask; None in single time point mode.

    A follow-up voxel carries its group's status; a voxel of the baseline alone carries it too, so that what vanished
    of a shrinking lesion can be seen. Where both lie, the follow-up's group stands.
    """


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Masks:
    """What `compare` works on; every array on one grid."""

    baseline: Bool[NDArray[Any], "d h w"] | None
    follow_up: Bool[NDArray[Any], "d h w"]
    baseline_probability: Float32[NDArray[Any], "d h w"] | None
    follow_up_probability: Float32[NDArray[Any], "d h w"]
    seen_in_both: Bool[NDArray[Any], "d h w"]
    grid: Grid


def compare(masks: Masks) -> ChangeAnalysis:
    """The change table; without a baseline the follow-up's lesions with no status."""
    follow_up = find_lesions(masks.follow_up, masks.grid.voxel_volume_mm3)
    baseline = None if masks.baseline is None else find_lesions(masks.baseline, masks.grid.voxel_volume_mm3)
    groups = group(baseline, follow_up, masks.grid)
    table = _Table(masks=masks, baseline=baseline, follow_up=follow_up, groups=groups)
    changes = tuple(table.rows())
    either = np.where(table.at_follow_up > 0, table.at_follow_up, table.at_baseline)
    return ChangeAnalysis(
        changes=changes,
        baseline=baseline,
        follow_up=follow_up,
        groups=either,
        group_of=groups,
        change_map=None if baseline is None else _change_map(either, changes),
    )


def status_of(baseline_mm3: float, follow_up_mm3: float) -> Status:
    """The status by volumes alone; a volume of zero means that there is no lesion at that time."""
    if baseline_mm3 <= 0:
        return Status.NEW
    if follow_up_mm3 <= 0:
        return Status.RESOLVED
    if _has_grown(baseline_mm3, follow_up_mm3):
        return Status.ENLARGING
    if _has_grown(follow_up_mm3, baseline_mm3):
        return Status.SHRINKING
    return Status.STABLE


def status_with_unseen(baseline_mm3: float, follow_up_mm3: float, unseen_mm3: tuple[float, float, float]) -> Status:
    """The status by volumes, or `indeterminate` where it depends on what was not seen in both studies.

    Each unseen voxel of the group may or may not have been lesion at either time. When the two extremes of that
    disagree on the direction (activity, none, regression), nothing can be said.

    Args:
        baseline_mm3: volume of the group at baseline.
        follow_up_mm3: the same at follow-up.
        unseen_mm3: volume not seen in both, of the baseline, of the follow-up, and of the two together.
    """
    measured = status_of(baseline_mm3, follow_up_mm3)
    if unseen_mm3[2] <= 0:
        return measured
    sure = (baseline_mm3 - unseen_mm3[0], follow_up_mm3 - unseen_mm3[1])
    most = (sure[0] + unseen_mm3[2], sure[1] + unseen_mm3[2])
    directions = {
        _DIRECTION[measured],
        _DIRECTION[status_of(_lesion(sure[0]), _lesion(most[1]))],
        _DIRECTION[status_of(_lesion(most[0]), _lesion(sure[1]))],
    }
    return measured if len(directions) == 1 else Status.INDETERMINATE


_DIRECTION = {Status.NEW: 1, Status.ENLARGING: 1, Status.STABLE: 0, Status.SHRINKING: -1, Status.RESOLVED: -1}


def _has_grown(before_mm3: float, after_mm3: float) -> bool:
    enough = after_mm3 - before_mm3 >= GROWTH_MM3 - ROUNDING
    return enough and after_mm3 / before_mm3 >= GROWTH_FACTOR - ROUNDING


def _lesion(volume_mm3: float) -> float:
    """The volume, or 0 where it would have been dropped as too small."""
    return volume_mm3 if volume_mm3 >= SMALLEST_MM3 - ROUNDING else 0.0


class _Table:
    """The rows, each measured inside its own box: a pass over the whole grid for each lesion would take seconds."""

    def __init__(self, *, masks: Masks, baseline: LesionMap | None, follow_up: LesionMap, groups: Groups) -> None:
        self.masks = masks
        self.lesions = (baseline, follow_up)
        self.count = groups.count
        self.at_follow_up = groups.of_follow_up[follow_up.labels]
        self.at_baseline = np.zeros_like(self.at_follow_up) if baseline is None else groups.of_baseline[baseline.labels]

    def rows(self) -> list[LesionChange]:
        first = ndimage.find_objects(self.at_baseline, max_label=self.count)
        second = ndimage.find_objects(self.at_follow_up, max_label=self.count)
        return [self._row(n, _around(*boxes)) for n, boxes in enumerate(zip(first, second, strict=True), start=1)]

    def _row(self, number: int, box: Box) -> LesionChange:
        grid = self.masks.grid.crop(box)
        before, after = self.at_baseline[box] == number, self.at_follow_up[box] == number
        volumes = (_mm3(before, grid), _mm3(after, grid))
        status = None if self.lesions[0] is None else self._status(before, after, volumes, box)
        return LesionChange(
            id=number,
            status=status,
            baseline_mm3=None if status is None else volumes[0],
            follow_up_mm3=volumes[1],
            new_part_mm3=_mm3(after & ~within(before, grid, DILATION_MM), grid) if status is Status.ENLARGING else 0.0,
            baseline_components=self._components(0, before, box),
            follow_up_components=self._components(1, after, box),
            centroid_mm=centroid_mm(after if after.any() else before, grid),
            probability=self._highest_probability(before, after, box),
        )

    def _status(
        self, before: NDArray[np.bool_], after: NDArray[np.bool_], volumes: tuple[float, float], box: Box
    ) -> Status:
        unseen, grid = ~self.masks.seen_in_both[box], self.masks.grid
        parts = (before & unseen, after & unseen, (before | after) & unseen)
        return status_with_unseen(*volumes, (_mm3(parts[0], grid), _mm3(parts[1], grid), _mm3(parts[2], grid)))

    def _components(self, time: int, mask: NDArray[np.bool_], box: Box) -> int:
        lesions = self.lesions[time]
        return 0 if lesions is None else len(np.unique(lesions.labels[box][mask]))

    def _highest_probability(self, before: NDArray[np.bool_], after: NDArray[np.bool_], box: Box) -> float:
        values = [self.masks.follow_up_probability[box][after]]
        if self.masks.baseline_probability is not None:
            values.append(self.masks.baseline_probability[box][before])
        return float(min(1.0, max((float(v.max()) for v in values if v.size), default=0.0)))


def _around(first: Box | None, second: Box | None) -> Box:
    """The box around both; a group has voxels at one time point at least."""
    one, other = first or second, second or first
    if one is None or other is None:
        raise ValueError("first: the group has no voxel at either time point")
    a, b, c = (slice(min(s.start, t.start), max(s.stop, t.stop)) for s, t in zip(one, other, strict=True))
    return a, b, c


def _mm3(mask: NDArray[np.bool_], grid: Grid) -> float:
    return int(np.count_nonzero(mask)) * grid.voxel_volume_mm3


def _change_map(groups: NDArray[np.int32], changes: tuple[LesionChange, ...]) -> NDArray[np.uint8]:
    table = np.zeros(len(changes) + 1, np.uint8)
    for change in changes:
        if change.status is not None:
            table[change.id] = LABELS[change.status]
    return np.asarray(table[groups])
