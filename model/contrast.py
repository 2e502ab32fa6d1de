"""Tissue intensities of T1 and FLAIR: label maps become images, real images get their brain statistics."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from numpy.typing import NDArray
from scipy import ndimage

from model.anatomy import Anatomy, Tissue
from model.patch_anatomy import CORTEX, WHITE_MATTER
from model.scanner import smooth_field

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
    brain_grey: Bool[NDArray[Any], " values"]
    """Which of these are of cortex."""


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
        means=means,
        texture=float(rng.uniform(0.01, 0.05)),
        seed=int(rng.integers(2**31)),
        brain_values=values,
        brain_grey=CORTEX[sample[inside]],
    )


def paint_labels(
    tissue: UInt8[NDArray[Any], "d h w"], contrast: Contrast, channel: int
) -> Float32[NDArray[Any], "d h w"]:
    """An image of the label map, white matter near 1, edges with partial volume, tissue with structure."""
    rng = np.random.default_rng(contrast.seed + channel)
    image = contrast.means[channel][tissue]
    regional = 1 + np.float32(0.03) * smooth_field(tissue.shape, 7, rng)
    # cortex and nuclei are less alike from place to place than white matter is
    uneven = np.where(WHITE_MATTER[tissue], 0, np.float32(0.05)) * smooth_field(tissue.shape, 14, rng)
    grain = np.float32(contrast.texture * 3) * rng.standard_normal(tissue.shape, dtype=np.float32)
    return np.asarray(ndimage.gaussian_filter(image * (regional + uneven + grain), 0.68, truncate=3.0), np.float32)


def white_of_labels(
    tissue: UInt8[NDArray[Any], "d h w"], contrast: Contrast, channel: int
) -> Float32[NDArray[Any], "d h w"]:
    """The white matter's signal at each voxel of a label map; outside white matter that of the hemispheres."""
    table = np.where(WHITE_MATTER[: len(contrast.means[channel])], contrast.means[channel], np.float32(1))
    return np.asarray(table.astype(np.float32)[tissue])


def _draw_means(codes: int, channel: int, rng: np.random.Generator) -> NDArray[np.float32]:
    means = rng.uniform(0.05, 1.8 if channel == 0 else 1.5, codes).astype(np.float32)  # extra-cerebral: anything
    for tissue, pair in TYPICAL.items():
        if tissue < codes:
            # the brainstem passes into white matter without a border
            means[tissue] = pair[channel] * np.exp(rng.normal(0, 0.03 if WHITE_MATTER[tissue] else 0.07))
    means[Tissue.WHITE] = 1.0
    # from the real scans' median upwards: they are partly partial volume
    means[Tissue.GREY] = rng.uniform(0.58, 0.80) if channel == 0 else rng.uniform(1.05, 1.35)
    if rng.random() < 0.1:
        means[Tissue.GREY] = rng.uniform(0.6, 1.4)
    if codes > Tissue.CEREBELLUM_GREY:
        means[Tissue.CEREBELLUM_GREY] = means[Tissue.GREY] * np.exp(rng.normal(-0.03, 0.04))
    return means
