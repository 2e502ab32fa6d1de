"""Pictures of the report: both time points side by side, lesions outlined in the colour of their status."""

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from model.changes import ChangeAnalysis, LesionChange
from model.grid import Grid
from model.statuses import Status
from worker.reports.status_marks import COLOURS, LINES, SYMBOLS

ORDER = (Status.NEW, Status.ENLARGING, Status.RESOLVED, Status.SHRINKING, Status.INDETERMINATE)
MOST_FIGURES = 12
"""Close-ups on the page; more would bury the table."""
HALF_WIDTH_MM = 45.0
"""A close-up shows 9 cm: the lesion, and enough around it to know the place."""
DARKEST, BRIGHTEST = -2.0, 3.5
"""Grey scale: standard deviations from the mean of the brain."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FigureInputs:
    """FLAIR images on the common grid (axes superior, anterior, right) and the analysis."""

    baseline: NDArray[np.float32] | None
    follow_up: NDArray[np.float32]
    analysis: ChangeAnalysis
    grid: Grid


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A PNG with what it shows in words."""

    png: bytes
    alt: str
    lesion_id: int | None

    @property
    def uri(self) -> str:
        """The PNG as a data URI."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """Everything the report shows, drawn once for all its formats."""

    overview: Picture
    close_ups: tuple[Picture, ...]
    not_shown: int
    """Changed lesions that count beyond `MOST_FIGURES`."""


def draw(inputs: FigureInputs) -> Pictures:
    """The overview and the close-ups."""
    return Pictures(
        overview=overview(inputs),
        close_ups=tuple(close_ups(inputs)),
        not_shown=max(0, len(changed(inputs.analysis)) - MOST_FIGURES),
    )


def overview(inputs: FigureInputs) -> Picture:
    """Six axial slices through the lesions, baseline above follow-up."""
    present = np.flatnonzero((inputs.analysis.groups > 0).any(axis=(1, 2)))
    if len(present) == 0:
        brain = np.flatnonzero(inputs.follow_up.any(axis=(1, 2)))
        present = brain[len(brain) // 4 : -len(brain) // 4] if len(brain) > 8 else np.arange(len(inputs.follow_up))
    slices = [int(z) for z in np.quantile(present, np.linspace(0.08, 0.92, 6)).round()]
    rows = _rows(inputs)
    figure = _figure(2.0 * len(slices), 2.35 * len(rows))
    axes = figure.subplots(len(rows), len(slices), squeeze=False)
    for row, (title, image, mask) in enumerate(rows):
        for column, z in enumerate(slices):
            _draw(
                axes[row][column], image[z], inputs.analysis.groups[z] * mask[z], inputs, label=column == 0, close=False
            )
            if column == 0:
                axes[row][column].set_ylabel(title, color="white", fontsize=9)
    alt = "Axial FLAIR slices with lesions outlined: " + " above ".join(title for title, _, _ in rows)
    return Picture(png=_png(figure), alt=alt, lesion_id=None)


def close_ups(inputs: FigureInputs) -> Iterator[Picture]:
    """An axial pair at the centre of each changed lesion that counts, worst first, at most `MOST_FIGURES`."""
    for change in changed(inputs.analysis)[:MOST_FIGURES]:
        yield _close_up(inputs, change)


def changed(analysis: ChangeAnalysis) -> list[LesionChange]:
    """Counted lesions that are not stable: new first, then by size."""
    found = [c for c in analysis.changes if c.counted and c.status in ORDER]
    return sorted(found, key=lambda c: (ORDER.index(c.status or Status.NEW), -c.largest_mm3))


def _close_up(inputs: FigureInputs, change: LesionChange) -> Picture:
    voxel = np.linalg.solve(inputs.grid.affine, np.array([*change.centroid_mm, 1.0]))[:3].round().astype(int)
    z, y, x = np.clip(voxel, 0, np.array(inputs.grid.shape) - 1)
    half = [HALF_WIDTH_MM / spacing for spacing in inputs.grid.spacing[1:]]
    rows = _rows(inputs)
    figure = _figure(2.6 * len(rows), 2.85)
    axes = figure.subplots(1, len(rows), squeeze=False)[0]
    for axis, (title, image, mask) in zip(axes, rows, strict=True):
        _draw(axis, image[z], inputs.analysis.groups[z] * mask[z], inputs, label=True, close=True)
        axis.set_xlim(x + half[1], x - half[1])
        axis.set_ylim(y - half[0], y + half[0])
        axis.set_title(title, color="white", fontsize=9)
    status = "lesion" if change.status is None else change.status.value
    alt = f"Lesion {change.id}, {status}: axial FLAIR at baseline and follow-up"
    return Picture(png=_png(figure), alt=alt, lesion_id=change.id)


def _rows(inputs: FigureInputs) -> list[tuple[str, NDArray[np.float32], NDArray[np.bool_]]]:
    follow_up = ("Follow-up", inputs.follow_up, inputs.analysis.follow_up.mask)
    if inputs.baseline is None or inputs.analysis.baseline is None:
        return [follow_up]
    return [("Baseline", inputs.baseline, inputs.analysis.baseline.mask), follow_up]


def _draw(
    axis: Any, image: NDArray[np.float32], groups: NDArray[np.int32], inputs: FigureInputs, *, label: bool, close: bool
) -> None:
    """One axial slice as radiologists look at it: from the feet, the patient's right on the left.

    Lesions carry symbol and row: changed ones, in a close-up all.
    """
    _, tall, wide = inputs.grid.spacing
    shown = np.where(image == 0, DARKEST, image)  # outside the brain: exactly zero, which is a grey
    axis.imshow(
        shown,
        cmap="gray",
        vmin=DARKEST,
        vmax=BRIGHTEST,
        origin="lower",
        interpolation="bilinear",
        aspect=tall / wide,
    )
    axis.set_facecolor("black")  # beyond the edge of the image
    axis.invert_xaxis()  # the array's last axis runs to the patient's right; it belongs on the left
    for number in np.unique(groups[groups > 0]):
        status = _status(inputs.analysis, int(number))
        axis.contour(groups == number, levels=[0.5], colors=[COLOURS[status]], linewidths=1.1, linestyles=LINES[status])
        if close or status in ORDER:  # in an overview the rest would hide the image
            _name(axis, groups == number, f"{SYMBOLS[status]}{number}")
    axis.set_xticks([])
    axis.set_yticks([])
    if label:
        style = {"color": "white", "fontsize": 7, "transform": axis.transAxes}
        axis.text(0.02, 0.5, "R", va="center", **style)
        axis.text(0.98, 0.5, "L", va="center", ha="right", **style)
        axis.text(0.5, 0.98, "A", va="top", ha="center", **style)
        axis.text(0.5, 0.02, "P", va="bottom", ha="center", **style)


def _name(axis: Any, lesion: NDArray[np.bool_], name: str) -> None:
    """The symbol and the row of the table at the upper right of a lesion: what its colour says, without colour."""
    rows, columns = np.nonzero(lesion)
    halo = [patheffects.withStroke(linewidth=1.2, foreground="black")]
    at = {"color": "white", "fontsize": 7.5, "clip_on": True, "path_effects": halo, "in_layout": False}
    axis.text(columns.min() - 1, rows.max() + 0.5, name, va="bottom", ha="left", **at)


def _status(analysis: ChangeAnalysis, number: int) -> str:
    """A key of `worker.reports.status_marks`."""
    status = next((c.status for c in analysis.changes if c.id == number), None)
    return "lesion" if status is None else status.value


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), dpi=110, facecolor="black", layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
