"""How noisy a FLAIR scan is, from the scan alone."""

import numpy as np
from scipy import ndimage

from model.head_labels import Region
from model.volume import Volume
from worker.case import BrainMask

KERNEL = np.array([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]])
"""Takes planes and edges along the axes away; of white noise it leaves six times the standard deviation."""
LEAST_VOXELS = 1000


def noise_of(flair: Volume, brain: BrainMask) -> float:
    """Standard deviation of the noise as a part of the brain's median signal, in the plane of the slices.

    Measured where little else varies: in white matter where its place is known, otherwise in the brain. Interpolation
    to smaller pixels, as scanners do it, hides noise. Not a number where there is too little brain.

    Source: Immerkaer 1996, doi:10.1006/cviu.1996.0060, with the median absolute deviation in place of the mean.
    """
    where = brain.mask.array
    if brain.regions is not None:
        white = brain.regions.array == Region.WHITE_MATTER
        where = white if np.count_nonzero(white) >= LEAST_VOXELS else where
    if np.count_nonzero(where) < LEAST_VOXELS:
        return float("nan")
    slices = int(np.argmax(flair.spacing))
    filtered = ndimage.convolve(flair.array.astype(np.float32), np.expand_dims(KERNEL, slices))
    inside = ndimage.binary_erosion(where, np.expand_dims(np.ones((3, 3), bool), slices))
    values = filtered[inside if np.count_nonzero(inside) >= LEAST_VOXELS else where]
    deviation = 1.4826 * float(np.median(np.abs(values - np.median(values)))) / 6.0
    signal = float(np.median(flair.array[brain.mask.array]))
    return deviation / signal if signal > 0 else float("nan")
