"""Longitudinal pairs with known lesions: (current, prior, target), deterministic from a seed.

    anatomy --bend, affine, folds--> patient with lesions --motion, atrophy--> visit (two, from here on each by itself)
    visit --contrast--> clean images --mimics, lesions--> painted images --scanner--> scans --brain mask, z-score-->

Each lesion is unchanged, new, resolved, grown or shrunk between the two visits. Either scan may be moved, as a residual
misregistration; each target lies on the grid of its own scan, so a sample can be learnt from in both directions.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32
from numpy.typing import NDArray

from model.anatomy import Anatomy, Tissue
from model.contrast import Contrast, draw_contrast, paint_labels, white_of_labels
from model.deformation import Motion, Patch, Placement, displaced, draw_placement, shrunken, still
from model.folds import Folds, draw_folds, fold_weight, folded, repainted
from model.lesion_fates import CONFLUENT, PaintedLesion, draw_lesions
from model.lesion_painting import SeenLesion, lesion_mask, paint_lesions, seen_lesions
from model.mimics import Mimics, draw_mimics, mimic_layers, of_visit
from model.patch_anatomy import PatchAnatomy, canvas, grown_by_one, own_image, own_lesions, seen_anatomy
from model.placement import place_lesions
from model.scanner import acquire, draw_field_of_view, draw_worn_acquisition, smooth_field, tone
from model.training_pool import TrainingPool

REAL = 0.7
"""Part of the heads that are real scans: label maps bring other shapes and contrasts, but no true texture."""
AS_SCANNED = 0.5
"""Part of the real scans that keep their own lesions."""
OWN_CHANGE = 0.2
"""Part of a real scan's own lesions that is not there yet at the earlier visit, and that is gone at the later."""
SAME_VISIT = 0.24
"""Part of the samples without a second visit: half of them the scan as its own prior, half a rescan."""
NOTHING_CHANGES = 0.15
"""Part of the pairs in which the scanner and the mimics change and no lesion does."""


