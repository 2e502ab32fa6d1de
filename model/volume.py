"""A three-dimensional image with its place in the patient."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped
from numpy.typing import NDArray

Affine = Float[NDArray[Any], "4 4"]
"""A 4x4 homogeneous matrix. World coordinates are millimetres, LPS (DICOM patient axes)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Volume:
    """Voxels and the affine that carries a voxel index to world millimetres (LPS).

    `array[i, j, k]` lies at `affine @ (i, j, k, 1)`, the centre of the voxel. The array is
    float32 for images and probabilities, bool for masks, uint8 for label maps.

    Raises:
        ValueError: the array is not 3D, or the affine cannot be inverted.
    """

    array: Shaped[NDArray[Any], "i j k"]
    affine: Affine

    def __post_init__(self) -> None:
        if self.array.ndim != 3:
            raise ValueError(f"array: expected 3 dimensions, saw {self.array.ndim}")
        if self.affine.shape != (4, 4) or not np.isfinite(self.affine).all():
            raise ValueError("affine: expected a finite 4x4 matrix")
        if abs(np.linalg.det(self.affine[:3, :3])) < 1e-9:
            raise ValueError("affine: the three voxel axes do not span space")

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance between voxel centres along each array axis, mm."""
        return spacing_of(self.affine)

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel, mm3."""
        return voxel_volume_of(self.affine)

    @property
    def marked_ml(self) -> float:
        """Volume of the voxels above zero, ml."""
        return float(np.count_nonzero(self.array > 0)) * self.voxel_volume_mm3 / 1000.0

    def like(self, array: Shaped[NDArray[Any], "i j k"]) -> "Volume":
        """Another array on this volume's grid; its shape must be the same."""
        if array.shape != self.array.shape:
            raise ValueError(f"array: expected shape {self.array.shape}, saw {array.shape}")
        return Volume(array=array, affine=self.affine)


def spacing_of(affine: Affine) -> tuple[float, float, float]:
    """Distance between neighbouring voxel centres along each array axis, mm."""
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    return float(lengths[0]), float(lengths[1]), float(lengths[2])


def voxel_volume_of(affine: Affine) -> float:
    """Volume of one voxel, mm3, whatever the direction of the axes."""
    return float(abs(np.linalg.det(affine[:3, :3])))


def world_from_voxel(affine: Affine, voxel: Float[NDArray[Any], "n 3"]) -> Float[NDArray[Any], "n 3"]:
    """World points (mm, LPS) of voxel indices; also maps world points by any 4x4 transform."""
    return np.asarray(voxel, np.float64) @ affine[:3, :3].T + affine[:3, 3]
