"""What looks like a lesion and is none: shared by both visits in part, in part of one visit only.

It is drawn into the images and never into the target: a network that marks it, or that calls its coming and going a
change, is wrong.
"""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray
from scipy import ndimage

from model.anatomy import Tissue
from model.patch_anatomy import CORTEX, FLUID, PatchAnatomy
from model.placement import MID_SAGITTAL
from model.scanner import smooth_field

Image = Float32[NDArray[Any], "d h w"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tubes:
    """Vessels or perivascular spaces."""

    points: Float32[NDArray[Any], "points 3"]
    """Half a voxel apart along their courses, in the patient's patch."""
    t1: float
    flair: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mimics:
    """Strength of each, relative to white matter; 0: not there. On FLAIR where nothing else is said."""

    band: float
    """Rim of the ventricles."""
    caps: float
    """Wider ends of the rim."""
    cortex: float
    """Patches of bright cortex."""
    surface: float
    """Outermost layer of the brain, also on T1."""
    septum: float
    """Sheet between the lateral ventricles."""
    choroid: float
    flow: float
    """Fluid that moves and is not suppressed."""
    dirty: float
    """Faintly bright white matter, diffuse."""
    grey: float
    """All grey matter, either sign: another protocol."""
    grey_t1: float
    band_mm: float
    tubes: tuple[Tubes, ...]
    seed: int
    """Where the patches lie."""
    flow_seed: int


STEADY = {"band_mm", "tubes", "seed", "flow_seed", "grey", "grey_t1"}
"""What `of_visit` does not make weaker or stronger."""


def draw_mimics(seen: PatchAnatomy, rng: np.random.Generator) -> Mimics:
    """The mimics of a patient."""

    def sometimes(share: float, low: float, high: float) -> float:
        return float(rng.uniform(low, high)) if rng.random() < share else 0.0

    return Mimics(
        band=sometimes(0.45, 0.04, 0.15),
        caps=sometimes(0.4, 0.04, 0.15),
        cortex=sometimes(0.55, 0.08, 0.4),
        surface=sometimes(0.35, 0.1, 0.5),
        septum=sometimes(0.4, 0.2, 0.7),
        choroid=sometimes(0.6, 0.1, 0.8),
        flow=sometimes(0.5, 0.2, 1.1),
        dirty=sometimes(0.45, 0.03, 0.14),
        grey=float(rng.normal(0.03, 0.1)),
        grey_t1=float(rng.normal(0, 0.05)),
        band_mm=float(rng.uniform(0.8, 2.0)),
        tubes=_draw_tubes(seen, rng),
        seed=int(rng.integers(2**31)),
        flow_seed=int(rng.integers(2**31)),
    )


def of_visit(mimics: Mimics, rng: np.random.Generator) -> Mimics:
    """As one visit shows them: each weaker or stronger, a quarter not at all, the flow elsewhere."""
    names = [f.name for f in fields(mimics) if f.name not in STEADY]
    scales = rng.uniform(0.5, 1.4, len(names)) * (rng.random(len(names)) > 0.25)
    strengths: dict[str, Any] = {
        name: float(getattr(mimics, name) * scale) for name, scale in zip(names, scales, strict=True)
    }
    strengths["grey"] = mimics.grey + float(rng.normal(0, 0.06))
    strengths["grey_t1"] = mimics.grey_t1 + float(rng.normal(0, 0.03))
    kept = tuple(tube for tube in mimics.tubes if rng.random() > 0.2)
    return replace(mimics, **strengths, tubes=kept, flow_seed=int(rng.integers(2**31)))


def mimic_layers(
    seen: PatchAnatomy, mimics: Mimics, dense: Float32[NDArray[Any], "3 d h w"] | None
) -> tuple[Image, Image]:
    """Signal to add to T1 and to FLAIR, white matter being 1; `dense`: the patient's voxel at each of the visit."""
    t1, flair = _by_tissue(seen, mimics), _bright(seen, mimics) + _in_fluid(seen, mimics)
    if mimics.surface:
        outer = (seen.surface_mm > -1.6) & (seen.surface_mm < 0.3) & (seen.tissue != Tissue.AIR)
        rim = outer * np.maximum(smooth_field(flair.shape, 7, np.random.default_rng(mimics.seed + 4)), 0)
        flair += np.float32(mimics.surface) * rim
        t1 += np.float32(0.5 * mimics.surface) * rim
    t1, flair = (ndimage.gaussian_filter(layer, 0.6, truncate=3.0) for layer in (t1, flair))
    for tube in mimics.tubes:
        drawn = _drawn(tube, dense, flair.shape)
        t1 += np.float32(tube.t1) * drawn
        flair += np.float32(tube.flair) * drawn
    return t1, flair


def _by_tissue(seen: PatchAnatomy, mimics: Mimics) -> Image:
    return np.asarray(CORTEX[seen.tissue] * np.float32(mimics.grey_t1), np.float32)


def _bright(seen: PatchAnatomy, mimics: Mimics) -> Image:
    """In tissue, on FLAIR."""
    shape = seen.tissue.shape
    white, cortex = seen.tissue == Tissue.WHITE, CORTEX[seen.tissue]
    extra = cortex * np.float32(mimics.grey)
    if mimics.band or mimics.caps:
        wider = np.maximum(smooth_field(shape, 6, np.random.default_rng(mimics.seed)), 0)
        rim = seen.ventricle_mm < mimics.band_mm
        cap = seen.ventricle_mm < mimics.band_mm + 2.2 * np.minimum(wider, 1)
        extra += (white & rim) * np.float32(mimics.band) + (white & cap) * np.minimum(wider, 1) * mimics.caps
    if mimics.cortex:
        patches = np.clip(smooth_field(shape, 9, np.random.default_rng(mimics.seed + 1)), 0, 1.2)
        extra += cortex * patches * np.float32(mimics.cortex)
    if mimics.dirty:
        extra += white * np.maximum(smooth_field(shape, 6, np.random.default_rng(mimics.seed + 2)), 0) * mimics.dirty
    return np.asarray(extra, np.float32)


def _in_fluid(seen: PatchAnatomy, mimics: Mimics) -> Image:
    """Septum, plexus and flow, on FLAIR."""
    extra = np.zeros(seen.tissue.shape, np.float32)
    ventricle = seen.tissue == Tissue.VENTRICLE
    if mimics.septum:
        # above the third ventricle; the sheet is not in the label maps
        sheet = (np.abs(seen.mni(2) - MID_SAGITTAL) < 0.9) & (seen.mni(0) > 80)
        extra += (sheet & ventricle) * np.float32(mimics.septum)
    if mimics.choroid:
        clumps = smooth_field(extra.shape, 20, np.random.default_rng(mimics.seed + 3))
        extra += ((seen.tissue == Tissue.CHOROID) | (ventricle & (clumps > 1.6))) * np.float32(mimics.choroid)
    if mimics.flow:
        jets = np.maximum(smooth_field(extra.shape, 10, np.random.default_rng(mimics.flow_seed)) - 0.6, 0)
        extra += FLUID[seen.tissue] * np.minimum(jets, 1) * np.float32(mimics.flow)
    return np.asarray(extra, np.float32)


def _draw_tubes(seen: PatchAnatomy, rng: np.random.Generator) -> tuple[Tubes, ...]:
    """Perivascular spaces in white matter (dark, sometimes with a bright rim) and vessels at the cortex (bright)."""
    kinds = (
        (0.5, np.isin(seen.tissue, (Tissue.WHITE, Tissue.DEEP_GREY)), (-0.45, -0.1), (-0.35, 0.12)),
        (0.35, CORTEX[seen.tissue] | (seen.tissue == Tissue.CSF), (-0.3, 0.6), (0.15, 0.7)),
    )
    tubes = []
    for share, where, t1, flair in kinds:
        starts = np.flatnonzero(where)
        if rng.random() < share and len(starts):
            points = [
                _course(np.unravel_index(int(rng.choice(starts)), where.shape), rng) for _ in range(rng.integers(1, 25))
            ]
            tubes.append(Tubes(points=np.concatenate(points), t1=rng.uniform(*t1), flair=rng.uniform(*flair)))
    return tuple(tubes)


def _course(start: tuple[Any, ...], rng: np.random.Generator) -> Float32[NDArray[Any], "points 3"]:
    """A gently winding line of 4 to 16 mm."""
    steps = int(rng.integers(8, 32))
    heading = rng.standard_normal(3)
    heading = heading / np.linalg.norm(heading) + 0.15 * np.cumsum(rng.standard_normal((steps, 3)), axis=0)
    heading /= np.linalg.norm(heading, axis=1, keepdims=True)
    return np.asarray(np.array(start, np.float64) + 0.5 * np.cumsum(heading, axis=0), np.float32)


def _drawn(tube: Tubes, dense: Float32[NDArray[Any], "3 d h w"] | None, shape: tuple[int, ...]) -> Image:
    """1 along the courses, one to two voxels wide."""
    drawn = np.zeros(shape, np.float32)
    index = _inside(np.rint(tube.points), shape)
    if dense is not None:
        # the motion is small, so its inverse is its negative
        index = _inside(np.rint(2 * index - dense[:, index[:, 0], index[:, 1], index[:, 2]].T), shape)
    drawn[tuple(index.T)] = 1
    return np.asarray(np.minimum(ndimage.gaussian_filter(drawn, 0.55, truncate=3.0) * 1.8, 1), np.float32)


def _inside(points: NDArray[np.floating[Any]], shape: tuple[int, ...]) -> NDArray[np.intp]:
    return points[((points >= 0) & (points < np.array(shape))).all(axis=1)].astype(np.intp)
