"""A simulated scanner: what makes two images of one head differ without any change of the head."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32
from numpy.typing import NDArray
from scipy import ndimage

Image = Float32[NDArray[Any], "d h w"]

NO_TILT = np.zeros(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquisition:
    """One image's protocol and faults; T1 and FLAIR of a visit get one each."""

    gamma: float
    bias_amplitude: float
    blur_mm: float
    slice_axis: int
    slice_thickness_mm: float
    noise: float
    ghost: float
    seed: int
    rician: bool = False
    """The noise of a magnitude image, which lifts the dark; otherwise Gaussian."""


def draw_acquisition(rng: np.random.Generator) -> Acquisition:
    """A protocol as clinics have them: half are 3D (1 mm), half 2D with slices of 1.5 to 5 mm."""
    thick = rng.random() < 0.5
    return Acquisition(
        gamma=float(np.exp(rng.uniform(-0.3, 0.3))),
        bias_amplitude=float(rng.uniform(0.0, 0.15)),
        blur_mm=float(rng.uniform(0.0, 0.8)),
        slice_axis=int(rng.choice(3, p=(0.7, 0.15, 0.15))),
        slice_thickness_mm=float(rng.uniform(1.5, 5.0)) if thick else 1.0,
        noise=float(rng.uniform(0.005, 0.05)),
        ghost=float(rng.uniform(0.01, 0.04)) if rng.random() < 0.08 else 0.0,
        seed=int(rng.integers(2**31)),
    )


def draw_worn_acquisition(rng: np.random.Generator) -> Acquisition:
    """As `draw_acquisition`, a third thick, noise of a magnitude image, some patients who moved, some poor coils."""
    usual = draw_acquisition(rng)
    moved, poor = rng.random() < 0.15, rng.random() < 0.1
    return replace(
        usual,
        rician=True,
        slice_thickness_mm=1.0 if rng.random() < 0.33 else usual.slice_thickness_mm,
        ghost=float(rng.uniform(0.01, 0.08)) if moved else usual.ghost,
        noise=usual.noise * (1.6 if poor else 1.0),
        bias_amplitude=usual.bias_amplitude * (2.0 if rng.random() < 0.1 else 1.0),
    )


def draw_field_of_view(shape: tuple[int, int, int], rng: np.random.Generator) -> Bool[NDArray[Any], "d h w"]:
    """What a scan covers: in a sixth of them a slab at one side is missing, mostly above or below, often oblique."""
    if rng.random() > 0.16:
        return np.ones(shape, bool)
    axis = int(rng.choice(3, p=(0.8, 0.1, 0.1)))
    tilt = rng.uniform(-0.2, 0.2, 2) * (rng.random() < 0.5)
    return covered(
        shape, axis, cut=float(rng.uniform(0.03, 0.4)) * shape[axis], far=bool(rng.random() < 0.5), tilt=tilt
    )


def covered(
    shape: tuple[int, int, int],
    axis: int,
    *,
    cut: float,
    far: bool,
    tilt: Float[NDArray[Any], "2"] = NO_TILT,
) -> Bool[NDArray[Any], "d h w"]:
    """All but a slab of `cut` voxels at the near or `far` end of `axis`; `tilt`: its slopes along the other axes."""
    rows = [np.arange(n, dtype=np.float32) for n in shape]
    others = [a for a in range(3) if a != axis]
    height: NDArray[Any] = np.expand_dims(shape[axis] - 1 - rows[axis] if far else rows[axis], others)
    for slope, other in zip(tilt, others, strict=True):
        across = np.expand_dims(rows[other] - shape[other] / 2, [a for a in range(3) if a != other])
        height = height + np.float32(slope) * across
    return np.asarray(np.broadcast_to(height >= cut, shape))


