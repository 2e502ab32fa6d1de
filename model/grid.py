"""The lattice of voxel centres that an image is sampled on."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from model.volume import Affine, Volume, spacing_of, voxel_volume_of

RAS_AXES = np.array([[0.0, 0.0, -1.0], [0.0, -1.0, 0.0], [1.0, 0.0, 0.0]])
"""Columns: the world (LPS) directions of the axes of a network array: superior, anterior, right.

This is the (z, y, x) array of an image reoriented to RAS, the order nnU-Net and LongiSeg train on.
"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grid:
    """Shape and affine (voxel index -> world mm, LPS) of a lattice."""

    shape: tuple[int, int, int]
    affine: Affine

    @staticmethod
    def of(volume: Volume) -> "Grid":
        """The grid that a volume is sampled on."""
        i, j, k = volume.array.shape
        return Grid(shape=(i, j, k), affine=volume.affine)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance between neighbouring voxel centres along each array axis, mm."""
        return spacing_of(self.affine)

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel, mm3, whatever the direction of the axes."""
        return voxel_volume_of(self.affine)

    def marked_mm3(self, mask: Bool[NDArray[np.bool_], "d h w"]) -> float:
        """Volume of a mask on this grid, or on a part of it, mm3."""
        return int(np.count_nonzero(mask)) * self.voxel_volume_mm3

    def crop(self, box: tuple[slice, slice, slice]) -> "Grid":
        """The grid of `array[box]`."""
        start = np.array([s.start for s in box], np.float64)
        affine = self.affine.copy()
        affine[:3, 3] += affine[:3, :3] @ start
        i, j, k = (int(s.stop - s.start) for s in box)
        return Grid(shape=(i, j, k), affine=affine)


def network_grid(shape: tuple[int, int, int]) -> Grid:
    """1 mm voxels along `RAS_AXES`, for arrays that have no place in a patient."""
    affine = np.eye(4)
    affine[:3, :3] = RAS_AXES
    return Grid(shape=shape, affine=affine)


def axes_of(affine: Affine) -> Float[NDArray[Any], "3 3"]:
    """The orthonormal directions nearest to those of an affine's voxel axes: columns, world (LPS)."""
    u, _, vt = np.linalg.svd(affine[:3, :3] / np.array(spacing_of(affine)))
    return np.asarray(u @ vt)


def grid_around(
    points: Float[NDArray[Any], "n 3"],
    *,
    spacing_mm: float,
    margin_mm: float = 0.0,
    axes: Float[NDArray[Any], "3 3"] = RAS_AXES,
) -> Grid:
    """The smallest grid with isotropic spacing along orthonormal `axes` that contains all world points (mm, LPS)."""
    along = points @ axes
    low = along.min(axis=0) - margin_mm
    high = along.max(axis=0) + margin_mm
    i, j, k = (int(n) for n in np.ceil((high - low) / spacing_mm) + 1)
    affine = np.eye(4)
    affine[:3, :3] = axes * spacing_mm
    affine[:3, 3] = axes @ low
    return Grid(shape=(i, j, k), affine=affine)


def corners(grid: Grid) -> Float[NDArray[Any], "8 3"]:
    """World points (mm, LPS) of the eight corner voxel centres."""
    ends = [(0, n - 1) for n in grid.shape]
    voxels = np.array(np.meshgrid(*ends, indexing="ij"), np.float64).reshape(3, 8).T
    return voxels @ grid.affine[:3, :3].T + grid.affine[:3, 3]
