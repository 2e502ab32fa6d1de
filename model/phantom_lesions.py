"""Lesions of exactly known volume: smooth blobs, placed where multiple sclerosis puts them.

In its own frame a lesion is star-shaped. With `u` the direction from its centre and `h` a sum of harmonics,
the radius is `r(u) = r0 (1 + h(u))^(1/3)`. Harmonics have zero mean on the sphere, so the volume, the integral
of `r^3 / 3` over all directions, is `4/3 pi r0^3` whatever `h`. A stretch of determinant 1 keeps it.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy import ndimage

from model.grid import Grid
from model.phantom_head import LPS_FROM_RAS, PhantomHead
from model.preprocess import bounding_box
from model.volume import Affine, spacing_of, world_from_voxel

ChangeKind = Literal["new", "enlarging", "stable", "shrinking", "resolved"]
Region = Literal["periventricular", "juxtacortical", "deep white", "infratentorial"]
Point = tuple[float, float, float]

EDGE_MM = 0.35
"""Width of the soft edge: the signal falls from 88 % to 12 % over four times this."""

SOLID_SAMPLE_MM, SOFT_SAMPLE_MM = 0.34, 0.51
"""Largest distance between the points that the part of a voxel inside a lesion is counted with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionPlan:
    """A lesion as asked for; a volume of 0 means it is absent at that time point."""

    near_mni: Point
    """Wished place, MNI152 mm (RAS); the lesion goes to the nearest white matter that holds it."""
    region: Region
    baseline_volume_mm3: float
    follow_up_volume_mm3: float
    flair_over_white: float
    t1_over_white: float

    @property
    def kind(self) -> ChangeKind:
        """What the measurement rules call this change."""
        before, after = self.baseline_volume_mm3, self.follow_up_volume_mm3
        if before == 0 or after == 0:
            return "new" if before == 0 else "resolved"
        if after - before >= 14.0 and after / before >= 1.5:
            return "enlarging"
        return "shrinking" if before - after >= 14.0 and before / after >= 1.5 else "stable"

    def scaled(self, factor: float) -> "LesionPlan":
        """The same lesion with both volumes times a factor."""
        before, after = factor * self.baseline_volume_mm3, factor * self.follow_up_volume_mm3
        return replace(self, baseline_volume_mm3=before, follow_up_volume_mm3=after)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Blob:
    """The form of a lesion; its size comes with every call."""

    centre: Float[NDArray[Any], "3"]
    """Head world, mm (LPS)."""
    form_from_head: Float[NDArray[Any], "3 3"]
    """Rotation and volume-preserving stretch of offsets from the centre."""
    coefficients: Float[NDArray[Any], "9"]
    """Of the harmonics, scaled so that `abs(h) <= 0.55`."""

    def excess_mm(self, points: Float[NDArray[Any], "3 n"], volume_mm3: float) -> Float[NDArray[Any], " n"]:
        """About the distance of head points (mm, LPS) from the surface, negative inside; zero exactly on it."""
        offset = self.form_from_head @ (points - self.centre[:, None])
        length = np.sqrt((offset * offset).sum(axis=0))
        direction = offset / np.maximum(length, 1e-9)
        return np.asarray(length - sphere_radius(volume_mm3) * self._relative_radius(direction))

    def centroid(self, volume_mm3: float) -> Float[NDArray[Any], "3"]:
        """Centre of mass of the solid lesion, head world mm (LPS): the integral of `u r^4 / 4` over the volume's."""
        directions = _sphere_directions(20_000)
        relative = self._relative_radius(directions)
        mean = sphere_radius(volume_mm3) * 0.75 * (directions * relative**4).mean(axis=1)
        return np.asarray(self.centre + np.linalg.solve(self.form_from_head, mean))

    def reach_mm(self, volume_mm3: float) -> float:
        """No point of the lesion lies farther from its centre."""
        stretch = 1.0 / np.linalg.svd(self.form_from_head, compute_uv=False).min()
        return float(sphere_radius(volume_mm3) * 1.55 ** (1 / 3) * stretch)

    def _relative_radius(self, direction: Float[NDArray[Any], "3 n"]) -> Float[NDArray[Any], " n"]:
        return np.asarray(np.cbrt(1.0 + _harmonic_sum(direction, self.coefficients)))


