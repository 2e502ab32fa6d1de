"""Pictures of the report, drawn once for all its formats: an overview, a triple per changed lesion, a glass brain."""

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.changes import ChangeAnalysis, LesionChange
from model.grid import Grid
from model.statuses import Status
from service.contracts.options import Language
from worker.reports.glass_brain import GlassBrain, project
from worker.reports.language import Words, words
from worker.reports.slices import BRIGHTEST, DARKEST, HALO, Mask, as_png, name_sides, new_figure, outline, show_slice
from worker.reports.status_marks import SYMBOLS
from worker.reports.triples import Triple, draw_triple

ORDER = (Status.NEW, Status.ENLARGING, Status.RESOLVED, Status.SHRINKING, Status.INDETERMINATE)
MOST_FIGURES = 12
"""Triples on the page; more would bury the table."""
ROOM_VOXELS = 6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FigureInputs:
    """FLAIR images on the common grid (axes superior, anterior, right), zero outside the brain, and the analysis."""

    baseline: NDArray[np.float32] | None
    follow_up: NDArray[np.float32]
    brain: Mask
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
    """Everything the report shows of the brain."""

    overview: Picture
    triples: tuple[Picture, ...]
    not_shown: int
    """Changed lesions beyond `MOST_FIGURES`."""
    glass_brain: GlassBrain | None
    """None: a single time point has no change to project."""


def draw(inputs: FigureInputs, language: Language = "en") -> Pictures:
    """The pictures with their letters in a language."""
    says = words(language)
    shown = changed(inputs.analysis)
    compared = inputs.analysis.baseline is not None
    return Pictures(
        overview=overview(inputs, says),
        triples=tuple(triple(inputs, change, says) for change in shown[:MOST_FIGURES]),
        not_shown=max(0, len(shown) - MOST_FIGURES),
        glass_brain=project(inputs.brain, inputs.grid, inputs.analysis.changes) if compared else None,
    )


def changed(analysis: ChangeAnalysis) -> list[LesionChange]:
    """Lesions that are not stable: those that count first, new before the rest, then by size."""
    found = [c for c in analysis.changes if c.status in ORDER]
    return sorted(found, key=lambda c: (not c.counted, ORDER.index(c.status or Status.NEW), -c.largest_mm3))


def triple(inputs: FigureInputs, change: LesionChange, words: Words) -> Picture:
    """Baseline, follow-up and difference at one slice."""
    before = inputs.analysis.baseline
    status = _status(inputs.analysis, change.id)
    wanted = Triple(
        baseline=inputs.baseline,
        follow_up=inputs.follow_up,
        groups=inputs.analysis.groups,
        masks=(None if before is None else before.mask, inputs.analysis.follow_up.mask),
        grid=inputs.grid,
        lesion=change.id,
        status=status,
    )
    alt = words("pictures.triple_alt", id=change.id, status=words(f"status.{status}"))
    return Picture(png=draw_triple(wanted, words), alt=alt, lesion_id=change.id)


def overview(inputs: FigureInputs, words: Words) -> Picture:
    """Six axial slices through the lesions, baseline above follow-up."""
    slices = _slices(inputs)
    rows = _rows(inputs, words)
    figure = new_figure(2.0 * len(slices), 2.35 * len(rows))
    axes = figure.subplots(len(rows), len(slices), squeeze=False)
    for row, (title, image, mask) in enumerate(rows):
        for column, z in enumerate(slices):
            axis = axes[row][column]
            show_slice(axis, image[z], inputs.grid, window=(DARKEST, BRIGHTEST))
            _look_at_brain(axis, inputs.brain)
            _outline_all(axis, inputs.analysis.groups[z] * mask[z], inputs.analysis)
            if column == 0:
                name_sides(axis, words)
                axis.set_ylabel(title, color="white", fontsize=9)
    alt = words("pictures.overview_alt", rows=words("pictures.above").join(title for title, _, _ in rows))
    return Picture(png=as_png(figure), alt=alt, lesion_id=None)


def _slices(inputs: FigureInputs) -> list[int]:
    present = np.flatnonzero((inputs.analysis.groups > 0).any(axis=(1, 2)))
    if len(present) == 0:
        brain = np.flatnonzero(inputs.brain.any(axis=(1, 2)))
        present = brain[len(brain) // 4 : -len(brain) // 4] if len(brain) > 8 else np.arange(len(inputs.follow_up))
    return [int(z) for z in np.quantile(present, np.linspace(0.08, 0.92, 6)).round()]


def _look_at_brain(axis: Any, brain: Mask) -> None:
    """The same part of every slice: the brain, and a little around it for the letters."""
    rows, columns = (np.flatnonzero(brain.any(axis=(0, other))) for other in (2, 1))
    if len(rows):
        axis.set_xlim(columns[-1] + ROOM_VOXELS, columns[0] - ROOM_VOXELS)
        axis.set_ylim(rows[0] - ROOM_VOXELS, rows[-1] + ROOM_VOXELS)


def _rows(inputs: FigureInputs, words: Words) -> list[tuple[str, NDArray[np.float32], Mask]]:
    follow_up = (words("time.follow_up"), inputs.follow_up, inputs.analysis.follow_up.mask)
    if inputs.baseline is None or inputs.analysis.baseline is None:
        return [follow_up]
    return [(words("time.baseline"), inputs.baseline, inputs.analysis.baseline.mask), follow_up]


def _outline_all(axis: Any, groups: NDArray[np.int32], analysis: ChangeAnalysis) -> None:
    """Every lesion; changed ones carry symbol and row, more would hide the image."""
    for number in np.unique(groups[groups > 0]):
        status = _status(analysis, int(number))
        lesion = groups == number
        outline(axis, lesion, status, width=0.9)
        if status in ORDER:
            rows, columns = np.nonzero(lesion)
            at = {"color": "white", "fontsize": 7.5, "clip_on": True, "path_effects": HALO, "in_layout": False}
            name = f"{SYMBOLS[status]}{number}"
            axis.text(columns.min() - 1, rows.max() + 0.5, name, va="bottom", ha="left", **at)


def _status(analysis: ChangeAnalysis, number: int) -> str:
    """A key of `worker.reports.status_marks`."""
    status = next((c.status for c in analysis.changes if c.id == number), None)
    return "lesion" if status is None else status.value
