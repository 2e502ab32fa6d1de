"""The follow-up's FLAIR in grey with every lesion outlined and numbered: pictures for viewers that read nothing else.

Outlines run inside the lesions' border, one pixel wide, on a matrix of about 512, so that no outline hides another and
a coloured pixel always belongs to a lesion. Colour, line and symbol tell the status (`worker.reports.status_marks`).
Resolved lesions are outlined where they were. Without a lesion the slices are still shown, and say so: a series that is
missing could as well have been lost on its way.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from contourpy import contour_generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from model.volume import Volume
from service.contracts.report import LesionStatus, Report
from worker.reports.slices import BRIGHTEST, DARKEST
from worker.reports.status_marks import COLOURS, LINES, SYMBOLS

MATRIX = 512
"""Pixels of the longer side, about: a whole multiple of the image's own."""
NOTICE = "AI, not verified. Research use"
NO_LESION = "No lesion found"
ONE_SCAN = "This scan alone: no change is given"
DASHES = {"solid": (1, 1), "dashed": (8, 5), "dotted": (5, 2)}
"""Pixels from one dash to the next, about, and how many of them are drawn."""
Words = tuple[str, str | None]
"""A line of text, and the status whose colour it has."""
Pixels = NDArray[np.uint8]
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scan:
    """What the pictures are drawn from, on the FLAIR's own grid: column, row, slice."""

    flair: Volume
    brain: NDArray[np.bool_]
    """Sets the grey scale, which is that of the report's figures."""
    ids: NDArray[np.int32]
    """The id of the report's row at each voxel of a lesion; of a resolved one, where it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How many pixels of the picture a pixel of the image becomes."""

    columns: int
    rows: int


def scale_of(flair: Volume) -> Scale:
    """Whole factors that make the longer side about `MATRIX` pixels and the pixels about square."""
    across, down, _ = (n * mm for n, mm in zip(flair.array.shape, flair.spacing, strict=True))
    pixel_mm = max(across, down) / MATRIX
    columns, rows = (max(1, round(mm / pixel_mm)) for mm in flair.spacing[:2])
    return Scale(columns=columns, rows=rows)


def statuses_of(scan: Scan, report: Report) -> dict[int, str]:
    """A key of `status_marks` for each lesion of the scan, by its number."""
    known = {row.id: row.status.value for row in report.lesions if row.status is not None}
    return {int(one): known.get(int(one), "lesion") for one in np.unique(scan.ids) if one > 0}


def draw_slices(scan: Scan, report: Report) -> Iterator[Pixels]:
    """The picture of each slice, RGB (row, column, 3), in the order of the third axis."""
    scale, statuses = scale_of(scan.flair), statuses_of(scan, report)
    inside = scan.flair.array[scan.brain] if scan.brain.any() else scan.flair.array
    mean, deviation = float(inside.mean()), float(inside.std()) or 1.0
    largest = _largest_slices(scan.ids)
    words = _Caption([*_legend(statuses), *_remarks(statuses, report), (NOTICE, None)], scan.flair, scale)
    for k in range(scan.flair.array.shape[2]):
        grey = _grey((scan.flair.array[:, :, k].T - mean) / deviation, scale)
        ids = _enlarged(scan.ids[:, :, k].T, scale)
        picture = Image.fromarray(np.repeat(grey[:, :, None], 3, axis=2))
        named = {one: f"{SYMBOLS[status]}{one}" for one, status in statuses.items() if largest[one] == k}
        words.put_on(picture)
        _name(picture, ids, named)
        pixels = np.array(picture)
        for one in np.unique(ids[ids > 0]):
            _outline(pixels, ids == one, statuses[int(one)])
        yield pixels


def rgb(status: str) -> tuple[int, int, int]:
    """The colour of a status, 0 to 255."""
    red, green, blue = bytes.fromhex(COLOURS[status][1:])
    return red, green, blue


def _largest_slices(ids: NDArray[np.int32]) -> dict[int, int]:
    """The slice in which each lesion is largest, where its number is written."""
    at = np.nonzero(ids)
    areas = np.zeros((int(ids.max()) + 1, ids.shape[2]), int)
    np.add.at(areas, (ids[at], at[2]), 1)
    return {int(one): int(areas[one].argmax()) for one in np.flatnonzero(areas.any(axis=1))}


def _grey(standardised: NDArray[Any], scale: Scale) -> Pixels:
    """Interpolated to the picture's matrix; pixel centres keep their place (half a pixel of the border is cut)."""
    rows, columns = standardised.shape
    image = Image.fromarray(np.ascontiguousarray(standardised, np.float32))
    large = np.asarray(image.resize((columns * scale.columns, rows * scale.rows), Image.Resampling.BICUBIC))
    return np.clip(255 * (large - DARKEST) / (BRIGHTEST - DARKEST), 0, 255).astype(np.uint8)


