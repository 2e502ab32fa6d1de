"""Lesions to paint: where they lie, their shape, and their size at each time point."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import cc3d
import numpy as np
from jaxtyping import Bool, UInt8
from numpy.typing import NDArray
from scipy import ndimage

from model.anatomy import Anatomy, Tissue
from model.augment import Rng, resampled, rotation
from model.training_pool import TrainingPool

SMALLEST_VOXELS = 3
"""Lesions below 3 mm3 are not counted by the measurement rules, so none is painted."""

MARGIN = 4
"""Voxels around a lesion's box: room for growth and soft edges."""

ALLOWED = (Tissue.WHITE, Tissue.BRAINSTEM, Tissue.CEREBELLUM_WHITE, Tissue.DEEP_GREY)


class Status(StrEnum):
    """What becomes of a lesion from baseline to follow-up."""

    NEW = "new"
    GROWN = "grown"
    UNCHANGED = "unchanged"
    SHRUNK = "shrunk"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shape:
    """A lesion in its box of the sample's grid."""

    box: tuple[slice, slice, slice]
    distance: NDArray[np.float32]
    """Signed distance to the lesion's surface, mm, negative inside."""


def status(rng: Rng, *, activity: float) -> Status:
    """Unchanged, or with probability `activity` one of the four changes."""
    if rng.random() >= activity:
        return Status.UNCHANGED
    return (Status.NEW, Status.RESOLVED, Status.GROWN, Status.SHRUNK)[int(rng.choice(4, p=(0.4, 0.2, 0.25, 0.15)))]


def levels(rng: Rng, shape: Shape, change: Status) -> tuple[float | None, float | None]:
    """The distance at which the lesion ends at baseline and at follow-up, mm; None: not there.

    The smaller of two sizes is at most half of the larger in volume.
    """
    if change is Status.NEW:
        return None, 0.0
    if change is Status.RESOLVED:
        return 0.0, None
    if change is Status.UNCHANGED:
        return 0.0, 0.0
    large, inside = 0.0, np.sort(shape.distance[shape.distance < 0])
    if len(inside) < 60:  # too small to erode: grow it outward instead
        large = float(rng.uniform(0.7, 1.5))
        inside = np.sort(shape.distance[shape.distance < large])
    small = float(inside[int(len(inside) * rng.uniform(0.15, 0.5))])
    return (small, large) if change is Status.GROWN else (large, small)


