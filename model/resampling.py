"""Images, probabilities and label maps from one grid to another, each with a single interpolation."""

from typing import Any, Literal

import numpy as np
import SimpleITK as sitk
from jaxtyping import Bool, Float32, Shaped
from numpy.typing import NDArray
from scipy import ndimage

from model.grid import Grid, corners
from model.volume import Affine, Volume, world_from_voxel

Interpolation = Literal["linear", "cubic", "nearest"]

INTERPOLATORS: dict[Interpolation, int] = {
    "nearest": sitk.sitkNearestNeighbor,
    "linear": sitk.sitkLinear,
    "cubic": sitk.sitkBSpline,
}


def resample(
    volume: Volume, grid: Grid, *, volume_from_grid: Affine, interpolation: Interpolation = "linear"
) -> Float32[NDArray[Any], "d h w"]:
    """The volume's values at the grid's points, zero outside its field of view; one interpolation.

    Args:
        volume: image, probability or mask; a mask gives the part of it at each point.
        grid: where to sample.
        volume_from_grid: world of the grid -> world of the volume, mm; every transform composed.
        interpolation: `cubic` (B-spline) for images, `linear` for probabilities and masks, `nearest` for codes.

    Where the volume is finer than the grid (0.4 mm in plane onto 1 mm), a Gaussian first takes away what the grid
    cannot hold; it is no second interpolation.
    """
    voxel_from_grid = np.linalg.inv(volume.affine) @ volume_from_grid @ grid.affine
    source = np.asarray(volume.array, np.float32)
    if interpolation != "nearest":
        source = _without_what_aliases(source, voxel_from_grid)
    if interpolation == "cubic" and _shares_axes(voxel_from_grid, grid.shape):
        return _sampled_axis_by_axis(source, voxel_from_grid, grid.shape)
    return _sampled(source, voxel_from_grid, grid.shape, interpolation)


def field_of_view(volume: Volume, grid: Grid, *, volume_from_grid: Affine) -> Bool[NDArray[Any], "d h w"]:
    """Grid points that lie inside the voxels of the volume: up to half a voxel beyond the outermost centres."""
    voxel_from_grid = np.linalg.inv(volume.affine) @ volume_from_grid @ grid.affine
    d, h, w = (np.arange(n, dtype=np.float64) for n in grid.shape)
    seen = np.ones(grid.shape, bool)
    for size, (a, b, c, offset) in zip(volume.array.shape, voxel_from_grid[:3], strict=True):
        at = (a * d + offset)[:, None, None] + (b * h)[:, None] + c * w
        seen &= (at >= -0.5) & (at < size - 0.5)
    return seen


def onto_grid(
    array: Shaped[NDArray[Any], "d h w"],
    grid: Grid,
    target: Grid,
    *,
    target_from_grid: Affine,
    interpolation: Interpolation = "linear",
) -> Float32[NDArray[Any], "i j k"]:
    """A map or mask of one grid on another: the mean over each target voxel where those are larger.

    `target_from_grid` maps the world of `grid` to the world of the target, mm; for the way back from the common grid
    that is `NetworkInput.follow_up_from_grid` or `baseline_from_grid`.
    """
    volume = Volume(array=array, affine=grid.affine)
    return resample(volume, target, volume_from_grid=np.linalg.inv(target_from_grid), interpolation=interpolation)


def labels_onto_grid(
    labels: Shaped[NDArray[Any], "d h w"],
    grid: Grid,
    target: Grid,
    *,
    target_from_grid: Affine,
) -> NDArray[Any]:
    """A label map on another grid, each label with its own volume (to the nearest voxel, at least one).

    A label takes the voxels that it fills most, as many as hold its volume: a cut at half a voxel would drop the
    small lesions of thick slices. Where two labels want a voxel, the one that fills more of it has it; what lies
    outside the target is lost.
    """
    grid_from_target = np.linalg.inv(target_from_grid)
    voxels_per_voxel = grid.voxel_volume_mm3 * abs(np.linalg.det(target_from_grid[:3, :3])) / target.voxel_volume_mm3
    most = np.zeros(target.shape, np.float32)
    winner = np.zeros(target.shape, labels.dtype)
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        source = _with_margin(box, labels.shape)
        part_grid = grid.crop(source)
        reached = _reached(part_grid, target, target_from_grid)
        if reached is None:
            continue
        inside = labels[source] == label
        part = resample(
            Volume(array=inside, affine=part_grid.affine), target.crop(reached), volume_from_grid=grid_from_target
        )
        count = max(1, round(int(inside.sum()) * voxels_per_voxel))
        wins = _fullest(part, count) & (part > most[reached])
        most[reached] = np.where(wins, part, most[reached])
        winner[reached] = np.where(wins, labels.dtype.type(label), winner[reached])
    return winner


