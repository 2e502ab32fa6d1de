"""Which region of the brain a lesion lies in, from the anatomy network's label maps of the patient.

    infratentorial     brainstem and cerebellum hold at least half of the brain in and close around the lesion
    periventricular    a voxel lies within 3 mm of the ventricles
    juxtacortical      a voxel lies within 2 mm of the cortex, or in it
    deep white matter  the rest, deep grey matter with it

The first that fits. Both time points have a map: what either shows as ventricle or cortex is that. There is one label
for all ventricles; the third and the fourth count like the lateral ones. What a map calls cortex or ventricle inside a
lesion, or in a small island apart, is a lesion that was taken for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import cc3d
import numpy as np
from jaxtyping import Bool, UInt8
from numpy.typing import NDArray

from model.grid import Grid
from model.group_masks import Box, GroupMasks, placed, widened
from model.head_labels import Region
from model.overlaps import within
from model.rules import RegionRules

RegionLabels = UInt8[NDArray[Any], "d h w"]
"""`model.head_labels.Region` of each voxel."""

SMALLEST_ISLAND_ML = 1.0
"""Of cortex or ventricles; smaller ones are dropped."""
CLOSE_MM = 2.0
"""Around a lesion, where its tissue is looked up: what the network calls the lesion itself says little."""
BRAIN = (Region.CORTEX, Region.WHITE_MATTER, Region.DEEP_GREY, Region.CEREBELLUM, Region.BRAINSTEM)


class Place(StrEnum):
    """The regions, in the order in which they are asked for."""

    INFRATENTORIAL = "infratentorial"
    PERIVENTRICULAR = "periventricular"
    JUXTACORTICAL = "juxtacortical"
    DEEP_WHITE_MATTER = "deep_white_matter"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Landmarks:
    """What the place of a lesion is told by, on the grid of the masks."""

    ventricles: Bool[NDArray[Any], "d h w"]
    cortex: Bool[NDArray[Any], "d h w"]
    maps: tuple[RegionLabels, ...]
    grid: Grid


def landmarks(maps: Sequence[RegionLabels], lesions: Bool[NDArray[Any], "d h w"], grid: Grid) -> Landmarks:
    """From the maps of one or both time points and the lesions of either.

    Raises:
        ValueError: no map.
    """
    if not maps:
        raise ValueError("maps: expected at least one")
    voxels = round(SMALLEST_ISLAND_ML * 1000 / grid.voxel_volume_mm3)

    def whole(region: Region) -> NDArray[np.bool_]:
        found = np.logical_or.reduce([labels == region for labels in maps]) & ~lesions
        return np.asarray(cc3d.dust(np.ascontiguousarray(found), threshold=voxels, connectivity=26), bool)

    return Landmarks(ventricles=whole(Region.VENTRICLES), cortex=whole(Region.CORTEX), maps=tuple(maps), grid=grid)


def place_of(one: GroupMasks, marks: Landmarks, rules: RegionRules) -> Place | None:
    """The place of a group, None where the maps show no brain; swapping the time points keeps it."""
    grid = marks.grid
    reach = max(CLOSE_MM, rules.periventricular_mm, rules.juxtacortical_mm)
    box = widened(one.box, 1 + int(np.ceil(reach / min(grid.spacing))), grid.shape)
    lesion, part = placed(one.before | one.after, one.box, box), grid.crop(box)
    below = _infratentorial_part(within(lesion, part, CLOSE_MM), marks, box)
    if below is None:
        return None
    if below >= rules.infratentorial_part:
        return Place.INFRATENTORIAL
    if (within(lesion, part, rules.periventricular_mm) & marks.ventricles[box]).any():
        return Place.PERIVENTRICULAR
    if (within(lesion, part, rules.juxtacortical_mm) & marks.cortex[box]).any():
        return Place.JUXTACORTICAL
    return Place.DEEP_WHITE_MATTER


def _infratentorial_part(near: NDArray[np.bool_], marks: Landmarks, box: Box) -> float | None:
    """Of the brain at these voxels, over all maps; None where there is none."""
    counts = np.sum([np.bincount(labels[box][near], minlength=len(Region)) for labels in marks.maps], axis=0)
    brain = int(counts[list(BRAIN)].sum())
    return None if brain == 0 else int(counts[Region.CEREBELLUM] + counts[Region.BRAINSTEM]) / brain
