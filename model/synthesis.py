"""Longitudinal pairs with known lesions: (current, prior, target), deterministic from a seed.

    anatomy --shared affine--> tissue --contrast--> clean images --lesions of that time--> scanner --mask, z-score-->

Each lesion is unchanged, new, resolved, grown or shrunk between the two scans. The prior is moved a little, as a
residual misregistration; the target is the lesion mask of the current scan, whose grid is not moved.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from model.anatomy import SDF_STEPS_PER_MM, Anatomy, Tissue
from model.contrast import Contrast, draw_contrast, paint_labels
from model.lesion_painting import Lesions, lesion_layer, place_lesions
from model.scanner import acquire, draw_acquisition, smooth_field, tone
from model.training_pool import TrainingPool

Patch = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """One training example; channels are T1, FLAIR, z-scored in the brain, zero outside."""

    current: Float32[NDArray[Any], "2 d h w"]
    prior: Float32[NDArray[Any], "2 d h w"]
    target: Bool[NDArray[Any], "d h w"]
    """Lesions of the current scan."""
    prior_target: Bool[NDArray[Any], "d h w"]
    """Lesions of the prior scan, on its own grid."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """Where a patch lies in an anatomy: voxel of the anatomy = `matrix @ voxel of the patch + offset`."""

    matrix: NDArray[np.float64]
    offset: NDArray[np.float64]
    shape: Patch

    def nearest(self, array: NDArray[Any]) -> NDArray[Any]:
        """A label array in the patch."""
        return np.asarray(ndimage.affine_transform(array, self.matrix, self.offset, self.shape, order=0))

    def linear(self, array: NDArray[Any], *, beyond: float = 0.0) -> NDArray[np.float32]:
        """An image in the patch; `beyond` its edge."""
        source = array.astype(np.float32, copy=False)
        return np.asarray(ndimage.affine_transform(source, self.matrix, self.offset, self.shape, order=1, cval=beyond))

    def displaced(self, rng: np.random.Generator, *, shift_mm: float, turn_deg: float) -> "Frame":
        """The frame after a small rigid motion about the patch's centre."""
        turn = Rotation.from_rotvec(rng.standard_normal(3) * np.deg2rad(turn_deg) / 2).as_matrix()
        centre = np.array(self.shape) / 2
        matrix = self.matrix @ turn
        offset = self.offset + self.matrix @ (centre - turn @ centre + rng.standard_normal(3) * shift_mm / 2)
        return Frame(matrix=matrix, offset=offset, shape=self.shape)


def make_sample(pool: TrainingPool, seed: int, patch: Patch) -> Sample:
    """The sample of this seed; the same pool, seed and patch give the same sample."""
    rng = np.random.default_rng(seed)
    real = rng.random() < 0.5
    candidates = [a for a in pool.anatomies if (a.t1 is not None) == real]
    anatomy = candidates[int(rng.integers(len(candidates)))]
    frame = _draw_frame(anatomy, patch, rng)
    same_visit = rng.random() < 0.12
    lesions = place_lesions(anatomy, frame, pool, rng, changing=not same_visit)
    moved = frame.displaced(rng, shift_mm=0.6, turn_deg=0.6)
    tilt = _mask_looseness(patch, rng)
    current = _scan(anatomy, frame, lesions, time=0, tilt=tilt, rng=rng)
    if same_visit and rng.random() < 0.5:
        prior, there = current, lesions  # single time point mode: the scan is its own prior
    else:
        there = lesions.seen_from(frame, moved)
        prior = _scan(anatomy, moved, there, time=1, tilt=tilt, rng=rng)
    return Sample(
        current=current,
        prior=prior,
        target=lesions.masks[0] & current.any(axis=0),
        prior_target=there.masks[1] & prior.any(axis=0),
    )


def _draw_frame(anatomy: Anatomy, patch: Patch, rng: np.random.Generator) -> Frame:
    """A patch about a brain voxel: head tilt to 15 degrees, size 0.9 to 1.1, half of them mirrored left-right."""
    white = np.flatnonzero(anatomy.tissue.ravel()[::97] == Tissue.WHITE) * 97
    centre = np.array(np.unravel_index(int(rng.choice(white)), anatomy.tissue.shape), np.float64)
    turn = Rotation.from_rotvec(np.clip(rng.standard_normal(3), -2, 2) * np.deg2rad(7.5)).as_matrix()
    stretch = np.diag(rng.uniform(0.9, 1.1) * np.exp(rng.uniform(-0.04, 0.04, 3)))
    if rng.random() < 0.5:
        stretch[2, 2] *= -1
    matrix = turn @ stretch
    jitter = rng.uniform(-0.25, 0.25, 3) * patch
    return Frame(matrix=matrix, offset=centre - matrix @ (np.array(patch) / 2 + jitter), shape=patch)


def _scan(
    anatomy: Anatomy, frame: Frame, lesions: Lesions, *, time: int, tilt: NDArray[np.float32], rng: np.random.Generator
) -> NDArray[np.float32]:
    """T1 and FLAIR of one visit, masked and z-scored as preprocessing would give them."""
    contrast = draw_contrast(anatomy, rng)
    tissue = frame.nearest(anatomy.tissue)
    distance = frame.linear(anatomy.brain_distance, beyond=15.0 * SDF_STEPS_PER_MM) / SDF_STEPS_PER_MM
    mask = (distance < tilt) & (tissue != Tissue.AIR if anatomy.t1 is not None else True)
    clean = _clean_images(anatomy, frame, contrast, lesions, tissue)
    channels = []
    for channel, image in enumerate(clean):
        painted = lesion_layer(image, lesions, time=time, channel=channel, rng=rng)
        acquisition = draw_acquisition(rng)
        scanned = acquire(painted, acquisition)
        values = tone(contrast.brain_values[channel], acquisition.gamma)
        channels.append((scanned - values.mean()) / max(float(values.std()), 1e-3) * mask)
    return np.stack(channels).astype(np.float32)


def _clean_images(
    anatomy: Anatomy, frame: Frame, contrast: Contrast, lesions: Lesions, tissue: NDArray[np.uint8]
) -> list[NDArray[np.float32]]:
    if anatomy.t1 is None or anatomy.flair is None:
        return [paint_labels(tissue, contrast, channel) for channel in range(2)]
    images = [frame.linear(anatomy.t1), frame.linear(anatomy.flair)]
    return [lesions.healed(image, tissue) for image in images]


def _mask_looseness(patch: Patch, rng: np.random.Generator) -> NDArray[np.float32]:
    """Where the brain mask ends, mm from the true surface: a template mask is loose here and tight there."""
    middle, spread = rng.uniform(-0.5, 3.0), rng.uniform(0.3, 3.0)
    field = np.float32(middle) + np.float32(spread) * smooth_field(patch, 5, rng)
    return np.asarray(np.clip(field, -2.5, 9.0), np.float32)
