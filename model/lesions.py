"""Lesions of one mask: 26-connected components with their volumes."""

from dataclasses import dataclass
from typing import Any

import cc3d
import numpy as np
from jaxtyping import Bool, UInt
from numpy.typing import NDArray
from scipy import ndimage

from model.grid import Grid

Point = tuple[float, float, float]

SMALLEST_MM3 = 3.0
"""Components below this are dropped (arXiv 2409.13416, metrics)."""
COUNTED_MM3 = 14.0
"""Lesions are counted from here: a sphere of 3 mm (MAGNIMS and CMSC-NAIMS consensus)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LesionMap:
    """Labelled lesions, 1 to n, and the volume of each."""

    labels: UInt[NDArray[Any], "d h w"]
    volumes_mm3: tuple[float, ...]
    """Of label 1, 2, ..."""

    @property
    def mask(self) -> Bool[NDArray[Any], "d h w"]:
        """Every lesion voxel."""
        return np.asarray(self.labels > 0)

    @property
    def total_mm3(self) -> float:
        """Lesion load."""
        return float(sum(self.volumes_mm3))


def find_lesions(
    mask: Bool[NDArray[Any], "d h w"], voxel_volume_mm3: float, *, smallest_mm3: float = SMALLEST_MM3
) -> LesionMap:
    """The lesions of a mask from `smallest_mm3` on, in scan order of their first voxel."""
    labelled = np.asarray(cc3d.connected_components(np.ascontiguousarray(mask), connectivity=26), np.uint32)
    sizes = np.bincount(labelled.ravel())
    volumes = sizes * voxel_volume_mm3
    keep = volumes >= smallest_mm3 - 1e-9
    keep[0] = False
    renumber = np.cumsum(keep).astype(np.uint32) * keep.astype(np.uint32)
    return LesionMap(labels=renumber[labelled], volumes_mm3=tuple(float(v) for v in volumes[keep]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesion:
    """One lesion of a map."""

    label: int
    volume_mm3: float
    centroid_voxel: Point
    """Array index of the grid, 0 at the centre of the first voxel."""
    centroid_mm: Point
    """World of the grid (LPS)."""
    box: tuple[slice, slice, slice]
    """Array indices that hold it."""
    equivalent_diameter_mm: float


def describe(lesions: LesionMap, grid: Grid) -> tuple[Lesion, ...]:
    """Place and size of every lesion, in the order of the labels."""
    boxes = ndimage.find_objects(lesions.labels.astype(np.int32))
    return tuple(_describe(lesions, label, box, grid) for label, box in enumerate(boxes, start=1))


def _describe(lesions: LesionMap, label: int, box: tuple[slice, slice, slice], grid: Grid) -> Lesion:
    mask, volume_mm3 = lesions.labels[box] == label, lesions.volumes_mm3[label - 1]
    i, j, k = np.argwhere(mask).mean(axis=0) + [s.start for s in box]
    return Lesion(
        label=label,
        volume_mm3=volume_mm3,
        centroid_voxel=(float(i), float(j), float(k)),
        centroid_mm=centroid_mm(mask, grid.crop(box)),
        box=box,
        equivalent_diameter_mm=equivalent_diameter_mm(volume_mm3),
    )


def equivalent_diameter_mm(volume_mm3: float) -> float:
    """Diameter of the sphere of this volume."""
    return float((6.0 * volume_mm3 / np.pi) ** (1 / 3))


def centroid_mm(mask: Bool[NDArray[Any], "d h w"], grid: Grid) -> Point:
    """Mean world point (mm, LPS) of a mask's voxels.

    Raises:
        ValueError: the mask is empty.
    """
    voxels = np.argwhere(mask)
    if len(voxels) == 0:
        raise ValueError("mask: empty, it has no centroid")
    x, y, z = grid.affine[:3, :3] @ voxels.mean(axis=0) + grid.affine[:3, 3]
    return float(x), float(y), float(z)
