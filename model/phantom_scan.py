"""A simulated scanner for the phantom: a head in some position becomes an image on some oblique grid.

Signal is integrated over the voxel: the head is sampled in sub-voxels of about 1 mm, lesions are blended there
by the part of each sub-voxel they fill, and the sub-voxels are averaged. Nothing is subsampled.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Float32, UInt8
from numpy.typing import NDArray
from scipy import ndimage

from model.grid import Grid
from model.phantom_head import Contrast, PhantomHead, paint
from model.phantom_lesions import Blob, lesion_parts
from model.volume import Affine, Volume

Plane = Literal["axial", "sagittal"]

PLANES: dict[Plane, NDArray[np.float64]] = {
    "axial": np.eye(3),
    "sagittal": np.array([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]),
}
"""Columns: world (LPS) directions of columns, rows and slices as scanners store them."""

HEAD_CENTRE = np.array([0.0, 14.0, 9.0])
"""Centre of the head, head world (LPS) mm: heads turn about it and every slab is centred on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageOptions:
    """Protocol of one image."""

    voxel_mm: tuple[float, float, float]
    """Along columns, rows and slices."""
    plane: Plane
    tilt_deg: tuple[float, float, float]
    """Turn of the slab about the patient's x, y and z axes: oblique slices."""
    contrast: Contrast
    gain: float = 500.0
    """Stored value of signal 1."""
    noise: float = 0.02
    """Standard deviation of the noise, in parts of signal 1."""
    bias: float = 0.06
    """Standard deviation of the logarithm of the receive field."""
    sub_voxel_mm: float = 1.05
    """No sub-voxel is larger; the head itself has 1 mm."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Implant:
    """A lesion at one time point and its signal in one image."""

    blob: Blob
    volume_mm3: float
    signal: float


def rigid(rotation_deg: tuple[float, float, float], shift_mm: tuple[float, float, float]) -> Affine:
    """World transform: turned about x, then y, then z through the head's centre, then shifted; mm, LPS."""
    a, b, c = np.deg2rad(rotation_deg)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    transform = np.eye(4)
    transform[:3, :3] = about_z @ about_y @ about_x
    transform[:3, 3] = HEAD_CENTRE - transform[:3, :3] @ HEAD_CENTRE + np.asarray(shift_mm)
    return transform


def sized(size: float) -> Affine:
    """World transform: larger or smaller about the head's centre."""
    transform = np.diag([size, size, size, 1.0])
    transform[:3, 3] = HEAD_CENTRE * (1 - size)
    return transform


def slab(options: ImageOptions, scan_from_head: Affine) -> Grid:
    """A grid that holds the head from crown to chin, centred on it, in the protocol's plane and tilt."""
    extent = {"axial": (208.0, 240.0, 192.0), "sagittal": (240.0, 232.0, 186.0)}[options.plane]
    size = np.cbrt(np.linalg.det(scan_from_head[:3, :3]))  # of the head; 1 but for rounding where it is not changed
    shape = [int(np.ceil(np.round(mm * size / voxel, 6))) for mm, voxel in zip(extent, options.voxel_mm, strict=True)]
    axes = rigid(options.tilt_deg, (0.0, 0.0, 0.0))[:3, :3] @ PLANES[options.plane]
    affine = np.eye(4)
    affine[:3, :3] = axes * np.asarray(options.voxel_mm)
    centre = scan_from_head[:3, :3] @ HEAD_CENTRE + scan_from_head[:3, 3]
    affine[:3, 3] = centre - affine[:3, :3] @ ((np.asarray(shape) - 1) / 2)
    return Grid(shape=(shape[0], shape[1], shape[2]), affine=affine)