def acquire(clean: Image, acquisition: Acquisition) -> Image:
    """The image (white matter near 1) as this scanner would give it."""
    rng = np.random.default_rng(acquisition.seed)
    image = np.maximum(clean, 0.0)
    if acquisition.blur_mm > 0.2:
        image = ndimage.gaussian_filter(image, acquisition.blur_mm)
    image = _thick_slices(image, acquisition)
    image = image * _bias(image.shape, acquisition.bias_amplitude, rng)
    if acquisition.ghost:
        shift = int(rng.integers(10, 30))
        image = image + acquisition.ghost * np.roll(image, shift, axis=(acquisition.slice_axis + 1) % 3)
    image = image + rng.standard_normal(image.shape, dtype=np.float32) * np.float32(acquisition.noise)
    if acquisition.rician:
        image = np.hypot(image, rng.standard_normal(image.shape, dtype=np.float32) * np.float32(acquisition.noise))
    return np.asarray(tone(image, acquisition.gamma), np.float32)


def tone(values: NDArray[np.float32], gamma: float) -> NDArray[np.float32]:
    """The scanner's contrast curve; white matter stays at 1."""
    return np.asarray(np.power(np.maximum(values, 0.0), gamma), np.float32)


def smooth_field(shape: tuple[int, ...], cells: int, rng: np.random.Generator) -> Image:
    """A smooth random field of about unit amplitude, from a coarse lattice of `cells` nodes per axis."""
    coarse = rng.standard_normal((cells, cells, cells)).astype(np.float32)
    return stretched(coarse, shape)


def stretched(coarse: Float32[NDArray[Any], "a b c"], shape: tuple[int, ...], *, corners: bool = False) -> Image:
    """The lattice interpolated linearly to a shape.

    Args:
        coarse: values at the lattice's nodes.
        shape: of the result.
        corners: the outermost nodes lie on the outermost voxels; otherwise each node is the centre of a cell.
    """
    first, second, third = (_weights(n, length, corners) for n, length in zip(coarse.shape, shape, strict=True))
    # one matrix product per axis: 15 times faster than scipy's zoom, which gives the same
    rows = (first @ coarse.reshape(len(coarse), -1)).reshape(shape[0], *coarse.shape[1:])
    return np.asarray(np.matmul(np.matmul(second, rows), third.T), np.float32)


@cache
def _weights(nodes: int, length: int, corners: bool) -> Float32[NDArray[Any], "length nodes"]:  # noqa: FBT001
    """Share of each node in each voxel."""
    at = np.linspace(0, nodes - 1, length) if corners else (np.arange(length) + 0.5) * nodes / length - 0.5
    distance = np.abs(np.clip(at, 0, nodes - 1)[:, None] - np.arange(nodes))
    return np.asarray(np.maximum(1 - distance, 0), np.float32)


def _bias(shape: tuple[int, ...], amplitude: float, rng: np.random.Generator) -> Image:
    return np.exp(np.float32(amplitude) * smooth_field(shape, 3, rng))


def _thick_slices(image: Image, acquisition: Acquisition) -> Image:
    """Averaged over the slice, sampled at slice centres, and interpolated back, as preprocessing would do."""
    thickness, axis = acquisition.slice_thickness_mm, acquisition.slice_axis
    if thickness <= 1.2:
        return image
    # a box profile with slight overlap is close to a Gaussian of a third of the slice
    profile = ndimage.gaussian_filter1d(image, thickness / 3.0, axis=axis)
    length = image.shape[axis]
    centres = np.arange(acquisition.seed % 100 / 100.0 * thickness, length, thickness)
    if len(centres) < 4:
        return image
    index = np.clip((np.arange(length) - centres[0]) / thickness, 0, len(centres) - 1.001)
    low = index.astype(int)
    part = (index - low).astype(np.float32)
    nearest = np.clip(np.round(centres).astype(int), 0, length - 1)
    slices = np.take(profile, nearest, axis=axis)
    shape = [1, 1, 1]
    shape[axis] = length
    weight = part.reshape(shape)
    return np.asarray(
        np.take(slices, low, axis=axis) * (1 - weight) + np.take(slices, low + 1, axis=axis) * weight, np.float32
    )
