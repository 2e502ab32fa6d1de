"""An axial slice as radiologists look at it: from the feet, the patient's right on the left, lesions outlined."""

import io
from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from model.grid import Grid
from worker.reports.language import Words
from worker.reports.status_marks import COLOURS, LINES

DARKEST, BRIGHTEST = -2.0, 3.5
"""Grey scale: standard deviations from the mean of the brain."""
Mask = NDArray[np.bool_]
HALO = [patheffects.withStroke(linewidth=1.4, foreground="black")]
"""White letters on white lesions: each has a black rim."""


def new_figure(width: float, height: float, *, dpi: int = 110) -> Figure:
    """Black, inches."""
    figure = Figure(figsize=(width, height), dpi=dpi, facecolor="black", layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def as_png(figure: Figure) -> bytes:
    """What is drawn."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def show_slice(axis: Any, image: NDArray[np.float32], grid: Grid, *, window: tuple[float, float]) -> None:
    """The image in grey; outside the brain (exactly zero) and beyond the image all is black."""
    _, tall, wide = grid.spacing
    darkest, brightest = window
    shown = np.where(image == 0, darkest, image)
    look = {"cmap": "gray", "vmin": darkest, "vmax": brightest, "origin": "lower", "interpolation": "bilinear"}
    axis.imshow(shown, aspect=tall / wide, **look)
    axis.set_facecolor("black")
    axis.invert_xaxis()  # the array's last axis runs to the patient's right; it belongs on the left
    axis.set_xticks([])
    axis.set_yticks([])


def outline(axis: Any, lesion: Mask, status: str, *, width: float) -> None:
    """The edge of a lesion in the colour and kind of line of its status; nothing where it is not."""
    if lesion.any():
        axis.contour(lesion, levels=[0.5], colors=[COLOURS[status]], linewidths=width, linestyles=LINES[status])


def name_sides(axis: Any, words: Words, *, size: float = 7) -> None:
    """Letters at the four edges: the patient's right, left, front and back."""
    style = {"color": "white", "fontsize": size, "transform": axis.transAxes, "path_effects": HALO}
    axis.text(0.02, 0.5, words("sides.right"), va="center", **style)
    axis.text(0.98, 0.5, words("sides.left"), va="center", ha="right", **style)
    axis.text(0.5, 0.98, words("sides.anterior"), va="top", ha="center", **style)
    axis.text(0.5, 0.02, words("sides.posterior"), va="bottom", ha="center", **style)
