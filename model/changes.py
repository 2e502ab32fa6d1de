"""What changed between two lesion masks, by the measurement rules (docs/architecture.md, version 1.3)."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from numpy.typing import NDArray

from model.certainty import GroupOpinions, certainty
from model.grid import Grid
from model.group_masks import GroupLabels, GroupMasks, placed, widened
from model.lesions import COUNTED_MM3, LesionMap, centroid_mm, find_lesions
from model.overlaps import Edge, Groups, edges, group, within
from model.rules import ROUNDING, Rules
from model.statuses import LABELS, Status, status_of_masks

AS_SHIPPED = Rules()
READ_WITHIN_MM = 1.0
"""Another reading of a group may reach this far beyond its masks."""


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
    """World of the grid: of what is there at follow-up, or of what was at baseline where nothing is left."""
    probability: float
    """Highest lesion probability in the group, either time point."""
    counted_from_mm3: float = COUNTED_MM3
    """By the rules that it was measured by."""
    baseline_centroid_mm: tuple[float, float, float] | None = None
    """Likewise of what was there at baseline, or of what is at follow-up where nothing was; None: one scan."""
    certainty: float | None = None
    """That the direction of its status is right, 0 to 1; None without one, or without probabilities."""

    @property
    def largest_mm3(self) -> float:
        """Volume at the larger of its time points."""
        return max(self.baseline_mm3 or 0.0, self.follow_up_mm3)

    @property
    def counted(self) -> bool:
        """Whether it is large enough to count."""
        return self.largest_mm3 >= self.counted_from_mm3 - ROUNDING


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
    baseline_opinions: tuple[Float32[NDArray[Any], "d h w"], ...] = ()
    """Of lesion probability, beside the one above."""
    follow_up_opinions: tuple[Float32[NDArray[Any], "d h w"], ...] = ()
    threshold: float = 0.5
    """From which probability on the masks hold a voxel."""


def compare(masks: Masks, rules: Rules = AS_SHIPPED) -> ChangeAnalysis:
    """The change table; without a baseline the follow-up's lesions with no status."""
    volume, smallest = masks.grid.voxel_volume_mm3, rules.smallest_mm3
    follow_up = find_lesions(masks.follow_up, volume, smallest_mm3=smallest)
    baseline = None if masks.baseline is None else find_lesions(masks.baseline, volume, smallest_mm3=smallest)
    joined = set() if baseline is None else edges(baseline, follow_up, masks.grid, rules)
    return compare_lesions(masks, (baseline, follow_up), joined, rules)


def compare_lesions(
    masks: Masks, lesions: tuple[LesionMap | None, LesionMap], joined: Collection[Edge], rules: Rules = AS_SHIPPED
) -> ChangeAnalysis:
    """The change table of lesions that are found and joined already.

    Args:
        masks: that the lesions were found in.
        lesions: of baseline and follow-up.
        joined: their overlaps (`model.overlaps.edges`); none without a baseline.
        rules: that they were found and joined by.
    """
    baseline, follow_up = lesions
    groups = group(baseline, follow_up, joined)
    labels = GroupLabels.of(baseline, follow_up, groups)
    table = _Table(masks=masks, lesions=lesions, labels=labels, rules=rules)
    changes = tuple(table.row(one) for one in labels.masks(groups.count))
    return ChangeAnalysis(
        changes=changes,
        baseline=baseline,
        follow_up=follow_up,
        groups=labels.either,
        group_of=groups,
        change_map=None if baseline is None else _change_map(labels.either, changes),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Table:
    masks: Masks
    lesions: tuple[LesionMap | None, LesionMap]
    labels: GroupLabels
    rules: Rules

    def row(self, one: GroupMasks) -> LesionChange:
        grid = self.masks.grid.crop(one.box)
        before, after = one.before, one.after
        volumes = grid.marked_mm3(before), grid.marked_mm3(after)
        status, sure = self._status(one)
        grown = status is Status.ENLARGING
        return LesionChange(
            id=one.id,
            status=status,
            baseline_mm3=None if status is None else volumes[0],
            follow_up_mm3=volumes[1],
            new_part_mm3=grid.marked_mm3(after & ~within(before, grid, self.rules.dilation_mm)) if grown else 0.0,
            baseline_components=self._components(0, before, one),
            follow_up_components=self._components(1, after, one),
            centroid_mm=centroid_mm(after if after.any() else before, grid),
            probability=self._highest_probability(one),
            counted_from_mm3=self.rules.counted_mm3,
            baseline_centroid_mm=None if status is None else centroid_mm(before if before.any() else after, grid),
            certainty=sure,
        )

    def _status(self, one: GroupMasks) -> tuple[Status | None, float | None]:
        """The status, and how certain its direction is."""
        if self.lesions[0] is None:
            return None, None
        seen, grid = self.masks.seen_in_both[one.box], self.masks.grid.crop(one.box)
        status = status_of_masks(one.before, one.after, seen, grid, self.rules)
        if status is Status.INDETERMINATE:
            return status, None
        sure = self._certainty(status, one)
        doubtful = status is not Status.STABLE and sure is not None and sure < self.rules.least_certainty
        return (Status.INDETERMINATE, None) if doubtful else (status, sure)

    def _certainty(self, status: Status, one: GroupMasks) -> float | None:
        masks = self.masks
        if masks.baseline_probability is None:
            return None
        box = widened(one.box, 1 + int(READ_WITHIN_MM / min(masks.grid.spacing)), masks.grid.shape)
        before, after = placed(one.before, one.box, box), placed(one.after, one.box, box)
        near = within(before | after, masks.grid.crop(box), READ_WITHIN_MM)
        opinions = GroupOpinions(
            baseline=tuple(p[box] for p in (masks.baseline_probability, *masks.baseline_opinions)),
            follow_up=tuple(p[box] for p in (masks.follow_up_probability, *masks.follow_up_opinions)),
            before=before,
            after=after,
            zone=(near & ~self.labels.others(one.id, box)) | before | after,
            threshold=masks.threshold,
            grid=masks.grid.crop(box),
        )
        return certainty(status, opinions, self.rules)

    def _components(self, time: int, mask: NDArray[np.bool_], one: GroupMasks) -> int:
        lesions = self.lesions[time]
        return 0 if lesions is None else len(np.unique(lesions.labels[one.box][mask]))

    def _highest_probability(self, one: GroupMasks) -> float:
        values = [self.masks.follow_up_probability[one.box][one.after]]
        if self.masks.baseline_probability is not None:
            values.append(self.masks.baseline_probability[one.box][one.before])
        return float(min(1.0, max((float(v.max()) for v in values if v.size), default=0.0)))


def _change_map(groups: NDArray[np.int32], changes: tuple[LesionChange, ...]) -> NDArray[np.uint8]:
    table = np.zeros(len(changes) + 1, np.uint8)
    for change in changes:
        if change.status is not None:
            table[change.id] = LABELS[change.status]
    return np.asarray(table[groups])