def shapes(
    rng: Rng,
    pool: TrainingPool,
    anatomy: Anatomy,
    tissue: UInt8[NDArray[Any], "d h w"],
    ventricle_mm: NDArray[np.float32],
    mni_from_sample: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> Iterator[Shape]:
    """Candidates for one head: whole patterns of patients, single lesions, and tiny ones."""
    del anatomy
    for _ in range(int(rng.choice(3, p=(0.3, 0.5, 0.2)))):
        yield from _pattern(rng, pool, tissue.shape, mni_from_sample)
    places = _Places.of(tissue, ventricle_mm)
    for _ in range(int(rng.integers(0, 16))):
        yield _at(_turned(rng, pool.singles[int(rng.integers(len(pool.singles)))]), places.draw(rng), tissue.shape)
    for _ in range(int(rng.integers(0, 20))):
        yield _at(_tiny(rng), places.draw(rng), tissue.shape)


def permitted(rng: Rng, tissue: UInt8[NDArray[Any], "d h w"]) -> Bool[NDArray[Any], "d h w"]:
    """Where a lesion may be: white matter and the like, in three lesions of ten cortex as well; never fluid."""
    allowed = np.isin(tissue, ALLOWED)
    if rng.random() < 0.3:
        allowed |= tissue == Tissue.GREY
    return allowed


def _pattern(
    rng: Rng,
    pool: TrainingPool,
    shape: tuple[int, ...],
    mni_from_sample: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> Iterator[Shape]:
    """The lesions of one patient, mirrored and shifted by up to 6 voxels; a part of them is left out."""
    mask = pool.patterns[int(rng.integers(len(pool.patterns)))].astype(np.float32)
    if rng.random() < 0.5:
        mask = np.ascontiguousarray(mask[:, :, ::-1])
    matrix, offset = mni_from_sample
    offset = offset + rng.uniform(-6, 6, 3)
    d, h, w = shape
    moved = resampled(mask[None], matrix, offset, (d, h, w))[0] > 0.5
    labels, count = cc3d.connected_components(moved, connectivity=26, return_N=True)
    kept = rng.uniform(0.3, 1)
    for n, box in enumerate(ndimage.find_objects(labels, max_label=count), start=1):
        if rng.random() < kept and box is not None:
            wide = tuple(
                slice(max(0, s.start - MARGIN), min(size, s.stop + MARGIN)) for s, size in zip(box, shape, strict=True)
            )
            yield Shape(box=(wide[0], wide[1], wide[2]), distance=_signed_mm(labels[wide] == n))


def _turned(rng: Rng, single: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A single lesion turned at random and scaled by 0.7 to 1.3, in a box with margin."""
    side = int(np.ceil(np.linalg.norm(single.shape) * 1.3)) + 2
    matrix = rotation(rng.uniform(-180, 180, 3)) / rng.uniform(0.7, 1.3)
    offset = (np.array(single.shape) - 1) / 2 - matrix @ np.full(3, (side - 1) / 2)
    padded = np.pad(single, 1).astype(np.float32)
    return resampled(padded[None], matrix, offset + 1, (side, side, side))[0] > 0.5


def _tiny(rng: Rng) -> NDArray[np.bool_]:
    """An uneven ellipsoid of 3 to 50 mm3."""
    volume = np.exp(rng.uniform(np.log(3.5), np.log(50)))
    radii = rng.uniform(0.7, 1.4, 3)
    radii *= (volume / (4 / 3 * np.pi * radii.prod())) ** (1 / 3)
    axes = np.stack(np.meshgrid(*[np.arange(-6, 7)] * 3, indexing="ij"), -1) + rng.uniform(-0.5, 0.5, 3)
    reach = np.linalg.norm((axes @ rotation(rng.uniform(-180, 180, 3))) / radii, axis=-1)
    return np.asarray(reach + 0.1 * rng.standard_normal(reach.shape) < 1)


def _at(mask: NDArray[np.bool_], centre: NDArray[np.intp], shape: tuple[int, ...]) -> Shape:
    """The mask with margin around a voxel, cut at the border of the grid."""
    mask = np.pad(mask, MARGIN)
    low = centre - np.array(mask.shape) // 2
    start, stop = np.maximum(low, 0), np.minimum(low + mask.shape, shape)
    inside = tuple(slice(a - o, b - o) for a, b, o in zip(start, stop, low, strict=True))
    box = tuple(slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
    return Shape(box=(box[0], box[1], box[2]), distance=_signed_mm(mask[inside]))


def _signed_mm(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    if not mask.any():
        return np.full(mask.shape, 15, np.float32)
    outside = ndimage.distance_transform_edt(~mask)
    inside = ndimage.distance_transform_edt(mask)
    return np.asarray(outside - inside - 0.5 * np.where(mask, -1, 1), np.float32)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Places:
    """Voxels where MS lesions like to lie, and how often."""

    voxels: tuple[NDArray[np.intp], ...]
    odds: tuple[float, ...]
    shape: tuple[int, ...]

    @staticmethod
    def of(tissue: NDArray[np.uint8], ventricle_mm: NDArray[np.float32]) -> "_Places":
        white = tissue == Tissue.WHITE
        cortex = ndimage.uniform_filter((tissue == Tissue.GREY).astype(np.float32), 5) > 0.2
        below = np.isin(tissue, (Tissue.BRAINSTEM, Tissue.CEREBELLUM_WHITE))
        groups = (white & (ventricle_mm < 10), white & cortex, white, below)
        found = [
            (np.flatnonzero(g), odds) for g, odds in zip(groups, (0.4, 0.25, 0.28, 0.07), strict=True) if g.any()
        ]
        total = sum(odds for _, odds in found)
        return _Places(
            voxels=tuple(v for v, _ in found), odds=tuple(o / total for _, o in found), shape=tissue.shape
        )

    def draw(self, rng: Rng) -> NDArray[np.intp]:
        group = self.voxels[int(rng.choice(len(self.voxels), p=self.odds))]
        return np.array(np.unravel_index(int(group[rng.integers(len(group))]), self.shape))
