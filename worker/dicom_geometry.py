"""Where the slices of a DICOM stack lie, believed only after it is checked.

Positions and axes follow DICOM PS3.3 C.7.6.2.1.1; world coordinates are DICOM's own (LPS mm).

    slices along the normal:   |   |   |       |   |      one gap is twice the others: one slice is missing after 3
                               1   2   3       4   5
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.volume import Affine
from service.contracts.input_errors import (
    CorruptImage,
    ImageTooSmall,
    InconsistentFrameOfReference,
    InconsistentImages,
    InconsistentOrientation,
    MissingSlice,
)

ORIENTATION_TOLERANCE = 1e-3
"""Largest difference of a direction cosine within a series: 0.06 degrees."""
SPACING_TOLERANCE = 0.05
"""Largest deviation of a slice gap from the median gap, as a part of it: rounding in headers, not a lost slice."""
PIXEL_SPACING_TOLERANCE = 1e-3
"""Largest relative difference of the pixel spacing within a series: digits lost on the way."""
SAME_POSITION_MM = 1e-2
SHEAR_TOLERANCE = 1e-3
"""Sideways drift per mm along the normal (gantry tilt); registration could not state more as a rotation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One image of a series: its file and the header values that geometry and pixels need."""

    path: Path
    uid: str
    """Of the object in the file."""
    frame: int | None = None
    """Which of its frames, from 1 as in references; None: a classic object, which is one image."""
    position: tuple[float, float, float]
    """World mm of the centre of the first pixel."""
    orientation: tuple[float, ...]
    """Direction cosines along a row, then down a column."""
    pixel_spacing: tuple[float, float]
    """Between rows, then between columns, mm."""
    size: tuple[int, int]
    """Rows, columns."""
    frame_of_reference: str
    slope: float = 1.0
    """Rescale slope (PS3.3 C.11.1, for frames C.7.6.16.2.9)."""
    intercept: float = 0.0


def normal_of(one: Slice) -> NDArray[np.float64]:
    """The unit vector across the image: row direction x column direction."""
    return np.cross(one.orientation[:3], one.orientation[3:])


def check_consistent(slices: list[Slice]) -> None:
    """Refuses slices that do not share frame of reference, size, pixel spacing and orientation.

    Raises:
        InconsistentFrameOfReference, InconsistentImages, InconsistentOrientation: what they do not share.
        CorruptImage: the directions are no perpendicular unit vectors, or a spacing is not positive.
    """
    first = slices[0]
    if len({one.frame_of_reference for one in slices}) > 1:
        raise InconsistentFrameOfReference("saw more than one frame of reference in a series, expected one")
    if len({one.size for one in slices}) > 1:
        raise InconsistentImages("saw images of different size in a series, expected the same")
    _check_unit_vectors(first)
    spacings = np.array([one.pixel_spacing for one in slices])
    if np.abs(spacings - spacings[0]).max() > PIXEL_SPACING_TOLERANCE * spacings[0].min():
        raise InconsistentImages("saw images of different pixel spacing in a series, expected the same")
    cosines = np.array([one.orientation for one in slices])
    spread = float(np.abs(cosines - cosines[0]).max())
    if spread > ORIENTATION_TOLERANCE:
        raise InconsistentOrientation(
            f"direction cosines differ by {spread:.4f} within the series, expected at most {ORIENTATION_TOLERANCE}"
        )


def ordered_along_normal(slices: list[Slice]) -> list[list[Slice]]:
    """Slices grouped by position, in the order of the positions along the normal; more than one: a duplicate."""
    normal = normal_of(slices[0])
    ordered = sorted(slices, key=lambda one: (float(normal @ one.position), one.uid, one.frame or 0))
    groups = [[ordered[0]]]
    for one in ordered[1:]:
        here = float(normal @ one.position) - float(normal @ groups[-1][0].position)
        if here < SAME_POSITION_MM:
            groups[-1].append(one)
        else:
            groups.append([one])
    return groups


def affine_of(ordered: list[Slice]) -> Affine:
    """Voxel index (column, row, slice) -> world mm, LPS, of slices in their order along the normal.

    The third axis is measured, from the first to the last slice, so that rounding does not add up.

    Raises:
        ImageTooSmall: a single slice.
        MissingSlice: the gaps are not one and the same.
        InconsistentOrientation: the slices do not lie above each other.
    """
    if len(ordered) < 2:
        raise ImageTooSmall("saw a single slice position, expected a stack")
    first, normal = ordered[0], normal_of(ordered[0])
    positions = np.array([one.position for one in ordered])
    _check_gaps(np.diff(positions @ normal))
    step = (positions[-1] - positions[0]) / (len(ordered) - 1)
    along = float(normal @ step)
    if float(np.linalg.norm(step - normal * along)) > SHEAR_TOLERANCE * along:
        raise InconsistentOrientation("the stack is sheared (gantry tilt): the slices do not lie above each other")
    affine = np.eye(4)
    affine[:3, 0] = np.array(first.orientation[:3]) * first.pixel_spacing[1]  # along a row the column index grows
    affine[:3, 1] = np.array(first.orientation[3:]) * first.pixel_spacing[0]
    affine[:3, 2] = step
    affine[:3, 3] = first.position
    return affine


def _check_unit_vectors(one: Slice) -> None:
    along_row, down_column = np.array(one.orientation[:3]), np.array(one.orientation[3:])
    lengths = np.linalg.norm([along_row, down_column], axis=1)
    if np.abs(lengths - 1).max() > 0.01 or abs(float(along_row @ down_column)) > ORIENTATION_TOLERANCE:
        raise CorruptImage("the row and column directions are not perpendicular unit vectors")
    if min(one.pixel_spacing) <= 0:
        raise CorruptImage("the pixel spacing is not positive")


def _check_gaps(gaps: NDArray[np.float64]) -> None:
    gap = float(np.median(gaps))
    wrong = np.flatnonzero(np.abs(gaps - gap) > SPACING_TOLERANCE * gap)
    if len(wrong) == 0:
        return
    multiples = gaps[wrong] / gap
    lost = np.round(multiples).astype(int) - 1
    if (
        np.abs(multiples - np.round(multiples)) <= SPACING_TOLERANCE * np.maximum(multiples, 1)
    ).all() and lost.min() > 0:
        places = ", ".join(f"{n} after slice {index + 1}" for n, index in zip(lost[:5], wrong[:5], strict=True))
        more = " and further on" if len(wrong) > 5 else ""
        raise MissingSlice(
            f"slices lie {gap:.2f} mm apart; {lost.sum()} missing among {len(gaps) + 1} present: {places}{more}"
        )
    raise MissingSlice(
        f"slices lie {gap:.2f} mm apart, but {gaps[wrong[0]]:.2f} mm after slice {wrong[0] + 1} of {len(gaps) + 1} "
        f"({len(wrong)} irregular); expected one distance within {SPACING_TOLERANCE:.0%}"
    )
