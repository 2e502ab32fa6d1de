"""The voxels of each group at either time point, each in a box of its own.

A pass over the whole grid for each lesion would take seconds.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray
from scipy import ndimage

from model.lesions import LesionMap
from model.overlaps import Groups

Box = tuple[slice, slice, slice]
"""Where a group lies, in voxels."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupMasks:
    """One group; both masks are those of the box."""

    id: int
    box: Box
    before: Bool[NDArray[Any], "d h w"]
    """Empty without a baseline."""
    after: Bool[NDArray[Any], "d h w"]

    @property
    def larger(self) -> tuple[Bool[NDArray[Any], "d h w"], ...]:
        """The mask of the time point with the larger volume; both where they are alike: swapping changes nothing."""
        first, second = int(self.before.sum()), int(self.after.sum())
        if first == second:
            return self.before, self.after
        return (self.before,) if first > second else (self.after,)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupLabels:
    """Id of the group at each voxel of the lesions of either time point, 0 elsewhere."""

    baseline: NDArray[np.int32]
    follow_up: NDArray[np.int32]

    @staticmethod
    def of(baseline: LesionMap | None, follow_up: LesionMap, groups: Groups) -> "GroupLabels":
        """From the lesions and the group of each; all zero where there is no baseline."""
        after = groups.of_follow_up[follow_up.labels]
        before = np.zeros_like(after) if baseline is None else groups.of_baseline[baseline.labels]
        return GroupLabels(baseline=before, follow_up=after)

    @property
    def either(self) -> NDArray[np.int32]:
        """Where groups of both time points lie, the follow-up's stands."""
        return np.where(self.follow_up > 0, self.follow_up, self.baseline)

    def others(self, number: int, box: Box) -> Bool[NDArray[Any], "d h w"]:
        """Voxels of a box that are those of another group at either time point."""
        parts = (self.baseline[box], self.follow_up[box])
        return np.asarray(np.logical_or.reduce([(part > 0) & (part != number) for part in parts]))

    def masks(self, count: int) -> list[GroupMasks]:
        """Of the groups 1 to `count`, in their order."""
        first = ndimage.find_objects(self.baseline, max_label=count)
        second = ndimage.find_objects(self.follow_up, max_label=count)
        boxes = (around(pair) for pair in zip(first, second, strict=True))
        return [
            GroupMasks(id=n, box=box, before=self.baseline[box] == n, after=self.follow_up[box] == n)
            for n, box in enumerate(boxes, start=1)
        ]


def around(boxes: Iterable[Box | None]) -> Box:
    """The box around those that there are.

    Raises:
        ValueError: there is none.
    """
    found = [box for box in boxes if box is not None]
    if not found:
        raise ValueError("boxes: a group has voxels at one time point at least")
    a, b, c = (slice(min(s.start for s in axis), max(s.stop for s in axis)) for axis in zip(*found, strict=True))
    return a, b, c


def widened(box: Box, voxels: int, shape: tuple[int, ...]) -> Box:
    """The box with so many voxels more on each side, inside the array."""
    a, b, c = (slice(max(0, s.start - voxels), min(n, s.stop + voxels)) for s, n in zip(box, shape, strict=True))
    return a, b, c


def placed(mask: Bool[NDArray[Any], "d h w"], box: Box, within: Box) -> Bool[NDArray[Any], "i j k"]:
    """A box's mask in a box around it."""
    shape = [s.stop - s.start for s in within]
    whole = np.zeros(shape, bool)
    whole[tuple(slice(s.start - w.start, s.stop - w.start) for s, w in zip(box, within, strict=True))] = mask
    return whole