def sphere_radius(volume_mm3: float) -> float:
    """Radius (mm) of the sphere of this volume."""
    return float(np.cbrt(0.75 * volume_mm3 / np.pi))


def lay_out(plans: tuple[LesionPlan, ...], head: PhantomHead, rng: np.random.Generator) -> tuple[Blob, ...]:
    """A blob for every plan, inside the tissue of its region and clear of the others.

    Raises:
        ValueError: no tissue within 15 mm of a wished place holds the lesion.
    """
    dry = head.fluid < 0.2
    white = _border_mm((head.white > 0.5) & dry, head)
    infratentorial = _border_mm((head.grey + head.white > 0.9) & head.brain & dry, head)
    to_ventricle = _border_mm(~head.ventricles, head)
    taken: list[tuple[NDArray[Any], float]] = []
    blobs = []
    for plan in plans:
        volume = max(plan.baseline_volume_mm3, plan.follow_up_volume_mm3)
        blob = _blob(np.zeros(3), plan.region, rng)
        reach = blob.reach_mm(volume)
        room = infratentorial if plan.region == "infratentorial" else white
        voxels = np.argwhere(room >= 0.95 * sphere_radius(volume))
        points = world_from_voxel(head.affine, voxels.astype(np.float64))
        pull = 3.0 * to_ventricle[tuple(voxels.T)] if plan.region == "periventricular" else 0.0
        centre = _nearest_place(plan.near_mni, points, pull, taken, reach)
        taken.append((centre, reach))
        blobs.append(Blob(centre=centre, form_from_head=blob.form_from_head, coefficients=blob.coefficients))
    return tuple(blobs)


