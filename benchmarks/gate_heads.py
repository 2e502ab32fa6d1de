"""Made people: FLAIR-like scans of the whole-head label maps, any number of visits each, for `benchmarks/gates.py`.

    label map --pose, a year--> labels at 2 mm --contrast, lesions--> clean image --scanner--> FLAIR

Two visits of a person share the label map and most lesions; pose, contrast, scanner, atrophy and some lesions differ.
"""

import os
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from model.anatomy import Tissue
from model.contrast import TYPICAL
from model.grid import RAS_AXES
from model.head_labels import Head, Region, read_head
from model.scanner import acquire, draw_worn_acquisition, smooth_field
from model.volume import Volume

SPACING_MM = 2.0
SHAPE = (96, 108, 90)
"""192 x 216 x 180 mm around the brain: superior, anterior, right."""
TAPS = 4
"""Label samples per voxel, for partial volume."""
LATTICE = 2
"""Voxels of the label map per step of the field of a year."""
FLUID_REACH_MM = 8.0


@dataclass(frozen=True)
class Person:
    """One label map."""

    path: Path
    number: int

    @cached_property
    def head(self) -> Head:
        """In network axes, 1 mm."""
        return read_head(self.path)

    @cached_property
    def from_ventricles(self) -> NDArray[np.float32]:
        """Away from the ventricles, fading with the distance; on every second voxel of the label map."""
        coarse = self.head.regions[self.head.labels[::LATTICE, ::LATTICE, ::LATTICE]] == Region.VENTRICLES
        distance = ndimage.gaussian_filter(ndimage.distance_transform_edt(~coarse).astype(np.float32), 0.8) * LATTICE
        slope = np.stack(np.gradient(distance)) / np.float32(LATTICE)
        unit = slope / np.maximum(np.linalg.norm(slope, axis=0), 0.4)
        return np.asarray(unit * np.exp(-distance / np.float32(FLUID_REACH_MM)), np.float32)

    def visit(self, number: int) -> Volume:
        """The FLAIR of a visit; the first is 0, and each later one stands a year from the first."""
        rng = np.random.default_rng([self.number, number])
        at = self._places(rng, years=min(number, 1))
        taps = [self._labels(at + rng.uniform(-0.5, 0.5, 3)[:, None, None, None] * SPACING_MM) for _ in range(TAPS)]
        means = _contrast(self.head, rng)
        image = np.mean([means[tap] for tap in taps], axis=0, dtype=np.float32)
        image += np.float32(0.35) * self._lesions(taps[0], at, number)
        drawn = draw_worn_acquisition(rng)
        here = replace(  # its lengths are voxels there
            drawn, blur_mm=drawn.blur_mm / SPACING_MM, slice_thickness_mm=drawn.slice_thickness_mm / SPACING_MM
        )
        affine = np.eye(4)
        affine[:3, :3] = RAS_AXES * SPACING_MM
        affine[:3, 3] = rng.uniform(-40.0, 40.0, 3) - affine[:3, :3] @ np.array(SHAPE) / 2
        return Volume(array=np.float32(500.0) * acquire(image, here), affine=affine)

    def _places(self, rng: np.random.Generator, *, years: float) -> NDArray[np.float32]:
        """The voxel of the label map at each voxel of the scan."""
        turn = Rotation.from_rotvec(np.deg2rad(5.0) * np.clip(rng.standard_normal(3), -2, 2)).as_matrix()
        matrix = turn * SPACING_MM
        offset = self.head.centre - matrix @ (np.array(SHAPE) - 1) / 2 + rng.uniform(-8.0, 8.0, 3)
        axes = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in SHAPE), indexing="ij", sparse=True)
        at = np.stack([sum(np.float32(m) * x for m, x in zip(row, axes, strict=True)) for row in matrix])
        at = (at + offset[:, None, None, None]).astype(np.float32)
        if years:
            wider_mm = np.float32(rng.uniform(0.1, 0.6) * years)
            outward = [
                ndimage.map_coordinates(axis, at / LATTICE, order=1, mode="nearest") for axis in self.from_ventricles
            ]
            at -= wider_mm * np.stack(outward)
            at += np.float32(0.3) * np.stack([smooth_field(SHAPE, 7, rng) for _ in range(3)])
        return np.asarray(at, np.float32)

    def _labels(self, at: NDArray[Any]) -> NDArray[np.uint8]:
        index = np.rint(at).astype(np.int32)
        shape = np.array(self.head.labels.shape)[:, None, None, None]
        inside = ((index >= 0) & (index < shape)).all(axis=0)
        clipped = np.clip(index, 0, shape - 1)
        return np.where(inside, self.head.labels[tuple(clipped)], np.uint8(0))

    def _lesions(self, labels: NDArray[np.uint8], at: NDArray[np.float32], number: int) -> NDArray[np.float32]:
        """Blobs in the white matter; a fifth of their field is of the visit."""
        cells = (24, 24, 24)
        own, new = (
            np.random.default_rng([self.number, 999, seed]).standard_normal(cells, np.float32) for seed in (0, number)
        )
        scale = (np.array(cells) / np.array(self.head.labels.shape)).astype(np.float32)[:, None, None, None]
        field = ndimage.map_coordinates(own + np.float32(0.2) * new, at * scale, order=1, mode="nearest")
        marked = (field > 1.8) & (self.head.regions[labels] == Region.WHITE_MATTER)
        return ndimage.gaussian_filter(marked.astype(np.float32), 0.5)


def people() -> list[Person]:
    """Every label map of the shared data, found through MSDELTA_SHARED_DATA or beside the repository."""
    folder = Path(os.environ.get("MSDELTA_SHARED_DATA", "../shared")) / "data" / "synthseg_labels"
    return [Person(path, n) for n, path in enumerate(sorted(folder.glob("*.nii.gz")), start=1)]


def _contrast(head: Head, rng: np.random.Generator) -> NDArray[np.float32]:
    """FLAIR signal of each label; outside the brain anything, a third of it dark."""
    means = rng.uniform(0.1, 1.3, len(head.tissues)) * np.where(rng.random(len(head.tissues)) < 0.35, 0.15, 1.0)
    for label, tissue in enumerate(map(int, head.tissues)):
        if tissue != Tissue.EXTRA:
            means[label] = TYPICAL[Tissue(tissue)][1] * np.exp(rng.normal(0, 0.06))
    return means.astype(np.float32)
