"""Surface and longest extent of a lesion mask."""

from functools import lru_cache

import numpy as np
import SimpleITK as sitk
from jaxtyping import Bool, Float64
from numpy.typing import NDArray
from scipy.spatial.distance import pdist

from model.grid import Grid

DIRECTIONS = 500
"""In which the outermost voxels are looked for: some 6 degrees apart, which costs 0.2 % of an extent at most."""


def surface_mm2(mask: Bool[NDArray[np.bool_], "d h w"], grid: Grid) -> float:
    """Area of the surface around a mask, from the number of lines that cross it; 0 for an empty one.

    Source: Crofton's formula over 13 directions, Lehmann and Legland 2012, hdl.handle.net/10380/3342 (in ITK).
    """
    if not mask.any():
        return 0.0
    image = sitk.GetImageFromArray(np.pad(mask, 1).astype(np.uint8))
    image.SetSpacing(grid.spacing[::-1])
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.SetNumberOfThreads(1)
    shape.ComputePerimeterOn()
    shape.Execute(image)
    return float(shape.GetPerimeter(1))


def long_axis_mm(mask: Bool[NDArray[np.bool_], "d h w"], grid: Grid) -> float:
    """Longest extent in any direction, from the outer side of one voxel to that of another; 0 for an empty mask.

    It is the largest distance between voxel centres and one voxel more: n voxels in a row are n voxels long.
    """
    if not mask.any():
        return 0.0
    points = _ends_of_lines(mask) @ grid.affine[:3, :3].T
    along = points @ _directions().T
    outermost = points[np.unique(np.concatenate([along.argmax(axis=0), along.argmin(axis=0)]))]
    between = float(pdist(outermost).max()) if len(outermost) > 1 else 0.0
    return between + float(np.cbrt(grid.voxel_volume_mm3))


def _ends_of_lines(mask: Bool[NDArray[np.bool_], "d h w"]) -> Float64[NDArray[np.float64], "n 3"]:
    """The first and the last voxel along each line of the first axis: the farthest ones are among them."""
    h, w = np.nonzero(mask.any(axis=0))
    first, last = mask.argmax(axis=0)[h, w], len(mask) - 1 - mask[::-1].argmax(axis=0)[h, w]
    return np.concatenate([np.stack([d, h, w], axis=1) for d in (first, last)]).astype(np.float64)


@lru_cache(maxsize=1)
def _directions() -> Float64[NDArray[np.float64], "n 3"]:
    """Spread evenly over half of the sphere (Fibonacci lattice), with the array's own axes."""
    n = np.arange(DIRECTIONS) + 0.5
    z = n / DIRECTIONS
    turn = np.pi * (1.0 + np.sqrt(5.0)) * n
    ring = np.sqrt(1.0 - z * z)
    return np.concatenate([np.eye(3), np.stack([ring * np.cos(turn), ring * np.sin(turn), z], axis=1)])
