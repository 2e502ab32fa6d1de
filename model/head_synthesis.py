"""Images of whole heads in any contrast, with their regions: what the anatomy network learns from.

    label map --affine, smooth field--> labels at 2 mm --contrast--> clean image --scanner, field of view--> image

Each image is drawn anew from a label map, as in SynthSeg (Billot et al. 2023, doi:10.1016/j.media.2023.102789), with
the contrasts, the slice thickness and the lesions that clinical MS studies have.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from model.anatomy import Tissue
from model.contrast import TYPICAL
from model.head_labels import Head, Region
from model.scanner import smooth_field

SPACING_MM = 2.0
"""Voxel of the anatomy network: cortex and mask are still resolved, and a head fits into one tile."""

Shape = tuple[int, int, int]
Image = Float32[NDArray[Any], "d h w"]

TAPS = 4
"""Label samples per voxel: their mean is the partial volume of a 2 mm voxel."""

NO_HEAD = 0.04
"""Part of the samples that show noise or shapes: something else than a head must not be given a brain."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeadSample:
    """One training example."""

    image: Float32[NDArray[Any], "1 d h w"]
    """Scaled by `scaled`."""
    regions: UInt8[NDArray[Any], "d h w"]
    """`Region`; outside where the scan shows nothing."""


def make_head_sample(heads: Sequence[Head], seed: int, shape: Shape) -> HeadSample:
    """The sample of this seed; the same heads, seed and shape give the same sample."""
    rng = np.random.default_rng(seed)
    if rng.random() < NO_HEAD:
        nothing = np.zeros(shape, np.uint8)
        return HeadSample(image=scaled(_scanned(_no_head(shape, rng), rng))[None], regions=nothing)
    head = heads[int(rng.integers(len(heads)))]
    taps = _labels_at(head, _coordinates(head, shape, rng), rng)
    regions = head.regions[taps[0]]
    image = _painted(head, taps, _lesions(regions, rng), rng)
    seen = _field_of_view(regions, rng)
    image = np.where(seen, _scanned(image, rng), 0.0).astype(np.float32)
    return HeadSample(image=scaled(image)[None], regions=np.where(seen, regions, np.uint8(Region.OUTSIDE)))


def scaled(image: Float32[NDArray[Any], "d h w"]) -> Image:
    """Zero at the darkest, one at nearly the brightest of what is not zero: the network's input, of any contrast."""
    values = image[image != 0]
    if values.size == 0:
        return np.zeros_like(image)
    low, high = np.percentile(values, [0.5, 99.5])
    inside = np.clip((image - low) / max(float(high - low), 1e-6), 0.0, 1.5)
    return np.where(image != 0, inside, 0.0).astype(np.float32)


def _coordinates(head: Head, shape: Shape, rng: np.random.Generator) -> NDArray[np.float32]:
    """The head's voxel (1 mm) of each voxel of the sample: tilt to 30 degrees, size 0.85 to 1.15, a smooth field."""
    turn = Rotation.from_rotvec(np.clip(rng.standard_normal(3), -2, 2) * np.deg2rad(12.0)).as_matrix()
    size = SPACING_MM * rng.uniform(0.87, 1.15) * np.exp(rng.uniform(-0.07, 0.07, 3))
    if rng.random() < 0.5:
        size[2] *= -1  # mirrored left-right
    matrix = turn @ np.diag(size)
    seen_at = (np.array(shape) - 1) / 2 + rng.uniform(-0.14, 0.14, 3) * shape
    offset = head.centre - matrix @ seen_at
    amplitude = rng.uniform(0.0, 3.0)
    axes = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in shape), indexing="ij", sparse=True)
    at = [sum(np.float32(matrix[i, j]) * axes[j] for j in range(3)) + np.float32(offset[i]) for i in range(3)]
    moved = [axis + np.float32(amplitude) * smooth_field(shape, int(rng.integers(4, 9)), rng) for axis in at]
    return np.asarray(np.stack(moved), np.float32)


def _labels_at(head: Head, at: NDArray[np.float32], rng: np.random.Generator) -> list[UInt8[NDArray[Any], "d h w"]]:
    """Nearest labels at the centre of each voxel, then at other points inside it; air outside the map."""
    found = []
    for tap in range(TAPS):
        shift = np.zeros(3) if tap == 0 else rng.uniform(-0.5, 0.5, 3) * SPACING_MM
        index = [np.rint(axis + np.float32(s)).astype(np.int32) for axis, s in zip(at, shift, strict=True)]
        inside = np.logical_and.reduce([(i >= 0) & (i < n) for i, n in zip(index, head.labels.shape, strict=True)])
        clipped = tuple(np.clip(i, 0, n - 1) for i, n in zip(index, head.labels.shape, strict=True))
        found.append(np.where(inside, head.labels[clipped], np.uint8(0)))
    return found


def _painted(
    head: Head, taps: Sequence[NDArray[np.uint8]], lesions: Bool[NDArray[Any], "d h w"], rng: np.random.Generator
) -> Image:
    means, spreads = _contrast(head, rng)
    image = np.mean([means[tap] for tap in taps], axis=0, dtype=np.float32)
    spread = spreads[taps[0]]
    texture = rng.standard_normal(image.shape, dtype=np.float32)
    if rng.random() < 0.5:
        texture = ndimage.gaussian_filter(texture, 0.7) * np.float32(2.0)
    soft = ndimage.gaussian_filter(lesions.astype(np.float32), 0.5)
    image = image * (1 + soft * np.float32(rng.choice([-0.4, 0.3, 0.6, 0.9])))
    return np.asarray(np.maximum(image + spread * texture, 0.0), np.float32)