def _enlarged(ids: NDArray[np.int32], scale: Scale) -> NDArray[np.int32]:
    return np.repeat(np.repeat(ids, scale.rows, axis=0), scale.columns, axis=1)


def _outline(pixels: Pixels, lesion: NDArray[np.bool_], status: str) -> None:
    """Draws along the border, inside it, in the line of the status."""
    rows, columns = (
        slice(max(0, one.start - 1), one.stop + 1) for one in ndimage.find_objects(lesion.astype(np.int8))[0]
    )
    padded = np.pad(lesion[rows, columns], 1)
    period, drawn = DASHES[LINES[status]]
    for line in contour_generator(z=padded.astype(float), line_type="Separate").lines(0.5):
        x, y = np.asarray(line).T  # each vertex lies between a pixel of the lesion and one outside
        low = padded[np.floor(y).astype(int), np.floor(x).astype(int)]
        at = np.where(low, np.floor((y, x)), np.ceil((y, x))).astype(int) - 1
        length = at.shape[1]
        dashes = max(1, round(length / period))  # a whole number: the same part of every outline is drawn
        on = (np.arange(length) * dashes % length) * period < drawn * length
        pixels[at[0][on] + rows.start, at[1][on] + columns.start] = rgb(status)


class _Caption:
    """What the outlines mean and what the picture is, below on the left: drawn once, put on every slice."""

    def __init__(self, words: list[Words], flair: Volume, scale: Scale) -> None:
        columns, rows, _ = flair.array.shape
        size = columns * scale.columns, rows * scale.rows
        self.text, self.opaque = Image.new("RGB", size), Image.new("L", size)
        font = _font_for(size)
        for n, (text, status) in enumerate(reversed(words), start=1):
            # mixed with white: only outlines have the pure colours
            colour = (255, 255, 255) if status is None else tuple((one + 255) // 2 for one in rgb(status))
            at = 6, size[1] - 4 - n * (font.size + 4)
            ImageDraw.Draw(self.text).text(at, text, fill=colour, font=font)
            ImageDraw.Draw(self.opaque).text(at, text, fill=255, font=font, stroke_width=1)

    def put_on(self, picture: Image.Image) -> None:
        """With a black edge around the letters."""
        picture.paste(self.text, mask=self.opaque)


def _name(picture: Image.Image, ids: NDArray[np.int32], named: dict[int, str]) -> None:
    """The number beside each named lesion."""
    draw, font = ImageDraw.Draw(picture), _font_for(picture.size)
    taken: list[Box] = []
    for one, name in named.items():
        place = _place(ids, one, draw.textbbox((0, 0), name, font=font), taken)
        taken.append(place)
        draw.text(place[:2], name, fill="white", font=font, stroke_width=1, stroke_fill="black")


def _place(ids: NDArray[np.int32], one: int, text: Box, taken: list[Box]) -> Box:
    """Beside the lesion, where the number hides no other number and as little of any lesion as can be."""
    rows, columns = ndimage.find_objects((ids == one).astype(np.int8))[0]
    wide, tall = text[2] + 2, text[3] + 2
    left, right = columns.start - wide - 3, columns.stop + 3
    above, below = rows.start - tall, rows.stop
    middle = (rows.start + rows.stop - tall) / 2
    choices = [(right, above), (right, below), (left, above), (left, below), (right, middle), (left, middle)]
    limit = ids.shape[1] - wide, ids.shape[0] - tall
    boxes = [_moved(x, y, wide, tall, limit) for x, y in choices]
    return min(boxes, key=lambda box: (any(_meet(box, other) for other in taken), _covered(ids, box)))


def _moved(x: float, y: float, wide: float, tall: float, limit: tuple[float, float]) -> Box:
    left, top = min(max(0.0, x), limit[0]), min(max(0.0, y), limit[1])
    return left, top, left + wide, top + tall


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _covered(ids: NDArray[np.int32], box: Box) -> int:
    left, top, right, bottom = (int(one) for one in box)
    return int((ids[max(0, top) : bottom, max(0, left) : right] > 0).sum())


def _legend(statuses: dict[int, str]) -> list[Words]:
    """A line for each status that is there."""
    present = [one.value for one in LesionStatus if one.value in statuses.values()]
    return [(f"{SYMBOLS[one]} {one} ({LINES[one]})", one) for one in present]


def _remarks(statuses: dict[int, str], report: Report) -> list[Words]:
    found: list[Words] = [] if statuses else [(NO_LESION, None)]
    return found if report.comparable else [*found, (ONE_SCAN, None)]


def _font_for(size: tuple[int, int]) -> ImageFont.FreeTypeFont:
    return _font(max(10, round(min(size) / 40)))


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """The font of the PDF, which has the symbols; matplotlib brings it."""
    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)
