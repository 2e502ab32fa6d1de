"""Tissue intensities of T1 and FLAIR: label maps become images, real images get their brain statistics."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8
from numpy.typing import NDArray
from scipy import ndimage

from model.anatomy import Anatomy, Tissue

TYPICAL: dict[Tissue, tuple[float, float]] = {
    Tissue.AIR: (0.02, 0.02),
    Tissue.CSF: (0.25, 0.25),
    Tissue.GREY: (0.68, 1.28),
    Tissue.WHITE: (1.0, 1.0),
    Tissue.DEEP_GREY: (0.80, 1.12),
    Tissue.VENTRICLE: (0.22, 0.20),
    Tissue.CHOROID: (0.50, 1.25),
    Tissue.BRAINSTEM: (0.93, 1.10),
    Tissue.CEREBELLUM_GREY: (0.66, 1.20),
    Tissue.CEREBELLUM_WHITE: (0.97, 1.05),
}
"""T1 and FLAIR relative to white matter, as measured on the real scans, rounded."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contrast:
    """One visit's intensity per tissue code, and a sample of the whole brain's values for the z-score."""

    means: tuple[Float32[NDArray[Any], " codes"], Float32[NDArray[Any], " codes"]]
    texture: float
    seed: int
    brain_values: tuple[Float32[NDArray[Any], " values"], Float32[NDArray[Any], " values"]]


def draw_contrast(anatomy: Anatomy, rng: np.random.Generator) -> Contrast:
    """A protocol's contrast; every tenth label map gets grey matter anywhere around white matter."""
    codes = int(anatomy.tissue.max()) + 1
    means = (_draw_means(codes, 0, rng), _draw_means(codes, 1, rng))
    sample = anatomy.tissue.ravel()[::211]
    inside = (anatomy.brain_distance.ravel()[::211] < 0) & (sample > 0)
    if anatomy.t1 is not None and anatomy.flair is not None:
        values = (anatomy.t1.ravel()[::211][inside], anatomy.flair.ravel()[::211][inside])
    else:
        values = (means[0][sample[inside]], means[1][sample[inside]])
    return Contrast(
        means=means, texture=float(rng.uniform(0.01, 0.05)), seed=int(rng.integers(2**31)), brain_values=values
    )


def paint_labels(tissue: UInt8[NDArray[Any], "d h w"], contrast: Contrast, channel: int) -> NDArray[np.float32]:
    """An image of the label map, white matter near 1, edges with partial volume."""
    rng = np.random.default_rng(contrast.seed + channel)
    image = contrast.means[channel][tissue]
    coarse = ndimage.gaussian_filter(rng.standard_normal(tissue.shape, dtype=np.float32), 1.2)
    image = image * (1 + np.float32(contrast.texture * 4) * coarse)
    return np.asarray(ndimage.gaussian_filter(image, 0.55), np.float32)


def _draw_means(codes: int, channel: int, rng: np.random.Generator) -> NDArray[np.float32]:
    means = rng.uniform(0.05, 1.8 if channel == 0 else 1.5, codes).astype(np.float32)  # extra-cerebral: anything
    for tissue, pair in TYPICAL.items():
        if tissue < codes:
            means[tissue] = pair[channel] * np.exp(rng.normal(0, 0.07))
    means[Tissue.WHITE] = 1.0
    if rng.random() < 0.1:
        means[Tissue.GREY] = rng.uniform(0.6, 1.4)
    return means
