"""The brain as glass: its outline seen from the side, from the front and from below, with every changed lesion.

Millimetres, x to the right of the picture and y up. Radiological: in the views from the front and from below the
patient's right is on the left; in the view from the side the front of the head is on the left.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from contourpy import contour_generator
from numpy.typing import NDArray

from model.changes import LesionChange
from model.grid import Grid
from model.lesions import equivalent_diameter_mm
from worker.reports.slices import Mask

ViewName = Literal["side", "front", "below"]
ALONG: dict[ViewName, int] = {"side": 2, "front": 1, "below": 0}
"""The array axis that each view looks along."""
RIM_VOXELS, THICK = 0.5, 0.6
"""Where the projected depth of the brain is outlined: at its rim, and at this part of its greatest depth."""
SHORTEST_MM = 40.0
"""Outlines that are shorter are holes and islands of the mask."""
STEP = 2
"""Every second point of an outline is kept: half a millimetre cannot be seen."""
Line = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A lesion at its centre."""

    lesion: int
    status: str
    x_mm: float
    y_mm: float
    diameter_mm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The brain from one side."""

    name: ViewName
    width_mm: float
    height_mm: float
    rim: tuple[Line, ...]
    inner: tuple[Line, ...]
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GlassBrain:
    """Three views on one scale."""

    views: tuple[View, ...]

    @property
    def statuses(self) -> set[str]:
        """Of the lesions in it."""
        return {mark.status for view in self.views for mark in view.marks}


def project(brain: Mask, grid: Grid, changes: Sequence[LesionChange]) -> GlassBrain:
    """The views of a brain mask (axes superior, anterior, right) and of the lesions that count."""
    counted = [change for change in changes if change.counted and change.status is not None]
    box = _box(brain)
    return GlassBrain(views=tuple(_view(name, brain[box], grid.crop(box), counted) for name in ALONG))


def _box(brain: Mask) -> tuple[slice, slice, slice]:
    """Where the brain is; all of an empty mask."""
    spans = []
    for axis in range(3):
        seen = np.flatnonzero(brain.any(axis=tuple(one for one in range(3) if one != axis)))
        spans.append(slice(int(seen[0]), int(seen[-1]) + 1) if len(seen) else slice(0, brain.shape[axis]))
    return spans[0], spans[1], spans[2]


def _view(name: ViewName, brain: Mask, grid: Grid, changes: Sequence[LesionChange]) -> View:
    along = ALONG[name]
    up, across = (axis for axis in range(3) if axis != along)
    depth = brain.sum(axis=along).astype(np.float64)
    tall, wide = grid.spacing[up], grid.spacing[across]
    size = (depth.shape[1] * wide, depth.shape[0] * tall)
    marks = []
    for change in changes:
        voxel = np.linalg.solve(grid.affine, np.array([*change.centroid_mm, 1.0]))[:3]
        x, y = size[0] - (voxel[across] + 0.5) * wide, (voxel[up] + 0.5) * tall
        marks.append(
            Mark(
                lesion=change.id,
                status="" if change.status is None else change.status.value,
                x_mm=round(float(x), 1),
                y_mm=round(float(y), 1),
                diameter_mm=equivalent_diameter_mm(change.largest_mm3),
            )
        )
    return View(
        name=name,
        width_mm=size[0],
        height_mm=size[1],
        rim=_lines(depth, RIM_VOXELS, tall, wide),
        inner=_lines(depth, THICK * depth.max(), tall, wide) if depth.any() else (),
        marks=tuple(marks),
    )


def _lines(depth: NDArray[np.float64], level: float, tall: float, wide: float) -> tuple[Line, ...]:
    """Closed outlines of what is deeper than a level, mm; the array's columns run to the left of the picture."""
    padded = np.pad(depth, 1)
    found = []
    for line in contour_generator(z=padded).lines(level):
        points = np.asarray(line)
        x, y = depth.shape[1] * wide - (points[:, 0] - 0.5) * wide, (points[:, 1] - 0.5) * tall
        if np.hypot(np.diff(x), np.diff(y)).sum() >= SHORTEST_MM:
            kept = [*range(0, len(x) - 1, STEP), len(x) - 1]
            found.append(tuple((round(float(x[n]), 1), round(float(y[n]), 1)) for n in kept))
    return tuple(found)
