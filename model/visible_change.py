"""Which part of a marked change FLAIR shows, and at which visit: readers mark more than any image can tell.

    contrast = FLAIR - plain tissue around      (z-scored in the brain; a bias field is in both and drops out)

A marked voxel shows change where it stands out at one visit and clearly more than at the other. No network is asked.
"""

from typing import Any

import cc3d
import numpy as np
from jaxtyping import Bool, Float32
from numpy.typing import NDArray
from scipy import ndimage

from model.lesions import SMALLEST_MM3

Mask = Bool[NDArray[Any], "d h w"]
Image = Float32[NDArray[Any], "d h w"]

LEAST_CHANGE_SD = 0.5
"""What FLAIR must differ by, and stand out by where it is brighter, in standard deviations of the brain."""
FLUID_SD = -1.0
"""FLAIR below this is no tissue to compare with."""
AROUND_MM = 12.0
"""Scale of the surroundings that a voxel is compared with."""
NOISE_MM = 0.8
"""Scale of the noise that is smoothed away before two images are compared."""


def contrasts(flair: tuple[Image, Image], apart: Mask) -> tuple[Image, Image]:
    """How far each voxel of either visit stands out from the plain tissue around it, zero outside the common brain.

    Args:
        flair: of baseline and follow-up, 1 mm, z-scored in the brain, zero outside.
        apart: what is not plain tissue: marks, lesions.
    """
    brain = (flair[0] != 0) & (flair[1] != 0)
    plain = brain & ~apart & (flair[0] > FLUID_SD) & (flair[1] > FLUID_SD)
    first, second = (_smoothed(image - _mean(image, plain, AROUND_MM), brain) for image in flair)
    return first, second


def visible_change(marked: Mask, contrast: tuple[Image, Image]) -> tuple[Mask, Mask]:
    """The marked voxels that are brighter at baseline, and those that are at follow-up; from 3 mm3 (26-connected).

    Args:
        marked: change of either sign.
        contrast: of baseline and follow-up.
    """
    seen = []
    for there, other in (contrast, contrast[::-1]):
        brighter = marked & (there >= LEAST_CHANGE_SD) & (there - other >= LEAST_CHANGE_SD)
        seen.append(np.asarray(cc3d.dust(brighter, threshold=round(SMALLEST_MM3), connectivity=26) > 0))
    return seen[0], seen[1]


def _mean(image: Image, inside: Mask, scale_mm: float) -> Image:
    """Of the voxels inside, weighted by their distance."""
    weight = ndimage.gaussian_filter(inside.astype(np.float32), scale_mm)
    total = ndimage.gaussian_filter(np.where(inside, image, 0).astype(np.float32), scale_mm)
    return np.asarray(total / np.maximum(weight, 1e-3), np.float32)


def _smoothed(image: Image, brain: Mask) -> Image:
    """Without reaching beyond the brain."""
    return np.asarray(np.where(brain, _mean(image, brain, NOISE_MM), 0), np.float32)
