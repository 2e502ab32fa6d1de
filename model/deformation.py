"""Where a patch lies in an anatomy, and what moves between two visits.

    patch of a visit --Motion (rigid, atrophy)--> patch of the patient --Placement (bend, affine)--> anatomy

Coordinates are computed at nodes `NODE_STEP` voxels apart and interpolated linearly: every field here is smooth.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from model.anatomy import SDF_STEPS_PER_MM, Anatomy, Tissue
from model.scanner import stretched

Patch = tuple[int, int, int]
Nodes = Float32[NDArray[Any], "3 a b c"]

NODE_STEP = 4
BEND_STEP = 22
"""Voxels between the control points of the bend: wide enough that it cannot fold (see the tests)."""
ANY_WAY = 0.2
"""Part of the patches in a pose of no patient: the few real cortices of a training look like more."""
LARGEST_BEND = 6.0
"""Of a control point, voxels; the bend itself stays near half of it."""

FLUID_REACH_MM, SURFACE_REACH_MM = 8.0, 10.0
"""How far from the ventricles and from the surface atrophy is felt."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """The voxel of the anatomy at each voxel of a patch."""

    at: Float32[NDArray[Any], "3 d h w"]

    def nearest(self, array: NDArray[Any], *, beyond: int = 0) -> NDArray[Any]:
        """An array of labels or distances in the patch; `beyond` its edge."""
        inside = np.ones(self.at.shape[1:], bool)
        flat = np.zeros(inside.shape, np.int32)
        for axis, length in zip(self.at, array.shape, strict=True):
            index = np.floor(axis + np.float32(0.5)).astype(np.int32)
            inside &= (index >= 0) & (index < length)
            flat = flat * length + np.clip(index, 0, length - 1)
        return np.where(inside, array.ravel().take(flat), array.dtype.type(beyond))

    def linear(self, array: NDArray[Any]) -> NDArray[np.float32]:
        """An image in the patch, zero beyond its edge."""
        return np.asarray(ndimage.map_coordinates(array, self.at, output=np.float32, order=1))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Motion:
    """The voxel of the patient's patch at each node of a visit's patch."""

    nodes: Nodes
    shape: Patch

    def dense(self) -> Float32[NDArray[Any], "3 d h w"]:
        """At every voxel."""
        return _dense(self.nodes, self.shape)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Placement:
    """How a patient's patch lies in an anatomy: voxel = `matrix @ (voxel of the patch + bend) + offset`."""

    matrix: Float64[NDArray[Any], "3 3"]
    offset: Float64[NDArray[Any], "3"]
    shape: Patch
    bend: Nodes | None = None
    """Coefficients of a cubic B-spline, `BEND_STEP` voxels apart, the first one that far before the patch."""

    def frame(self, motion: Motion | None = None) -> Frame:
        """The frame of a visit, or of the patient."""
        nodes = self.nodes_of(still(self.shape) if motion is None else motion)
        return Frame(at=_dense(nodes, self.shape))

    def nodes_of(self, motion: Motion) -> Nodes:
        """Voxel of the anatomy at each node of a visit."""
        at = motion.nodes
        if self.bend is not None:
            cell = at / np.float32(BEND_STEP) + np.float32(1)
            bends = [
                ndimage.map_coordinates(axis, cell, order=3, prefilter=False, mode="nearest") for axis in self.bend
            ]
            at = at + np.stack(bends)
        turned = np.tensordot(self.matrix, at, axes=1) + self.offset[:, None, None, None]
        return np.asarray(turned, np.float32)


