"""Cortex that folds deeper into the white matter than the head's own.

Where a section runs along a fold of cortex, it shows an island of grey matter in white matter, as bright on FLAIR and
as dark on T1 as many lesions are. A training has few real heads, and a network can learn their folds by heart: here
the cortex grows inward, in other places in every sample, with the grey matter's own signal. It is never in the target.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray
from scipy import ndimage

from model.anatomy import SDF_STEPS_PER_MM, Anatomy, Tissue
from model.patch_anatomy import PatchAnatomy, grown_by_one, own_lesions
from model.placement import infratentorial
from model.scanner import smooth_field

Field = Float32[NDArray[Any], "d h w"]

FOLDED = 0.4
"""Part of the heads that have any."""
SPACING_MM = 13.0
"""About the distance of one fold from the next."""
FROM_VENTRICLES_MM = 6.0
"""Nearer to them nothing is folded: classes from a T1 call the rim of a ventricle grey."""
FEWEST_VOXELS = 500
"""Of a piece of grey matter that folds; smaller ones are vessels, lesions or noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folds:
    """Of a patient: the same at both visits."""

    deepest_mm: float
    """0: none."""
    seed: int
    """Where they lie."""


def draw_folds(rng: np.random.Generator) -> Folds:
    """The folds of a patient: none, or down to 3 to 10 mm."""
    deepest_mm = float(rng.uniform(3, 10)) if rng.random() < FOLDED else 0.0
    return Folds(deepest_mm=deepest_mm, seed=int(rng.integers(2**31)))


def folded(seen: PatchAnatomy, folds: Folds, *, spare_own: bool) -> PatchAnatomy:
    """The anatomy with white matter near the cortex turned grey in places.

    Args:
        seen: the patch of a visit, or of the patient.
        folds: of the patient.
        spare_own: a real scan's own lesions, and 2 mm around them, stay as they are.
    """
    if not folds.deepest_mm:
        return seen
    cells = max(2, round(max(seen.tissue.shape) / SPACING_MM))
    field = smooth_field(seen.tissue.shape, cells, np.random.default_rng(folds.seed))
    depth_mm = np.float32(folds.deepest_mm) * np.clip((field - np.float32(0.5)) / np.float32(0.8), 0, 1)
    stored = seen.frame.nearest(_cortex_distance(seen.anatomy), beyond=15 * SDF_STEPS_PER_MM)
    grown = stored.astype(np.float32) / np.float32(SDF_STEPS_PER_MM) < depth_mm
    grown &= (seen.tissue == Tissue.WHITE) & (seen.ventricle_mm > FROM_VENTRICLES_MM) & ~infratentorial(seen)
    if spare_own:
        grown &= ~grown_by_one(grown_by_one(own_lesions(seen, frozenset())))
    return replace(seen, tissue=np.where(grown, np.uint8(Tissue.GREY), seen.tissue))


def fold_weight(before: PatchAnatomy, after: PatchAnatomy) -> Field | None:
    """How much of each voxel is of a fold, with soft edges; None: nothing is folded."""
    if after is before:
        return None
    return np.asarray(ndimage.gaussian_filter((after.tissue != before.tissue).astype(np.float32), 0.7, truncate=3.0))


def repainted(image: Field, white: Field, grey: Field, weight: Field) -> Field:
    """An image of a real scan with the folds as bright as the grey matter near them, and with the texture it has there.

    Args:
        image: T1 or FLAIR, white matter near 1.
        white: the white matter's signal around each voxel.
        grey: the grey matter's.
        weight: of the folds.
    """
    as_grey = image * grey / np.maximum(white, np.float32(0.1))
    return np.asarray(image + weight * (as_grey - image), np.float32)


@lru_cache(maxsize=32)
def _cortex_distance(anatomy: Anatomy) -> NDArray[np.int8]:
    """Distance to grey matter of some size, eighths of a mm, clipped at 15 mm; kept, since it takes seconds."""
    labelled, _ = ndimage.label(anatomy.tissue == Tissue.GREY)
    sizes = np.bincount(labelled.ravel())
    sizes[0] = 0
    distance = np.clip(ndimage.distance_transform_edt(~(sizes >= FEWEST_VOXELS)[labelled]), 0, 15)
    return np.asarray(np.round(distance * SDF_STEPS_PER_MM), np.int8)