def _fullest(part: NDArray[np.float32], count: int) -> NDArray[np.bool_]:
    """The `count` voxels with the largest part; none that the label does not touch."""
    chosen = np.zeros(part.size, bool)
    chosen[np.argsort(part, axis=None, kind="stable")[::-1][:count]] = True
    return chosen.reshape(part.shape) & (part > 1e-6)


def _sampled(
    source: NDArray[np.float32], voxel_from_grid: Affine, shape: tuple[int, int, int], interpolation: Interpolation
) -> Float32[NDArray[Any], "d h w"]:
    """One interpolation in voxel coordinates, so that SimpleITK sees no world and sheared axes are no special case."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(source.transpose(2, 1, 0)))
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(voxel_from_grid[:3, :3].ravel().tolist())
    transform.SetTranslation(voxel_from_grid[:3, 3].tolist())
    sampled = sitk.Resample(
        image,
        list(shape),
        transform,
        INTERPOLATORS[interpolation],
        [0.0, 0.0, 0.0],
        [1.0, 1.0, 1.0],
        np.eye(3).ravel().tolist(),
        0.0,
        sitk.sitkFloat32,
    )
    return np.ascontiguousarray(sitk.GetArrayFromImage(sampled).transpose(2, 1, 0))


def _shares_axes(voxel_from_grid: Affine, shape: tuple[int, int, int]) -> bool:
    """Whether each axis of the grid runs along the same axis of the source, to a thousandth of a voxel."""
    matrix = voxel_from_grid[:3, :3]
    return bool((np.abs(matrix - np.diag(np.diag(matrix))) @ np.array(shape) < 1e-3).all())


def _sampled_axis_by_axis(
    source: NDArray[np.float32], voxel_from_grid: Affine, shape: tuple[int, int, int]
) -> Float32[NDArray[Any], "d h w"]:
    """What `_sampled` gives by B-splines where axes are shared: a matrix product along each, a sixth of the time."""
    for axis, (size, count) in enumerate(zip(source.shape, shape, strict=True)):
        at = voxel_from_grid[axis, axis] * np.arange(count) + voxel_from_grid[axis, 3]
        weights = _cubic_weights(at, size)
        source = np.moveaxis(np.tensordot(weights, source, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(source)


def _cubic_weights(at: NDArray[np.float64], size: int) -> NDArray[np.float32]:
    """What each of `size` samples adds at each place of a line: the splines through lines of a single one."""
    places = np.broadcast_to(at[:, None], (at.size, size))
    lines = np.broadcast_to(np.arange(size), (at.size, size))
    weights = ndimage.map_coordinates(np.eye(size), [places, lines], order=3, mode="mirror")
    weights[(at < -0.5) | (at >= size - 0.5)] = 0
    return np.asarray(weights, np.float32)


def _without_what_aliases(source: NDArray[np.float32], voxel_from_grid: Affine) -> NDArray[np.float32]:
    steps = np.abs(voxel_from_grid[:3, :3]).max(axis=1)  # source voxels per grid step, along each source axis
    sigmas = np.sqrt(np.maximum(steps**2 - 1.0, 0.0)) / 2.355  # widens one voxel's width to one step's
    if sigmas.max() < 0.2:
        return source
    return np.asarray(ndimage.gaussian_filter(source, sigmas.tolist(), mode="nearest", truncate=3.0), np.float32)


def _with_margin(box: tuple[slice, ...], shape: tuple[int, ...]) -> tuple[slice, slice, slice]:
    """The box with room for the smoothing: 8 voxels."""
    a, b, c = (slice(max(0, s.start - 8), min(n, s.stop + 8)) for s, n in zip(box, shape, strict=True))
    return a, b, c


def _reached(part: Grid, target: Grid, target_from_grid: Affine) -> tuple[slice, slice, slice] | None:
    """The box of the target that a part of the source can touch."""
    at = world_from_voxel(np.linalg.inv(target.affine) @ target_from_grid, corners(part))
    low = np.maximum(np.floor(at.min(axis=0)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(at.max(axis=0)).astype(int) + 2, target.shape)
    if (low >= high).any():
        return None
    a, b, c = (slice(int(x), int(y)) for x, y in zip(low, high, strict=True))
    return a, b, c
