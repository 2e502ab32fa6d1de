"""Which lesions of one mask another covers."""

from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray

from model.lesions import COUNTED_MM3, find_lesions

Mask = Bool[NDArray[Any], "d h w"]

VOXEL_MM3 = 1.0
"""Samples and prepared pairs have 1 mm voxels."""
HIT = 0.1
"""A lesion is found where the other side covers a tenth of it."""


def hits(lesions: Mask, other: Mask) -> tuple[int, int]:
    """Lesions from 3 mm3, and how many of them `other` covers by a tenth."""
    sizes, met = _met(lesions, other)
    return len(sizes), int(met.sum())


def volume_met(lesions: Mask, other: Mask) -> float:
    """Voxels of the lesions that `other` covers by a tenth."""
    sizes, met = _met(lesions, other)
    return float(sizes[met].sum())


def _met(lesions: Mask, other: Mask) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Voxels of each lesion from 3 mm3, and whether `other` covers a tenth of it."""
    found = find_lesions(lesions, VOXEL_MM3)
    sizes = np.array(found.volumes_mm3) / VOXEL_MM3
    shared = np.bincount(found.labels[other].ravel(), minlength=len(sizes) + 1)[1:]
    return sizes, (shared >= HIT * sizes) & (shared > 0)


def number_counted(mask: Mask) -> int:
    """Lesions from 14 mm3."""
    return len(find_lesions(mask, VOXEL_MM3, smallest_mm3=COUNTED_MM3).volumes_mm3)
