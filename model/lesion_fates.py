"""What each lesion of a patient does between two visits, and how it looks."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray
from scipy import ndimage

Piece = Bool[NDArray[Any], "_ _ _"]


class Fate(StrEnum):
    """From the earlier to the later visit."""

    UNCHANGED = "unchanged"
    NEW = "new"
    RESOLVED = "resolved"
    GROWN = "grown"
    SHRUNK = "shrunk"


FATE_SHARES = (0.24, 0.22, 0.20, 0.18, 0.16)
"""Of `Fate`, in its order."""
CONFLUENT_SHARES = (0.44, 0.04, 0.04, 0.30, 0.18)
"""Of lesions from `CONFLUENT` voxels: they neither come nor go at once."""
CONFLUENT = 800
WHOLE = 10
"""Lesions of fewer voxels do not grow or shrink, they appear or vanish."""
FLAIR_LEVELS = (1.18, 1.70)
"""Of a patient's lesions; white matter is 1. Real ones have mostly 1.24 to 1.39. Brighter ones are painted as well: a
network outlines what is brighter than the lesions it learnt from too widely (decision 0022)."""
FLAIR_BOUNDS = (1.15, 1.75)
"""Of each lesion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Signal relative to the white matter around it."""

    flair: float
    t1: float
    softness_mm: float
    variation: float
    """Of the signal inside the lesion."""
    core: float
    """How dark its middle is on T1 and, where it is deepest, on FLAIR: 0 not at all, 1 a black hole."""
    t1_core: float
    """How dark its middle is on T1 alone."""
    halo: float
    """Unmarked signal around it on FLAIR, part of the lesion's own."""
    scar: float
    """Unmarked signal that a resolved lesion leaves, part of what it was."""
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PaintedLesion:
    """A lesion in the patient's patch."""

    start: tuple[int, int, int]
    """First voxel of the box of both masks."""
    earlier: Piece
    later: Piece
    fate: Fate
    part: float
    """Smaller volume over larger: 1 unchanged, 0 new or resolved."""
    look: Look


def draw_lesions(
    placed: Bool[NDArray[Any], "d h w"], rng: np.random.Generator, *, changing: bool
) -> tuple[PaintedLesion, ...]:
    """Each 26-connected piece as a lesion with a fate and a look."""
    looks = _Looks(rng)
    labelled, _ = ndimage.label(placed, np.ones((3, 3, 3)))
    lesions = []
    for label, box in enumerate(ndimage.find_objects(labelled), start=1):
        whole = labelled[box] == label
        voxels = int(whole.sum())
        fate = _fate(voxels, rng) if changing else Fate.UNCHANGED
        earlier, later, part = _states(whole, fate, rng)
        start = (box[0].start, box[1].start, box[2].start)
        look = looks.draw(voxels, rng)
        lesions.append(PaintedLesion(start=start, earlier=earlier, later=later, fate=fate, part=part, look=look))
    return tuple(lesions)


def shrunk(lesion: Piece, part: float, lean: NDArray[np.float64]) -> Piece:
    """`part` of the lesion's volume: its deepest voxels, and those that lie towards `lean` (voxels per voxel)."""
    depth = ndimage.distance_transform_edt(np.pad(lesion, 1))[1:-1, 1:-1, 1:-1]
    for axis, slope in enumerate(lean):
        rows = np.arange(lesion.shape[axis]) * slope
        depth = depth + np.expand_dims(rows, [a for a in range(3) if a != axis])
    # two voxels are never equally deep: the volume is met exactly
    depth = depth + 1e-6 * np.arange(depth.size).reshape(depth.shape)
    keep = max(1, round(part * int(lesion.sum())))
    limit = np.partition(depth[lesion], -keep)[-keep]
    return np.asarray(lesion & (depth >= limit))


class _Looks:
    """Lesions of one patient look alike, not the same."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.flair = rng.uniform(*FLAIR_LEVELS)
        self.t1 = rng.uniform(0.62, 0.98)
        self.softness_mm = rng.uniform(0.4, 0.9)
        self.black_holes = rng.choice([0.0, 0.12, 0.4], p=(0.5, 0.35, 0.15))
        self.dark_middles = rng.choice([0.2, 0.8])

    def draw(self, voxels: int, rng: np.random.Generator) -> Look:
        hole = voxels > 60 and rng.random() < self.black_holes
        dark = voxels > 60 and rng.random() < self.dark_middles
        softness = self.softness_mm * rng.uniform(0.7, 1.3)
        # the smallest are faint on T1: 0.93 and 0.98 of white matter in the real scans, 0.77 to 0.89 the larger
        faint = 0.4 if voxels < 30 else 1.0
        return Look(
            flair=float(np.clip(1 + (self.flair - 1) * np.exp(rng.normal(0, 0.18)), *FLAIR_BOUNDS)),
            t1=float(1 - faint * (1 - np.clip(self.t1 + rng.normal(0, 0.1), 0.5, 1.0))),
            softness_mm=float(min(softness, 0.5) if voxels < 30 else softness),
            variation=float(rng.uniform(0.05, 0.3) if voxels > 200 else rng.uniform(0, 0.12)),
            core=float(rng.uniform(0.3, 1.0)) if hole else 0.0,
            t1_core=float(rng.uniform(0.2, 0.9)) if dark else 0.0,
            halo=float(rng.uniform(0.05, 0.3)) if rng.random() < 0.4 else 0.0,
            scar=float(rng.uniform(0.05, 0.2)) if rng.random() < 0.3 else 0.0,
            seed=int(rng.integers(2**31)),
        )


def _fate(voxels: int, rng: np.random.Generator) -> Fate:
    fate = list(Fate)[int(rng.choice(5, p=CONFLUENT_SHARES if voxels >= CONFLUENT else FATE_SHARES))]
    if voxels >= WHOLE:
        return fate
    return {Fate.GROWN: Fate.NEW, Fate.SHRUNK: Fate.RESOLVED}.get(fate, fate)


def _states(whole: Piece, fate: Fate, rng: np.random.Generator) -> tuple[Piece, Piece, float]:
    """Earlier, later, and the part of the volume that the smaller has."""
    if fate is Fate.UNCHANGED:
        return whole, whole, 1.0
    part = 0.0
    smaller = np.zeros_like(whole)
    if fate in {Fate.GROWN, Fate.SHRUNK}:
        part = float(rng.uniform(0.2, 0.65))
        smaller = shrunk(whole, part, rng.normal(0, 0.3, 3) * (rng.random() < 0.5))
    if fate in {Fate.NEW, Fate.GROWN}:
        return smaller, whole, part
    return whole, smaller, part
