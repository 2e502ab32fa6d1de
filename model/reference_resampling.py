"""nnU-Net's resampling between spacings: splines along the axes of equal resolution, nearest across thick slices."""

from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray
from scipy import ndimage

Shape = tuple[int, int, int]
Spacing = tuple[float, float, float]
Channels = Float32[NDArray[Any], "channel _ _ _"]

THICK = 3.0
"""Largest over smallest spacing from which the thickest axis is treated apart."""


def resampled_shape(shape: Shape, spacing: Spacing, wanted: Spacing) -> Shape:
    """Voxels along each axis once `shape` at `spacing` is brought to the wanted spacing (mm)."""
    d, h, w = (round(a / b * n) for n, a, b in zip(shape, spacing, wanted, strict=True))
    return d, h, w


def to_shape(data: Channels, shape: Shape, *, spacing: Spacing, wanted: Spacing, order: int) -> Channels:
    """Every channel on `shape` voxels over the same field of view; the same values where nothing changes.

    `data` lies at `spacing` mm, the result at `wanted` mm. The spline has order 3 for images and 1 for logits; what
    it overshoots is clipped to the channel's own range.
    """
    if data.shape[1:] == shape:
        return data
    thick = thick_axis(spacing)
    if thick is None:
        thick = thick_axis(wanted)
    return np.stack([_resized(channel, shape, order, thick) for channel in data]).astype(np.float32)


def thick_axis(spacing: Spacing) -> int | None:
    """The one axis that is more than three times coarser than the finest; None where there is no such axis."""
    coarsest = max(spacing)
    axes = [axis for axis, mm in enumerate(spacing) if mm == coarsest]
    return axes[0] if len(axes) == 1 and coarsest / min(spacing) > THICK else None


def _resized(channel: NDArray[np.float32], shape: Shape, order: int, thick: int | None) -> NDArray[np.float64]:
    if thick is None:
        return _splined(channel, shape, order)
    in_plane = shape[:thick] + shape[thick + 1 :]
    slices = [_splined(one, in_plane, order) for one in np.moveaxis(channel, thick, 0)]
    ratio = channel.shape[thick] / shape[thick]
    nearest = np.floor((np.arange(shape[thick]) + 0.5) * ratio).astype(int)  # centres of the new slices
    return np.asarray(np.stack(slices, axis=thick).take(nearest, thick))


def _splined(array: NDArray[np.float32], shape: tuple[int, ...], order: int) -> NDArray[np.float64]:
    factors = [new / old for new, old in zip(shape, array.shape, strict=True)]
    zoomed = ndimage.zoom(array.astype(np.float64), factors, order=order, mode="nearest", grid_mode=True)
    return np.asarray(np.clip(zoomed, float(array.min()), float(array.max())))