def lesion_parts(
    blob: Blob, volume_mm3: float, grid: Grid, head_from_grid: Affine, *, soft: bool
) -> tuple[tuple[slice, slice, slice], Float[NDArray[Any], "i j k"]] | None:
    """The part (0 to 1) of every voxel of a box of the grid that a lesion fills; None when it lies outside.

    Voxels are boxes; the parts times the voxel volume add up to `volume_mm3`, save for counting error.
    `soft` gives the signal's weight, which is one half on the surface, in place of the solid body's.
    `head_from_grid` maps the grid's world to the head's, mm.
    """
    head_from_voxel = head_from_grid @ grid.affine
    margin = 6 * EDGE_MM if soft else 0.0
    box = _box(blob, blob.reach_mm(volume_mm3) + margin, head_from_voxel, grid.shape)
    if box is None:
        return None
    spacing = spacing_of(head_from_voxel)
    # an odd number for the solid body: a voxel exactly half full would always count as inside
    steps = [int(np.ceil(s / SOFT_SAMPLE_MM)) if soft else int(np.ceil(s / SOLID_SAMPLE_MM)) | 1 for s in spacing]
    axes = [_inside_voxels(s, n) for s, n in zip(box, steps, strict=True)]
    i, j, k = np.meshgrid(*axes, indexing="ij", sparse=True)
    points = np.stack([row[0] * i + row[1] * j + row[2] * k + row[3] for row in head_from_voxel[:3]])
    excess = blob.excess_mm(points.reshape(3, -1), volume_mm3)
    weight = 1.0 / (1.0 + np.exp(np.clip(excess / EDGE_MM, -30, 30))) if soft else (excess < 0).astype(np.float64)
    blocks = [n for axis, step in zip(axes, steps, strict=True) for n in (len(axis) // step, step)]
    return box, np.asarray(weight.reshape(blocks).mean(axis=(1, 3, 5)))


def _inside_voxels(voxels: slice, steps: int) -> NDArray[np.float64]:
    """`steps` evenly spread positions inside every voxel of the slice, in voxel units."""
    count = (voxels.stop - voxels.start) * steps
    return np.asarray(voxels.start - 0.5 + (np.arange(count) + 0.5) / steps)


def _box(
    blob: Blob, reach: float, head_from_voxel: Affine, shape: tuple[int, int, int]
) -> tuple[slice, slice, slice] | None:
    voxel_from_head = np.linalg.inv(head_from_voxel)
    centre = world_from_voxel(voxel_from_head, blob.centre[None])[0]
    half = reach * np.linalg.norm(voxel_from_head[:3, :3], axis=1)
    low = np.maximum(np.floor(centre - half), 0).astype(int)
    high = np.minimum(np.ceil(centre + half) + 1, shape).astype(int)
    if (low >= high).any():
        return None
    i, j, k = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return i, j, k


def _blob(centre: NDArray[Any], region: Region, rng: np.random.Generator) -> Blob:
    coefficients = rng.standard_normal(9)
    coefficients *= 0.55 / np.abs(_harmonic_sum(_sphere_directions(2_000), coefficients)).max()
    # periventricular lesions are ovoids across the ventricle's wall (Dawson's fingers); others lie anyhow
    stretch = np.array([1.3, 1.0, 1.0]) if region == "periventricular" else rng.uniform(0.88, 1.14, 3)
    stretch = stretch / np.cbrt(stretch.prod())
    turn = _rotation(rng.uniform(-20, 20, 3) if region == "periventricular" else rng.uniform(-180, 180, 3))
    return Blob(centre=centre, form_from_head=np.diag(1.0 / stretch) @ turn, coefficients=coefficients)


def _rotation(degrees: NDArray[Any]) -> NDArray[np.float64]:
    matrix = np.eye(3)
    for axis, angle in enumerate(np.deg2rad(degrees)):
        turn = np.eye(3)
        p, q = (axis + 1) % 3, (axis + 2) % 3
        turn[p, p] = turn[q, q] = np.cos(angle)
        turn[p, q], turn[q, p] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return matrix


def _harmonic_sum(direction: NDArray[Any], c: NDArray[Any]) -> NDArray[np.float64]:
    """Nine harmonics of degree 2 and 3 on the unit sphere, weighted; each has zero mean there."""
    x, y, z = direction
    second = c[0] * x * y + c[1] * y * z + c[2] * x * z + c[3] * (x * x - y * y)
    odd = x * (c[5] * (x * x - 3 * y * y)) + y * (c[6] * (3 * x * x - y * y)) + c[4] * x * y * z
    return np.asarray(second + odd + z * (c[7] * (x * x - y * y) + c[8] * (5 * z * z - 3)))


def _sphere_directions(count: int) -> NDArray[np.float64]:
    """Directions spread evenly over the sphere (Fibonacci lattice)."""
    n = np.arange(count) + 0.5
    z = 1.0 - 2.0 * n / count
    turn = np.pi * (1.0 + np.sqrt(5.0)) * n
    ring = np.sqrt(1.0 - z * z)
    return np.stack([ring * np.cos(turn), ring * np.sin(turn), z])


def _border_mm(room: NDArray[np.bool_], head: PhantomHead) -> NDArray[np.float32]:
    """Distance of every voxel of the room from its border, mm; 0 beyond the box of the nervous tissue."""
    box = bounding_box(head.nervous > 0.01)  # wider than the tissue: it is smooth
    depth = np.zeros(room.shape, np.float32)
    depth[box] = ndimage.distance_transform_edt(room[box], sampling=spacing_of(head.affine))
    return depth


def _nearest_place(
    near_mni: Point,
    points: NDArray[Any],
    pull: NDArray[Any] | float,
    taken: list[tuple[NDArray[Any], float]],
    reach: float,
) -> NDArray[np.float64]:
    """Of the world points with room the one nearest to the wish, 4 mm clear of the lesions placed before.

    `pull` (mm) is added to the distance of every point.
    """
    wish = world_from_voxel(LPS_FROM_RAS, np.array([near_mni]))[0]
    distance = np.linalg.norm(points - wish, axis=1)
    distance[distance > 15.0] = np.inf
    for centre, other_reach in taken:
        distance[np.linalg.norm(points - centre, axis=1) < reach + other_reach + 4.0] = np.inf
    if not np.isfinite(distance).any():
        raise ValueError(f"lesions: no room for a lesion within 15 mm of {near_mni}")
    return np.asarray(points[int((distance + pull).argmin())])