def draw_placement(anatomy: Anatomy, patch: Patch, rng: np.random.Generator) -> Placement:
    """A patch about a brain voxel: head tilt to 15 degrees, size 0.9 to 1.1, bent a few mm, half of them mirrored.

    Some lie as no patient does (`ANY_WAY`): to 45 degrees about each axis, size 0.8 to 1.25, mirrored along any.
    """
    white = np.flatnonzero(anatomy.tissue.ravel()[::97] == Tissue.WHITE) * 97
    centre = np.array(np.unravel_index(int(rng.choice(white)), anatomy.tissue.shape), np.float64)
    any_way = rng.random() < ANY_WAY
    tilt_deg, size = (22.5, rng.uniform(0.8, 1.25)) if any_way else (7.5, rng.uniform(0.9, 1.1))
    turn = Rotation.from_rotvec(np.clip(rng.standard_normal(3), -2, 2) * np.deg2rad(tilt_deg)).as_matrix()
    stretch = np.diag(size * np.exp(rng.uniform(-0.04, 0.04, 3)))
    mirrored = (rng.random(3) < 0.5) & (any_way, any_way, True)
    stretch[mirrored, mirrored] *= -1
    matrix = turn @ stretch
    jitter = rng.uniform(-0.25, 0.25, 3) * patch
    offset = centre - matrix @ (np.array(patch) / 2 + jitter)
    cells = tuple(n // BEND_STEP + 4 for n in patch)
    bend = rng.uniform(0, LARGEST_BEND) * np.clip(rng.standard_normal((3, *cells)), -1.5, 1.5)
    return Placement(matrix=matrix, offset=offset, shape=patch, bend=bend.astype(np.float32))


def still(shape: Patch) -> Motion:
    """No motion: the visit lies as the patient does."""
    axes = [np.linspace(0, n - 1, -(-(n - 1) // NODE_STEP) + 1, dtype=np.float32) for n in shape]
    return Motion(nodes=np.stack(np.meshgrid(*axes, indexing="ij")), shape=shape)


def displaced(motion: Motion, rng: np.random.Generator, *, shift_mm: float, turn_deg: float) -> Motion:
    """The motion after a small rigid one about the patch's centre: what registration left."""
    turn = Rotation.from_rotvec(rng.standard_normal(3) * np.deg2rad(turn_deg) / 2).as_matrix()
    centre = np.array(motion.shape) / 2
    offset = centre - turn @ centre + rng.standard_normal(3) * shift_mm / 2
    nodes = np.tensordot(turn, motion.nodes, axes=1) + offset[:, None, None, None]
    return replace(motion, nodes=nodes.astype(np.float32))


def shrunken(motion: Motion, placement: Placement, anatomy: Anatomy, *, fluid_mm: float, surface_mm: float) -> Motion:
    """The motion of a brain with atrophy: ventricle walls `fluid_mm` further out, the surface `surface_mm` further in.

    Tissue between them follows less the farther it lies from both.
    """
    at = Frame(at=placement.nodes_of(motion))
    ventricle, brain = (
        ndimage.gaussian_filter(at.nearest(stored, beyond=15 * SDF_STEPS_PER_MM).astype(np.float32), 0.8)
        / np.float32(SDF_STEPS_PER_MM)
        for stored in (anatomy.ventricle_distance, anatomy.brain_distance)
    )
    outward = _direction(ventricle) * np.exp(-ventricle / np.float32(FLUID_REACH_MM))
    towards_surface = _direction(brain) * np.exp(-np.abs(brain) / np.float32(SURFACE_REACH_MM))
    shift = np.float32(surface_mm) * towards_surface - np.float32(fluid_mm) * outward
    return replace(motion, nodes=(motion.nodes + shift).astype(np.float32))


def _direction(distance: Float32[NDArray[Any], "a b c"]) -> Nodes:
    """Away from the nearest wall, of at most unit length; fades amid a ventricle and where it is clipped."""
    slope = np.stack(np.gradient(distance)) / np.float32(NODE_STEP)
    # at a ventricle's wall the mean slope is about a half: inside, the distance is zero
    return np.asarray(slope / np.maximum(np.linalg.norm(slope, axis=0), 0.4), np.float32)


def _dense(nodes: Nodes, shape: Patch) -> Float32[NDArray[Any], "3 d h w"]:
    return np.stack([stretched(axis, shape, corners=True) for axis in nodes])