CleanChannel = tuple[Float32[NDArray[Any], "d h w"], Float32[NDArray[Any], "d h w"]]
"""An image without painted lesions, and the signal of white matter around each voxel."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """One training example; channels are T1, FLAIR, z-scored in the brain, zero outside."""

    current: Float32[NDArray[Any], "2 d h w"]
    prior: Float32[NDArray[Any], "2 d h w"]
    target: Bool[NDArray[Any], "d h w"]
    """Lesions of the current scan, on its own grid."""
    prior_target: Bool[NDArray[Any], "d h w"]
    """Lesions of the prior scan, on its own grid."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Patient:
    """What both visits share."""

    anatomy: Anatomy
    placement: Placement
    folds: Folds
    lesions: tuple[PaintedLesion, ...]
    mimics: Mimics
    stripping_mm: Float32[NDArray[Any], "d h w"]
    """Where the brain mask ends, mm from the true surface."""
    as_scanned: bool
    """A real scan keeps its own lesions; otherwise all are healed and perhaps painted anew."""
    healed: tuple[frozenset[int], frozenset[int]] = (frozenset(), frozenset())
    """Of a scan that keeps its own, the lesions that the earlier and the later visit do not have."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Visit:
    """What one of them has for itself."""

    motion: Motion | None
    later: bool
    contrast: Contrast
    mimics: Mimics
    stripping_mm: Float32[NDArray[Any], "d h w"]
    lesion_gain: float


def make_sample(pool: TrainingPool, seed: int, patch: Patch) -> Sample:
    """The sample of this seed; the same pool, seed and patch give the same sample."""
    rng = np.random.default_rng(seed)
    same_visit = rng.random() < SAME_VISIT
    patient = draw_patient(pool, patch, rng, changing=not same_visit and rng.random() > NOTHING_CHANGES)
    current_is_later = bool(rng.random() < 0.5)
    if same_visit:
        visit = _draw_visit(patient, None, rng, later=current_is_later)
        current, target = _scan(patient, visit, rng)
        if rng.random() < 0.5:
            return Sample(current=current, prior=current, target=target, prior_target=target)
        again = _draw_visit(patient, _residual(patient, rng), rng, later=current_is_later)
        prior, prior_target = _scan(patient, again, rng)
        return Sample(current=current, prior=prior, target=target, prior_target=prior_target)
    motions = _motions(patient, rng, current_is_later=current_is_later)
    visits = [_draw_visit(patient, motions[n], rng, later=current_is_later == (n == 0)) for n in range(2)]
    (current, target), (prior, prior_target) = (_scan(patient, visit, rng) for visit in visits)
    return Sample(current=current, prior=prior, target=target, prior_target=prior_target)


def draw_patient(pool: TrainingPool, patch: Patch, rng: np.random.Generator, *, changing: bool) -> Patient:
    """A head with lesions and mimics: a real scan or a label map."""
    real = rng.random() < REAL
    candidates = [a for a in pool.anatomies if (a.t1 is not None) == real] or pool.anatomies
    anatomy = candidates[int(rng.integers(len(candidates)))]
    placement = draw_placement(anatomy, patch, rng)
    unfolded = seen_anatomy(anatomy, placement)
    folds = draw_folds(rng)
    own = own_lesions(unfolded, frozenset())
    as_scanned = bool(anatomy.t1 is not None and rng.random() < AS_SCANNED)
    seen = folded(unfolded, folds, spare_own=as_scanned)
    placed = place_lesions(seen, pool, rng)
    if as_scanned:
        placed &= ~grown_by_one(own)
    elif rng.random() < 0.7:
        placed |= own
    return Patient(
        anatomy=anatomy,
        placement=placement,
        folds=folds,
        lesions=draw_lesions(placed, rng, changing=changing),
        mimics=draw_mimics(seen, rng),
        stripping_mm=_stripping(patch, rng, middle=rng.uniform(-0.5, 2.5), spread=rng.uniform(0.3, 2.5)),
        as_scanned=as_scanned,
        healed=_changed_of_own(anatomy, own, rng) if as_scanned and changing else (frozenset(), frozenset()),
    )


def _motions(patient: Patient, rng: np.random.Generator, *, current_is_later: bool) -> list[Motion | None]:
    """Of the current and of the prior scan: one or both moved, the later with less brain in a half of the pairs."""
    moved = ((True, False), (False, True), (True, True))[int(rng.choice(3, p=(0.2, 0.4, 0.4)))]
    motions = [_residual(patient, rng) if one else None for one in moved]
    if rng.random() < 0.5:
        later = 0 if current_is_later else 1
        fluid_mm = rng.uniform(0.1, 0.9)
        motions[later] = shrunken(
            motions[later] or still(patient.placement.shape),
            patient.placement,
            patient.anatomy,
            fluid_mm=fluid_mm,
            surface_mm=rng.uniform(0.1, 0.5) * fluid_mm,
        )
    return motions


def _residual(patient: Patient, rng: np.random.Generator) -> Motion:
    return displaced(still(patient.placement.shape), rng, shift_mm=0.6, turn_deg=0.6)


def _draw_visit(patient: Patient, motion: Motion | None, rng: np.random.Generator, *, later: bool) -> Visit:
    """Mostly both visits are stripped alike, since values are kept in the union of both masks."""
    stripping = patient.stripping_mm
    if rng.random() < 0.4:
        stripping = stripping + _stripping(patient.placement.shape, rng, middle=rng.uniform(-0.6, 1.5), spread=1.2)
    return Visit(
        motion=motion,
        later=later,
        contrast=draw_contrast(patient.anatomy, rng),
        mimics=of_visit(patient.mimics, rng),
        stripping_mm=stripping,
        lesion_gain=float(rng.uniform(0.88, 1.12)),
    )


def _stripping(
    patch: Patch, rng: np.random.Generator, *, middle: float, spread: float
) -> Float32[NDArray[Any], "d h w"]:
    """Loose here and tight there, as a template mask is."""
    field = np.float32(middle) + np.float32(spread) * smooth_field(patch, 5, rng)
    return np.asarray(np.clip(field, -2.5, 9.0), np.float32)


def _scan(
    patient: Patient, visit: Visit, rng: np.random.Generator
) -> tuple[Float32[NDArray[Any], "2 d h w"], Bool[NDArray[Any], "d h w"]]:
    """T1 and FLAIR of one visit, masked and z-scored as preprocessing would give them, and the lesions they show."""
    shape = patient.placement.shape
    unfolded = seen_anatomy(patient.anatomy, patient.placement, visit.motion)
    seen = folded(unfolded, patient.folds, spare_own=patient.as_scanned)
    dense = None if visit.motion is None else visit.motion.dense()
    lesions = seen_lesions(patient.lesions, dense, shape, later=visit.later)
    mask, remnants = _stripped(seen, visit, rng)
    fold = fold_weight(unfolded, seen)
    clean = [_clean(patient, visit, seen, channel, fold) for channel in range(2)]
    painted = _painted(visit, clean, lesions, mimic_layers(seen, visit.mimics, dense), rng)
    channels = []
    views = (
        [draw_field_of_view(shape, rng)] * 2 if rng.random() < 0.5 else [draw_field_of_view(shape, rng) for _ in "12"]
    )
    for channel, image in enumerate(painted):
        acquisition = draw_worn_acquisition(rng)
        scanned = acquire(image + remnants, acquisition)
        values = tone(_brain_values(visit, channel), acquisition.gamma)
        # the whole brain's mean and deviation are known as well as its mask is
        mean = values.mean() + rng.normal(0, 0.05) * values.std()
        spread = max(float(values.std()) * np.exp(rng.normal(0, 0.06)), 1e-3)
        channels.append(np.where(mask & views[channel], (scanned - mean) / spread, 0))
    marked = lesion_mask(lesions, shape)
    if patient.as_scanned:
        marked |= own_lesions(seen, patient.healed[visit.later])
    return np.stack(channels).astype(np.float32), marked & mask & views[1]


def _changed_of_own(
    anatomy: Anatomy, own: Bool[NDArray[Any], "d h w"], rng: np.random.Generator
) -> tuple[frozenset[int], frozenset[int]]:
    """Lesions of a real scan that the earlier and the later visit do not have; confluent ones stay."""
    if anatomy.lesions is None or not own.any():
        return frozenset(), frozenset()
    sizes = np.bincount(anatomy.lesions.ravel())
    drawn = rng.random(len(sizes))
    free = (sizes < CONFLUENT) & (np.arange(len(sizes)) > 0)
    new, resolved = free & (drawn < OWN_CHANGE), free & (drawn > 1 - OWN_CHANGE)
    return frozenset(np.flatnonzero(new).tolist()), frozenset(np.flatnonzero(resolved).tolist())


def _stripped(
    seen: PatchAnatomy, visit: Visit, rng: np.random.Generator
) -> tuple[Bool[NDArray[Any], "d h w"], Float32[NDArray[Any], "d h w"]]:
    """The brain mask, and what it wrongly keeps: a real scan that was stripped gets dura, vessels and fat painted."""
    mask = seen.surface_mm < visit.stripping_mm
    remnants = np.zeros(mask.shape, np.float32)
    if seen.anatomy.t1 is None:
        return mask, remnants
    outside = seen.tissue == Tissue.AIR
    if rng.random() < 0.4:
        kept = outside & mask & (smooth_field(mask.shape, 8, rng) > rng.uniform(0.2, 1.2))
        level = np.float32(rng.uniform(0.2, 1.3)) * (1 + np.float32(0.4) * smooth_field(mask.shape, 25, rng))
        remnants = np.where(kept, np.maximum(level, 0.02), np.float32(0)).astype(np.float32)
        return mask & (~outside | kept), remnants
    return mask & ~outside, remnants


def _brain_values(visit: Visit, channel: int) -> Float32[NDArray[Any], " values"]:
    """Of the whole brain, with the grey matter of the visit."""
    grey = visit.mimics.grey if channel == 1 else visit.mimics.grey_t1
    return np.asarray(visit.contrast.brain_values[channel] + visit.contrast.brain_grey * np.float32(grey), np.float32)


def _painted(
    visit: Visit,
    clean: list[CleanChannel],
    lesions: list[SeenLesion],
    layers: tuple[Float32[NDArray[Any], "d h w"], ...],
    rng: np.random.Generator,
) -> list[Float32[NDArray[Any], "d h w"]]:
    """T1 and FLAIR before the scanner."""
    painted = []
    for channel, ((image, white), layer) in enumerate(zip(clean, layers, strict=True)):
        lit = np.maximum(image + layer, 0)
        painted.append(paint_lesions(lit, white, lesions, channel=channel, gain=visit.lesion_gain, rng=rng))
    return painted


def _clean(
    patient: Patient, visit: Visit, seen: PatchAnatomy, channel: int, fold: Float32[NDArray[Any], "d h w"] | None
) -> CleanChannel:
    """A channel without painted lesions, and the signal of white matter around each voxel; `fold`: `fold_weight`."""
    anatomy = patient.anatomy
    if anatomy.t1 is None or anatomy.flair is None:
        return paint_labels(seen.tissue, visit.contrast, channel), white_of_labels(seen.tissue, visit.contrast, channel)
    real = canvas(anatomy)
    if patient.as_scanned:
        image = own_image(seen, channel, patient.healed[visit.later])
    else:
        image = seen.frame.linear(real.healed[channel])
    white = seen.frame.nearest(real.white[channel])
    if fold is not None:
        image = repainted(image, white, seen.frame.nearest(real.grey[channel]), fold)
    return image, white
