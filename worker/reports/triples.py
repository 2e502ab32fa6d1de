"""A changed lesion in three pictures: baseline, follow-up and their difference, the same slice and place.

Outlines are thin and an arrow stands outside the lesion, so that the lesion itself can be judged.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.grid import Grid
from worker.reports.language import Words
from worker.reports.slices import BRIGHTEST, DARKEST, HALO, Mask, as_png, name_sides, new_figure, outline, show_slice

HALF_WIDTH_MM = 32.0
"""A picture shows 64 mm: the lesion, and enough around it to know the place."""
DIFFERENCE = 3.0
"""Follow-up less baseline, standard deviations of the brain: black to white is twice this, and no change mid-grey."""
BAR_MM = 10.0
ARROW = {"arrowstyle": "-|>", "color": "white", "linewidth": 1.1, "path_effects": HALO, "shrinkA": 0, "shrinkB": 0}
ARROW_MM = (2.0, 9.0)
"""Where the arrow's head and end lie, beyond the lesion's edge."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Triple:
    """What a lesion's pictures are drawn from, all on one grid (axes superior, anterior, right)."""

    baseline: NDArray[np.float32] | None
    follow_up: NDArray[np.float32]
    groups: NDArray[np.int32]
    masks: tuple[Mask | None, Mask | None]
    """Lesions at baseline and at follow-up."""
    grid: Grid
    lesion: int
    status: str


def draw_triple(wanted: Triple, words: Words) -> bytes:
    """A PNG; of the follow-up alone where there is no baseline."""
    z = slice_of(wanted)
    panels = _panels(wanted, z, words)
    figure = new_figure(2.3 * len(panels), 2.5, dpi=120)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    group = wanted.groups[z] == wanted.lesion
    centre, reach_mm = _place(group, wanted.grid)
    for n, (axis, (title, image, lesion, window)) in enumerate(zip(axes, panels, strict=True)):
        show_slice(axis, image, wanted.grid, window=window)
        if lesion is not None:
            _outlines(axis, wanted, z, lesion)
        _look_at(axis, centre, wanted.grid)
        _arrow(axis, centre, reach_mm, wanted.grid)
        axis.set_title(title, color="white", fontsize=11)
        name_sides(axis, words, size=10)
        if n == 0:
            _scale_bar(axis)
    return as_png(figure)


def slice_of(wanted: Triple) -> int:
    """The slice in which most of the lesion has changed; where its masks are the same, in which it is largest."""
    group = wanted.groups == wanted.lesion
    before, after = wanted.masks
    differs = group if before is None or after is None else group & (before != after)
    per_slice = (differs if differs.any() else group).sum(axis=(1, 2))
    return int(np.argmax(per_slice))


def _panels(
    wanted: Triple, z: int, words: Words
) -> list[tuple[str, NDArray[np.float32], Mask | None, tuple[float, float]]]:
    """Title, image, the lesions outlined in it (none in a difference), and its window."""
    grey = (DARKEST, BRIGHTEST)
    after = (words("time.follow_up"), wanted.follow_up[z], _of(wanted.masks[1], z), grey)
    if wanted.baseline is None:
        return [after]
    first, second = wanted.baseline[z], wanted.follow_up[z]
    seen = (first != 0) & (second != 0)  # elsewhere nothing can be compared: black, as outside the brain
    difference = np.where(seen, second - first, -DIFFERENCE).astype(np.float32)
    difference[seen & (difference == 0)] = 1e-6  # exactly zero means outside the brain
    return [
        (words("time.baseline"), first, _of(wanted.masks[0], z), grey),
        after,
        (words("pictures.difference"), difference, None, (-DIFFERENCE, DIFFERENCE)),
    ]


def _of(mask: Mask | None, z: int) -> Mask | None:
    return None if mask is None else mask[z]


def _outlines(axis: Any, wanted: Triple, z: int, lesions: Mask) -> None:
    """The lesion by its status, those beside it in a thin grey line."""
    group = wanted.groups[z] == wanted.lesion
    others = lesions & ~group
    if others.any():
        axis.contour(others, levels=[0.5], colors=["#c8c8c8"], linewidths=0.5)
    outline(axis, lesions & group, wanted.status, width=0.8)


def _place(lesion: Mask, grid: Grid) -> tuple[tuple[float, float], float]:
    """Centre (row, column) of what the lesion covers, and how far it reaches from there, mm."""
    rows, columns = np.nonzero(lesion)
    row, column = (rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2
    _, tall, wide = grid.spacing
    return (float(row), float(column)), max(np.ptp(rows) * tall, np.ptp(columns) * wide) / 2


def _look_at(axis: Any, centre: tuple[float, float], grid: Grid) -> None:
    _, tall, wide = grid.spacing
    row, column = centre
    axis.set_xlim(column + HALF_WIDTH_MM / wide, column - HALF_WIDTH_MM / wide)
    axis.set_ylim(row - HALF_WIDTH_MM / tall, row + HALF_WIDTH_MM / tall)


def _arrow(axis: Any, centre: tuple[float, float], reach_mm: float, grid: Grid) -> None:
    """From the upper right of the picture to the lesion's edge: at the place, also where the lesion is not there."""
    _, tall, wide = grid.spacing
    row, column = centre
    head, end = ((reach_mm + beyond) * 0.7071 for beyond in ARROW_MM)  # at 45 degrees
    axis.annotate(
        "",
        xy=(column - head / wide, row + head / tall),
        xytext=(column - end / wide, row + end / tall),
        arrowprops=ARROW,
    )


def _scale_bar(axis: Any) -> None:
    """White, at the lower left, as long as it says."""
    length = BAR_MM / (2 * HALF_WIDTH_MM)
    line = {"color": "white", "linewidth": 2, "solid_capstyle": "butt", "path_effects": HALO}
    axis.plot([0.05, 0.05 + length], [0.05, 0.05], transform=axis.transAxes, **line)
    style = {"color": "white", "fontsize": 9, "transform": axis.transAxes, "path_effects": HALO}
    axis.text(0.05 + length / 2, 0.07, f"{BAR_MM:.0f} mm", ha="center", va="bottom", **style)
