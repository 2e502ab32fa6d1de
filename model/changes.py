"""What changed between two lesion masks, by the measurement rules (docs/architecture.md, version 1.0).

    baseline   (A)   (B)---(C)        an edge joins lesions that overlap within 1 mm;
                |      \\   /          what hangs together is a group: one row of the table
    follow-up  (1)      (2)     (3)   A-1; B+C-2 (merged); 3 is new
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from model.grid import Grid
from model.lesions import COUNTED_MM3, LesionMap, centroid_mm, find_lesions

DILATION_MM = 1.0
"""Lesions of the two time points are compared with this slack: half of a typical registration error and voxel."""
OVERLAP_PART = 0.10
"""An edge joins lesions that share at least this part of the smaller."""
GROWTH_FACTOR = 1.5
"""enlarging from this ratio of volumes on; shrinking from its inverse."""
GROWTH_MM3 = 14.0
"""... and at least this difference of volumes: the smallest lesion that counts."""
UNSEEN_PART = 0.10
"""A lesion of which more than this was not seen in both studies is indeterminate."""


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
    change_map: UInt8[NDArray[Any], "d h w"] | None
    """`LABELS` of each voxel of either mask; None in single time point mode."""


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
    voxel_mm3 = float(abs(np.linalg.det(masks.grid.affine[:3, :3])))
    follow_up = find_lesions(masks.follow_up, voxel_mm3)
    baseline = None if masks.baseline is None else find_lesions(masks.baseline, voxel_mm3)
    group_of_baseline, group_of_follow_up = _groups(baseline, follow_up, masks.grid)
    at_follow_up = group_of_follow_up[follow_up.labels]
    at_baseline = np.zeros_like(at_follow_up) if baseline is None else group_of_baseline[baseline.labels]
    count = int(max(group_of_follow_up.max(), group_of_baseline.max()))
    either = np.where(at_follow_up > 0, at_follow_up, at_baseline).astype(np.int32)
    boxes = ndimage.find_objects(either, max_label=count)
    changes = tuple(
        _change(number, box, at_baseline, at_follow_up, baseline, follow_up, masks)
        for number, box in enumerate(boxes, start=1)
        if box is not None
    )
    return ChangeAnalysis(
        changes=changes,
        baseline=baseline,
        follow_up=follow_up,
        groups=either,
        change_map=None if baseline is None else _change_map(either, changes),
    )


def status_of(baseline_mm3: float, follow_up_mm3: float) -> Status:
    """The status by volumes alone; a volume of zero means that there is no lesion at that time."""
    if baseline_mm3 <= 0:
        return Status.NEW
    if follow_up_mm3 <= 0:
        return Status.RESOLVED
    difference = follow_up_mm3 - baseline_mm3
    if follow_up_mm3 / baseline_mm3 >= GROWTH_FACTOR and difference >= GROWTH_MM3:
        return Status.ENLARGING
    if baseline_mm3 / follow_up_mm3 >= GROWTH_FACTOR and -difference >= GROWTH_MM3:
        return Status.SHRINKING
    return Status.STABLE


def within(mask: Bool[NDArray[Any], "d h w"], grid: Grid, distance_mm: float) -> Bool[NDArray[Any], "d h w"]:
    """Voxels whose centre lies at most `distance_mm` from the centre of a voxel of the mask."""
    if not mask.any():
        return mask
    spacing = np.linalg.norm(grid.affine[:3, :3], axis=0)
    return np.asarray(ndimage.distance_transform_edt(~mask, sampling=spacing) <= distance_mm + 1e-6)


def edges(baseline: LesionMap, follow_up: LesionMap, grid: Grid) -> set[tuple[int, int]]:
    """Pairs (baseline label, follow-up label) that overlap enough, seen from either side (decision 0003)."""
    forward = _overlaps(baseline, follow_up, grid)
    backward = {(b, f): voxels for (f, b), voxels in _overlaps(follow_up, baseline, grid).items()}
    voxel_mm3 = float(abs(np.linalg.det(grid.affine[:3, :3])))
    found = set()
    for pair in forward.keys() | backward.keys():
        smaller = min(baseline.volumes_mm3[pair[0] - 1], follow_up.volumes_mm3[pair[1] - 1])
        shared = max(forward.get(pair, 0), backward.get(pair, 0)) * voxel_mm3
        if shared >= OVERLAP_PART * smaller - 1e-9:
            found.add(pair)
    return found


def _overlaps(grown: LesionMap, other: LesionMap, grid: Grid) -> dict[tuple[int, int], int]:
    """Voxels of each lesion of `other` inside each lesion of `grown` dilated by 1 mm."""
    reach = int(np.ceil(DILATION_MM / np.linalg.norm(grid.affine[:3, :3], axis=0).min())) + 1
    shared: dict[tuple[int, int], int] = {}
    for label, box in enumerate(ndimage.find_objects(grown.labels.astype(np.int32)), start=1):
        wide = tuple(slice(max(0, s.start - reach), s.stop + reach) for s in box)
        near = other.labels[wide]
        if not near.any():
            continue
        inside = near[within(grown.labels[wide] == label, grid, DILATION_MM)]
        counts = np.bincount(inside)
        shared.update({(label, int(n)): int(counts[n]) for n in np.flatnonzero(counts) if n > 0})
    return shared


def _groups(
    baseline: LesionMap | None, follow_up: LesionMap, grid: Grid
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Group id of each baseline and follow-up label (index 0: background, id 0); ids start at 1."""
    n_follow_up = len(follow_up.volumes_mm3)
    n_baseline = 0 if baseline is None else len(baseline.volumes_mm3)
    pairs = set() if baseline is None else edges(baseline, follow_up, grid)
    rows = [f - 1 for _, f in pairs]
    columns = [n_follow_up + b - 1 for b, _ in pairs]
    size = n_follow_up + n_baseline
    graph = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(size, size))
    _, component = connected_components(graph, directed=False)
    order = _in_order(component.tolist())
    ids = np.array([order[c] for c in component.tolist()], np.int32)
    zero = np.zeros(1, np.int32)
    return np.concatenate([zero, ids[n_follow_up:]]), np.concatenate([zero, ids[:n_follow_up]])


