"""How well a predicted mask agrees with the truth: Dice, 95 % Hausdorff distance, lesion F1.

Source: arXiv 2409.13416, section 3 (metrics), and the conventions of its reference implementation.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray
from scipy import ndimage

from model.grid import Grid
from model.lesions import SMALLEST_MM3, LesionMap, find_lesions

HIT_IOU = 0.1
"""A lesion is found where the intersection over union is above this (arXiv 2409.13416)."""

Mask = Bool[NDArray[Any], "d h w"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """One prediction against its truth, or a mean of several."""

    dice: float
    hd95_mm: float | None
    """None where one mask is empty and the other is not: no distance exists, and it stays out of every mean."""
    lesion_f1: float


def score(truth: Mask, prediction: Mask, grid: Grid, *, smallest_mm3: float = SMALLEST_MM3) -> Scores:
    """The three metrics; components below `smallest_mm3` are dropped from both masks first (0: none is)."""
    true = find_lesions(truth, grid.voxel_volume_mm3, smallest_mm3=smallest_mm3)
    found = find_lesions(prediction, grid.voxel_volume_mm3, smallest_mm3=smallest_mm3)
    return Scores(
        dice=dice(true.mask, found.mask),
        hd95_mm=hausdorff95_mm(true.mask, found.mask, grid),
        lesion_f1=lesion_f1(true, found),
    )


def dice(truth: Mask, prediction: Mask) -> float:
    """Twice the overlap over the sum of sizes, 0 to 1; both empty: 1."""
    total = int(truth.sum()) + int(prediction.sum())
    return 1.0 if total == 0 else 2.0 * int((truth & prediction).sum()) / total


def hausdorff95_mm(truth: Mask, prediction: Mask, grid: Grid) -> float | None:
    """The larger of both directions' 95th percentile of surface distances; both empty: 0; one empty: None."""
    if not truth.any() and not prediction.any():
        return 0.0
    if not truth.any() or not prediction.any():
        return None
    surfaces = (_surface(truth), _surface(prediction))
    there = _distances_mm(surfaces[0], surfaces[1], grid)
    back = _distances_mm(surfaces[1], surfaces[0], grid)
    return float(max(np.percentile(there, 95), np.percentile(back, 95)))


def lesion_f1(truth: LesionMap, prediction: LesionMap) -> float:
    """Harmonic mean of lesion precision and recall; both empty: 1; one empty: 0."""
    n_true, n_found = len(truth.volumes_mm3), len(prediction.volumes_mm3)
    if n_true == 0 and n_found == 0:
        return 1.0
    if n_true == 0 or n_found == 0:
        return 0.0
    recall = _hits(truth, prediction) / n_true
    precision = _hits(prediction, truth) / n_found
    return 0.0 if recall + precision == 0 else 2 * recall * precision / (recall + precision)


def mean_over_patients(scans: Mapping[str, Sequence[Scores]]) -> Scores:
    """Mean over each patient's scans, then over patients: a patient with many scans weighs no more than another.

    Raises:
        ValueError: no patient, or a patient without scans.
    """
    if not scans or not all(scans.values()):
        raise ValueError("scans: expected at least one patient, and a scan of each")
    return _mean([_mean(patient) for patient in scans.values()])


def _mean(scores: Sequence[Scores]) -> Scores:
    distances = [s.hd95_mm for s in scores if s.hd95_mm is not None]
    return Scores(
        dice=_average(s.dice for s in scores),
        hd95_mm=_average(distances) if distances else None,
        lesion_f1=_average(s.lesion_f1 for s in scores),
    )


def _average(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def _hits(lesions: LesionMap, other: LesionMap) -> int:
    """Lesions that find a partner: in label order, each takes the first free one above `HIT_IOU`."""
    other_sizes = np.bincount(other.labels.ravel())
    taken: set[int] = set()
    for label, box in enumerate(ndimage.find_objects(lesions.labels.astype(np.int32)), start=1):
        here = lesions.labels[box] == label
        shared = np.bincount(other.labels[box][here], minlength=len(other_sizes))
        union = here.sum() + other_sizes - shared
        partners = [int(n) for n in np.flatnonzero(shared[1:] > HIT_IOU * union[1:]) + 1 if int(n) not in taken]
        taken.update(partners[:1])
    return len(taken)


def _surface(mask: Mask) -> NDArray[np.bool_]:
    """Voxels of the mask with a face neighbour outside it; beyond the array lies outside."""
    return np.asarray(mask & ~ndimage.binary_erosion(mask))


def _distances_mm(from_surface: Mask, to_surface: Mask, grid: Grid) -> NDArray[np.float64]:
    return np.asarray(ndimage.distance_transform_edt(~to_surface, sampling=grid.spacing)[from_surface])
