"""A simulated scanner: what makes two images of one head differ without any change of the head."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray
from scipy import ndimage

Image = Float32[NDArray[Any], "d h w"]


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
    return np.asarray(tone(image, acquisition.gamma), np.float32)


def tone(values: NDArray[np.float32], gamma: float) -> NDArray[np.float32]:
    """The scanner's contrast curve; white matter stays at 1."""
    return np.asarray(np.power(np.maximum(values, 0.0), gamma), np.float32)


def smooth_field(shape: tuple[int, ...], cells: int, rng: np.random.Generator) -> Image:
    """A smooth random field of about unit amplitude, from a coarse lattice of `cells` nodes per axis."""
    coarse = rng.standard_normal((cells, cells, cells)).astype(np.float32)
    zoom = tuple(n / cells for n in shape)
    return np.asarray(ndimage.zoom(coarse, zoom, order=1, mode="nearest", grid_mode=True), np.float32)


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