def _in_order(components: Iterable[int]) -> dict[int, int]:
    """1, 2, 3, ... in the order in which the components first occur: follow-up lesions, then resolved ones."""
    order: dict[int, int] = {}
    for component in components:
        order.setdefault(component, len(order) + 1)
    return order


def _change(
    number: int,
    box: tuple[slice, ...],
    at_baseline: NDArray[np.int32],
    at_follow_up: NDArray[np.int32],
    baseline: LesionMap | None,
    follow_up: LesionMap,
    masks: Masks,
) -> LesionChange:
    whole = _union_box(box, at_baseline, number)
    before, after = at_baseline[whole] == number, at_follow_up[whole] == number
    voxel_mm3 = float(abs(np.linalg.det(masks.grid.affine[:3, :3])))
    before_mm3, after_mm3 = before.sum() * voxel_mm3, after.sum() * voxel_mm3
    status = None if baseline is None else status_of(before_mm3, after_mm3)
    unseen = (before | after) & ~masks.seen_in_both[whole]
    if baseline is not None and unseen.sum() > UNSEEN_PART * (before | after).sum():
        status = Status.INDETERMINATE
    new_part = after & ~within(before, masks.grid, DILATION_MM) if status is Status.ENLARGING else np.zeros_like(after)
    place = np.zeros(at_follow_up.shape, bool)
    place[whole] = after if after.any() else before
    return LesionChange(
        id=number,
        status=status,
        baseline_mm3=None if baseline is None else float(before_mm3),
        follow_up_mm3=float(after_mm3),
        new_part_mm3=float(new_part.sum() * voxel_mm3),
        baseline_components=0 if baseline is None else _count(baseline, whole, before),
        follow_up_components=_count(follow_up, whole, after),
        centroid_mm=centroid_mm(place, masks.grid),
        probability=_highest(masks, whole, before, after),
    )


def _union_box(box: tuple[slice, ...], at_baseline: NDArray[np.int32], number: int) -> tuple[slice, ...]:
    """The box with what `either` hides: baseline voxels of this group under follow-up voxels of another."""
    found = ndimage.find_objects((at_baseline == number).astype(np.uint8))
    if not found:
        return box
    return tuple(slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(box, found[0], strict=True))


def _count(lesions: LesionMap, box: tuple[slice, ...], mask: NDArray[np.bool_]) -> int:
    return len(np.unique(lesions.labels[box][mask]))


def _highest(masks: Masks, box: tuple[slice, ...], before: NDArray[np.bool_], after: NDArray[np.bool_]) -> float:
    values = [masks.follow_up_probability[box][after]]
    if masks.baseline_probability is not None:
        values.append(masks.baseline_probability[box][before])
    return float(min(1.0, max((float(v.max()) for v in values if v.size), default=0.0)))


def _change_map(groups: NDArray[np.int32], changes: tuple[LesionChange, ...]) -> NDArray[np.uint8]:
    table = np.zeros(int(groups.max()) + 1, np.uint8)
    for change in changes:
        if change.status is not None:
            table[change.id] = LABELS[change.status]
    return np.asarray(table[groups])