def _contrast(head: Head, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and spread of each label: T1-like, FLAIR-like, or anything; outside the brain anything at all times."""
    count = len(head.tissues)
    means = rng.uniform(0.0, 1.4, count).astype(np.float32)
    dark = rng.random(count) < 0.35  # bone, air in the sinuses, suppressed fat
    means = np.where(dark, means * 0.15, means)
    channel = int(rng.choice(3, p=(0.3, 0.45, 0.25)))  # T1, FLAIR, anything
    for label, tissue in enumerate(map(int, head.tissues)):
        if tissue == Tissue.AIR:
            means[label] = rng.uniform(0.0, 0.04)
        elif tissue != Tissue.EXTRA and channel < 2:
            means[label] = TYPICAL[Tissue(tissue)][channel] * np.exp(rng.normal(0, 0.12))
        elif tissue != Tissue.EXTRA:
            means[label] = rng.uniform(0.05, 1.4)
    spreads = means * rng.uniform(0.0, 0.12, count).astype(np.float32)
    return means.astype(np.float32), spreads.astype(np.float32)


def _lesions(regions: NDArray[np.uint8], rng: np.random.Generator) -> Bool[NDArray[Any], "d h w"]:
    """Blobs in white matter in half of the heads: they are white matter all the same."""
    if rng.random() < 0.5:
        return np.zeros(regions.shape, bool)
    field = smooth_field(regions.shape, int(rng.integers(12, 30)), rng)
    return np.asarray((regions == Region.WHITE_MATTER) & (field > rng.uniform(1.0, 2.0)))


def _no_head(shape: Shape, rng: np.random.Generator) -> Image:
    """Bright noise, or bodies of two tissues with smooth borders."""
    noise = rng.random(shape, dtype=np.float32)
    if rng.random() < 0.4:
        return noise
    body = smooth_field(shape, int(rng.integers(2, 5)), rng) > rng.uniform(-0.5, 0.8)
    inner = smooth_field(shape, int(rng.integers(3, 12)), rng) > 0
    clean = body * np.where(inner, np.float32(rng.uniform(0.2, 1.2)), np.float32(rng.uniform(0.2, 1.2)))
    return np.asarray(clean + np.float32(0.1) * noise, np.float32)


def _scanned(image: Image, rng: np.random.Generator) -> Image:
    """Bias field, slices of 1 to 8 mm along any axis, blur, noise, contrast curve; lengths here are voxels of 2 mm."""
    image = image * np.exp(np.float32(rng.uniform(0.0, 0.35)) * smooth_field(image.shape, int(rng.integers(2, 5)), rng))
    if rng.random() < 0.3:
        image = ndimage.gaussian_filter(image, rng.uniform(0.2, 0.7))
    if rng.random() < 0.5:
        image = _in_slices(image, int(rng.integers(3)), rng.uniform(1.0, 8.0) / SPACING_MM, rng)
    noise = np.float32(rng.uniform(0.0, 0.06))
    real, imaginary = (rng.standard_normal(image.shape, dtype=np.float32) * noise for _ in range(2))
    image = np.hypot(image + real, imaginary)  # magnitude image: Rician
    return np.asarray(np.power(image, np.float32(np.exp(rng.normal(0, 0.25)))), np.float32)


def _in_slices(image: Image, axis: int, thickness: float, rng: np.random.Generator) -> Image:
    """Averaged over the slice, sampled at slice centres, interpolated back; `thickness` in voxels."""
    if thickness <= 1.0:
        return image
    length = image.shape[axis]
    profile = ndimage.gaussian_filter1d(image, thickness / 3.0, axis=axis)
    centres = np.arange(rng.uniform(0, thickness), length, thickness)
    at = np.clip((np.arange(length) - centres[0]) / thickness, 0, len(centres) - 1)
    low = np.minimum(at.astype(int), len(centres) - 2)
    part = np.expand_dims((at - low).astype(np.float32), [a for a in range(3) if a != axis])
    slices = np.take(profile, np.clip(np.rint(centres), 0, length - 1).astype(int), axis=axis)
    return np.asarray(np.take(slices, low, axis) * (1 - part) + np.take(slices, low + 1, axis) * part, np.float32)


def _field_of_view(regions: NDArray[np.uint8], rng: np.random.Generator) -> Bool[NDArray[Any], "d h w"]:
    """What the scan shows: in a third of them slabs are missing, a tenth is stripped to the brain, loosely."""
    seen = np.ones(regions.shape, bool)
    if rng.random() < 0.35:
        axis = int(rng.choice(3, p=(0.6, 0.2, 0.2)))
        first, last = rng.uniform(0.0, 0.3, 2) * regions.shape[axis] * rng.integers(0, 2, 2)
        rows = np.arange(regions.shape[axis])
        keep = (rows >= first) & (rows < regions.shape[axis] - last)
        seen &= np.expand_dims(keep, [a for a in range(3) if a != axis])
    if rng.random() < 0.1:
        distance = ndimage.distance_transform_edt(regions == Region.OUTSIDE)
        seen &= distance < rng.uniform(0.5, 4.0) + 1.5 * smooth_field(regions.shape, 6, rng)
    return seen
