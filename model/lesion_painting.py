"""Lesions as a visit shows them: carried along its motion, drawn into T1 and FLAIR."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32
from numpy.typing import NDArray
from scipy import ndimage

from model.deformation import Patch
from model.lesion_fates import Fate, PaintedLesion
from model.scanner import smooth_field

Box = tuple[slice, slice, slice]
Values = Float32[NDArray[Any], "_ _ _"]
Image = Float32[NDArray[Any], "d h w"]

MARGIN = 5
"""Voxels around a lesion's box: room for its motion, its soft edge and its halo."""
SMALL = 60
"""Up to so many voxels the carried lesion keeps its volume: a threshold at one half would drop the smallest."""
FULL = 0.95
"""Least weight of the lesion's signal at its brightest voxel: the smallest are soft, not faint."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SeenLesion:
    """A lesion, or what is left of it, in a box of a visit's patch."""

    lesion: PaintedLesion
    box: Box
    share: Values
    """Of each voxel that the lesion fills."""
    mask: Bool[NDArray[Any], "_ _ _"]
    scar: bool
    """Not there any more at this visit; what remains is not marked."""


def seen_lesions(
    lesions: Sequence[PaintedLesion], dense: Float32[NDArray[Any], "3 d h w"] | None, shape: Patch, *, later: bool
) -> list[SeenLesion]:
    """The lesions that a visit shows; `dense`: the patient's voxel at each of its voxels, None where it lies still."""
    seen = []
    for lesion in lesions:
        state = lesion.later if later else lesion.earlier
        scar = later and lesion.fate is Fate.RESOLVED and lesion.look.scar > 0
        piece = lesion.earlier if scar else state
        if piece.any():
            box = _box(lesion, shape)
            share = _share(lesion, piece, dense, box)
            seen.append(SeenLesion(lesion=lesion, box=box, share=share, mask=_mask(share), scar=scar))
    return seen


def lesion_mask(seen: Sequence[SeenLesion], shape: Patch) -> Bool[NDArray[Any], "d h w"]:
    """Every voxel of every lesion, scars left out: the target."""
    mask = np.zeros(shape, bool)
    for one in seen:
        if not one.scar:
            mask[one.box] |= one.mask
    return mask


def paint_lesions(
    image: Image, white: Image, seen: Sequence[SeenLesion], *, channel: int, gain: float, rng: np.random.Generator
) -> Image:
    """The image with lesions (channel 0: T1, 1: FLAIR).

    Args:
        image: white matter near 1.
        white: the white matter's signal around each voxel, which a lesion's contrast refers to.
        seen: the lesions.
        channel: of the image.
        gain: how strongly this visit shows every lesion's contrast, near 1.
        rng: for the grain inside lesions.
    """
    out = image.copy()
    for one in seen:
        draw = _draw_flair if channel == 1 else _draw_t1
        out[one.box] = draw(out[one.box], white[one.box], one, gain, rng)
    return out


def _draw_flair(image: Values, white: Values, one: SeenLesion, gain: float, rng: np.random.Generator) -> Values:
    look = one.lesion.look
    soft = _soft(one)
    excess = (look.flair - 1) * gain
    if one.scar:
        return np.asarray(image + np.float32(look.scar * excess) * soft, np.float32)
    if look.halo:
        around = ndimage.gaussian_filter(one.share, 1.8) * (1 - soft)
        image = image + np.float32(look.halo * excess) * around
    level = 1 + np.float32(excess) * _varied(one)
    # a black hole is dark on FLAIR only where it is deepest
    if look.core:
        level = level - np.float32(look.core) * (level - 0.55) * _depth(one) ** 2
    return _blended(image, white, level, soft, rng)


def _draw_t1(image: Values, white: Values, one: SeenLesion, gain: float, rng: np.random.Generator) -> Values:
    look = one.lesion.look
    if one.scar:
        return image
    level = 1 - np.float32((1 - look.t1) * gain) * _varied(one)
    core = max(look.core, look.t1_core)
    if core:
        level = level - np.float32(core) * (level - 0.3) * _depth(one)
    # on T1 a lesion is as wide at its core and narrower at its edge
    return _blended(image, white, level, _soft(one) ** 1.4, rng)


def _blended(image: Values, white: Values, level: Values, soft: Values, rng: np.random.Generator) -> Values:
    """Half of the tissue's own structure stays visible through the lesion: else it looks pasted."""
    tissue = 0.5 * white + 0.5 * np.clip(image, 0.9 * white, 1.15 * white)
    grain = 1 + np.float32(0.025) * rng.standard_normal(image.shape, dtype=np.float32)
    return np.asarray(image + soft * (level * tissue * grain - image), np.float32)


def _soft(one: SeenLesion) -> Values:
    """Weight of the lesion's signal: 1 inside, falling off over its soft edge."""
    source = one.mask.astype(np.float32) if one.mask.sum() <= SMALL else one.share
    soft = ndimage.gaussian_filter(source, one.lesion.look.softness_mm)
    peak = float(soft.max())
    return np.asarray(np.minimum(soft * max(1.0, FULL / max(peak, 0.2)), 1.0), np.float32)


def _depth(one: SeenLesion) -> Values:
    """0 at the edge, 1 in the middle of what is at least 6 mm thick."""
    deep = ndimage.gaussian_filter(one.share, 2.0)
    return np.asarray(np.clip((deep - 0.45) / 0.35, 0, 1) * one.share, np.float32)


def _varied(one: SeenLesion) -> Values:
    """The lesion's own structure, the same at both visits: about 1, smooth over 5 mm."""
    cells = max(2, max(one.share.shape) // 5)
    field = smooth_field(one.share.shape, cells, np.random.default_rng(one.lesion.look.seed))
    return np.asarray(np.clip(1 + np.float32(one.lesion.look.variation) * field, 0.6, 1.4), np.float32)


def _box(lesion: PaintedLesion, shape: Patch) -> Box:
    a, b, c = (
        slice(max(0, first - MARGIN), min(whole, first + length + MARGIN))
        for first, length, whole in zip(lesion.start, lesion.later.shape, shape, strict=True)
    )
    return a, b, c


def _share(
    lesion: PaintedLesion, piece: NDArray[np.bool_], dense: Float32[NDArray[Any], "3 d h w"] | None, box: Box
) -> Values:
    if dense is None:
        share = np.zeros([s.stop - s.start for s in box], np.float32)
        inner = [
            slice(first - s.start, first - s.start + n)
            for first, s, n in zip(lesion.start, box, piece.shape, strict=True)
        ]
        share[tuple(inner)] = piece
        return share
    # interpolation falls to zero beyond the box only where there is a zero to fall to
    source = np.pad(piece, 1).astype(np.float32)
    at = dense[(slice(None), *box)] - (np.array(lesion.start, np.float32) - 1)[:, None, None, None]
    return np.asarray(ndimage.map_coordinates(source, at, output=np.float32, order=1), np.float32)


def _mask(share: Values) -> Bool[NDArray[Any], "_ _ _"]:
    """At least half filled; the smallest keep their volume in their fullest voxels."""
    voxels = round(float(share.sum()))
    if not 0 < voxels <= SMALL:
        return np.asarray(share > 0.5)
    fullest = np.argsort(-share.ravel(), kind="stable")[:voxels]
    mask = np.zeros(share.size, bool)
    mask[fullest] = share.ravel()[fullest] > 0
    return mask.reshape(share.shape)
