"""What a scanner and a resampling do to an image: positions, contrast, bias field, blur, thick slices, noise."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from numpy.typing import NDArray
from scipy import ndimage
from torch.nn import functional

Rng = np.random.Generator
Shape = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanner:
    """How one sequence of one visit was acquired."""

    gamma: float
    """Contrast: values relative to white matter are raised to this power."""
    bias: float
    """Standard deviation of the logarithm of the bias field."""
    blur_mm: float
    axis: int
    """Array axis across the slices."""
    thickness_mm: float
    noise: float
    """Standard deviation, white matter is 1."""


def random_scanner(rng: Rng) -> Scanner:
    """Thick slices in six cases of ten, mostly axial, as clinical FLAIR is."""
    thick = rng.random() < 0.6
    return Scanner(
        gamma=float(np.exp(rng.uniform(np.log(0.7), np.log(1.4)))),
        bias=float(rng.uniform(0, 0.15)),
        blur_mm=float(rng.uniform(0, 0.7)),
        axis=int(rng.choice(3, p=(0.7, 0.15, 0.15))),
        thickness_mm=float(rng.uniform(1.5, 5.0)) if thick else 1.0,
        noise=float(rng.uniform(0.005, 0.05)),
    )


def acquire(
    image: Float32[NDArray[Any], "d h w"], scanner: Scanner, rng: Rng
) -> Float32[NDArray[Any], "d h w"]:
    """The image as the scanner would give it, resampled back to 1 mm. White matter near 1."""
    seen = np.power(np.maximum(image, 0), scanner.gamma, dtype=np.float32)
    seen *= np.exp(scanner.bias * smooth_field(rng, seen.shape, spacing_mm=60))
    if scanner.blur_mm > 0.25:
        seen = ndimage.gaussian_filter(seen, scanner.blur_mm, truncate=3)
    slices = list(seen.shape)
    slices[scanner.axis] = max(2, round(seen.shape[scanner.axis] / scanner.thickness_mm))
    native = _resized(seen, slices, "area") if scanner.thickness_mm > 1 else seen
    noise = rng.standard_normal(native.shape, dtype=np.float32)
    native = np.abs(native + np.float32(scanner.noise) * noise)  # magnitude images are never negative
    return _resized(native, list(seen.shape), "trilinear") if scanner.thickness_mm > 1 else native


def smooth_field(rng: Rng, shape: tuple[int, ...], *, spacing_mm: float) -> Float32[NDArray[Any], "d h w"]:
    """Gaussian random field that varies over `spacing_mm`, about unit variance at its nodes."""
    nodes = [max(2, round(n / spacing_mm) + 1) for n in shape]
    return _resized(rng.standard_normal(nodes, dtype=np.float32), list(shape), "trilinear")


def random_affine(rng: Rng, *, tilt_deg: float = 15.0, flip: bool = True) -> Float[NDArray[Any], "3 3"]:
    """Source voxel from target voxel, about a centre: tilt, scale 0.9-1.1 per axis, left-right mirroring."""
    matrix = rotation(rng.uniform(-tilt_deg, tilt_deg, 3)) @ np.diag(rng.uniform(0.9, 1.1, 3))
    if flip and rng.random() < 0.5:
        matrix[:, 2] *= -1
    return matrix


def rotation(angles_deg: Float[NDArray[Any], "3"]) -> Float[NDArray[Any], "3 3"]:
    """Rotation about the three array axes, one after the other."""
    matrix = np.eye(3)
    for axis, angle in enumerate(np.deg2rad(angles_deg)):
        i, j = [k for k in range(3) if k != axis]
        turn = np.eye(3)
        turn[i, i] = turn[j, j] = np.cos(angle)
        turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return matrix


def resampled(
    volumes: Float32[NDArray[Any], "c d h w"],
    matrix: Float[NDArray[Any], "3 3"],
    offset: Float[NDArray[Any], "3"],
    shape: Shape,
    *,
    nearest: bool = False,
) -> Float32[NDArray[Any], "c _ _ _"]:
    """Values at source voxel `matrix @ target voxel + offset`; outside the source 0."""
    source, target = np.array(volumes.shape[1:]) - 1.0, np.array(shape) - 1.0
    # torch counts each axis from -1 to 1, last axis first
    into = (2 / source)[:, None] * matrix * (target / 2)[None, :]
    start = (2 / source) * (matrix @ (target / 2) + offset) - 1
    theta = np.concatenate((into[::-1, ::-1], start[::-1, None]), axis=1)
    grid = functional.affine_grid(torch.from_numpy(theta[None].astype(np.float32)), [1, 1, *shape], align_corners=True)
    mode = "nearest" if nearest else "bilinear"
    values = functional.grid_sample(torch.from_numpy(volumes)[None], grid, mode=mode, align_corners=True)
    return np.asarray(values[0].numpy())


def about_centre(
    matrix: Float[NDArray[Any], "3 3"], shape: tuple[int, ...], *, shift: Float[NDArray[Any], "3"]
) -> Float[NDArray[Any], "3"]:
    """The offset that keeps the centre of a grid in its place, but for `shift` (voxels)."""
    centre = (np.array(shape) - 1) / 2
    return np.asarray(centre - matrix @ centre + shift)


def _resized(image: NDArray[np.float32], shape: list[int], mode: str) -> NDArray[np.float32]:
    corners = False if mode == "trilinear" else None
    out = functional.interpolate(torch.from_numpy(image)[None, None], shape, mode=mode, align_corners=corners)
    return np.asarray(out[0, 0].numpy())
