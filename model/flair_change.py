"""How much brighter a lesion became in FLAIR, each scan measured by its own normal-appearing white matter.

    z = (FLAIR - median of the white matter) / (1.4826 * median distance from it)      1.4826: a normal distribution's

Normal-appearing is what the maps of both time points call white matter, a voxel from other tissue, 3 mm from lesions.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32
from numpy.typing import NDArray
from scipy import ndimage

from model.grid import Grid
from model.group_masks import GroupMasks
from model.head_labels import Region
from model.lesion_regions import RegionLabels
from model.overlaps import within

AWAY_MM = 3.0
"""From lesions, whose border is often brighter than white matter."""
SMALLEST_ML = 20.0
"""Of white matter: less says little of a scan."""
ROBUST = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""

Image = Float32[NDArray[Any], "d h w"]


def normal_white(
    maps: Sequence[RegionLabels],
    lesions: Bool[NDArray[Any], "d h w"],
    seen: Bool[NDArray[Any], "d h w"],
    grid: Grid,
) -> Bool[NDArray[Any], "d h w"]:
    """Normal-appearing white matter, in all maps and seen in all images; empty where there is too little of it."""
    white = np.logical_and.reduce([labels == Region.WHITE_MATTER for labels in maps])
    found = ndimage.binary_erosion(white) & seen
    if lesions.any():
        found &= ~within(lesions, grid, AWAY_MM)
    return found if found.sum() * grid.voxel_volume_mm3 >= SMALLEST_ML * 1000 else np.zeros_like(found)


def in_white_deviations(flair: Image, white: Bool[NDArray[Any], "d h w"]) -> Image | None:
    """The image as standard deviations from normal-appearing white matter; None where that has none."""
    values = flair[white].astype(np.float64)
    if values.size == 0:
        return None
    middle = float(np.median(values))
    spread = ROBUST * float(np.median(np.abs(values - middle)))
    return None if spread <= 0 else np.asarray((flair - np.float32(middle)) / np.float32(spread))


def flair_change(one: GroupMasks, scaled: tuple[Image | None, Image | None]) -> float | None:
    """Mean follow-up minus mean baseline over the voxels of a group at either time; None where white matter is unknown.

    Swapping the time points turns the sign.

    Args:
        one: the group.
        scaled: both images `in_white_deviations`.
    """
    before, after = scaled
    if before is None or after is None:
        return None
    either = one.before | one.after
    first, second = (float(image[one.box][either].mean(dtype=np.float64)) for image in (before, after))
    return second - first