def scan(
    head: PhantomHead,
    implants: tuple[Implant, ...],
    *,
    options: ImageOptions,
    scan_from_head: Affine,
    rng: np.random.Generator,
) -> Volume:
    """The image, in whole numbers from 0 as scanners store them.

    `scan_from_head` maps the head's world to the patient world of this scan, mm.
    """
    grid = slab(options, scan_from_head)
    head_from_scan = np.linalg.inv(scan_from_head)
    fine, factors = sub_voxels(grid, options.sub_voxel_mm)
    signal = _sample(paint(head, options.contrast), head.affine, fine, head_from_scan)
    for implant in implants:
        found = lesion_parts(implant.blob, implant.volume_mm3, fine, head_from_scan, soft=True)
        if found is not None:
            box, part = found
            signal[box] += part.astype(np.float32) * (np.float32(implant.signal) - signal[box])
    image = averaged(signal, factors) * _receive_field(grid.shape, options.bias, rng)
    # magnitude images carry Rician noise: its floor keeps air above zero
    real = image + options.noise * rng.standard_normal(grid.shape, dtype=np.float32)
    imaginary = options.noise * rng.standard_normal(grid.shape, dtype=np.float32)
    stored = np.round(options.gain * np.hypot(real, imaginary))
    return Volume(array=np.asarray(stored, np.float32), affine=grid.affine)


def brain_on(head: PhantomHead, grid: Grid, scan_from_head: Affine) -> Volume:
    """The template's brain mask, bool, on the grid of a scan."""
    part = _sample(head.brain.astype(np.float32), head.affine, grid, np.linalg.inv(scan_from_head))
    return Volume(array=part >= 0.5, affine=grid.affine)


def truth_on(
    lesions: tuple[tuple[int, Blob, float], ...], grid: Grid, scan_from_head: Affine
) -> UInt8[NDArray[Any], "i j k"]:
    """Lesion ids on the grid of a scan: the voxels that a lesion (id, form, mm3) fills by half or more."""
    labels = np.zeros(grid.shape, np.uint8)
    for number, blob, volume_mm3 in lesions:
        found = lesion_parts(blob, volume_mm3, grid, np.linalg.inv(scan_from_head), soft=False)
        if found is not None:
            box, part = found
            labels[box][part >= 0.5] = number
    return labels


def sub_voxels(grid: Grid, largest_mm: float) -> tuple[Grid, tuple[int, int, int]]:
    """The grid with its voxels cut to at most `largest_mm`, and into how many along each axis."""
    spacing = grid.spacing
    i, j, k = (max(1, int(np.ceil(s / largest_mm))) for s in spacing)
    factors = np.array([i, j, k])
    affine = grid.affine.copy()
    affine[:3, :3] /= factors
    affine[:3, 3] += grid.affine[:3, :3] @ ((1 - factors) / (2 * factors))
    shape = grid.shape
    return Grid(shape=(shape[0] * i, shape[1] * j, shape[2] * k), affine=affine), (i, j, k)


def averaged(fine: Float32[NDArray[Any], "a b c"], factors: tuple[int, int, int]) -> Float[NDArray[Any], "i j k"]:
    """Mean over blocks of `factors` sub-voxels."""
    blocks = [n for size, factor in zip(fine.shape, factors, strict=True) for n in (size // factor, factor)]
    return np.asarray(fine.reshape(blocks).mean(axis=(1, 3, 5)), np.float32)


def _sample(field: NDArray[Any], affine: Affine, grid: Grid, head_from_scan: Affine) -> Float32[NDArray[Any], "i j k"]:
    field_voxel_from_grid = np.linalg.inv(affine) @ head_from_scan @ grid.affine
    matrix, offset = field_voxel_from_grid[:3, :3], field_voxel_from_grid[:3, 3]
    return np.asarray(ndimage.affine_transform(field, matrix, offset, grid.shape, order=1), np.float32)


def _receive_field(shape: tuple[int, int, int], spread: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Smooth gain: the exponential of a random quadratic of the position, standard deviation `spread`."""
    x, y, z = (np.linspace(-1, 1, n, dtype=np.float32) for n in shape)
    i, j, k = x[:, None, None], y[None, :, None], z[None, None, :]
    terms = (i, j, k, i * j, j * k, i * k, i * i - 1 / 3, j * j - 1 / 3, k * k - 1 / 3)
    weights = rng.standard_normal(len(terms)).astype(np.float32)
    log_gain = sum((w * t for w, t in zip(weights, terms, strict=True)), np.zeros(shape, np.float32))
    return np.asarray(np.exp(log_gain * np.float32(spread / log_gain.std())), np.float32)
