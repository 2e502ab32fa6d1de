"""Where lesions lie: beside the ventricles, under the cortex, in brainstem and cerebellum, in deep white matter."""

from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray
from scipy import ndimage

from model.anatomy import Tissue
from model.patch_anatomy import CORTEX, FLUID, WHITE_MATTER, PatchAnatomy, grown_by_one
from model.scanner import smooth_field
from model.training_pool import TrainingPool

Mask = Bool[NDArray[Any], "d h w"]
Piece = Bool[NDArray[Any], "_ _ _"]

REGIONS = ("periventricular", "juxtacortical", "deep", "infratentorial")
REGION_SHARES = (0.30, 0.26, 0.28, 0.16)

FEWEST_VOXELS = 3
"""Of a piece that stays; the paper's metrics drop what is smaller."""
LIGHT = 0.45
"""Part of the heads with few lesions: 9 of the 29 patients have less than 3 ml, half 14 ml and more. Where every head
of the training is full, a head with hardly any lesion is seen full, too (decision 0010)."""
HEAVY = 0.5
"""Part of a full head's patterns that are the fuller of two; a light head's are the emptier."""
MID_SAGITTAL = 90.5
"""Of the lesion masks' grid, voxels from the left."""


def place_lesions(seen: PatchAnatomy, pool: TrainingPool, rng: np.random.Generator) -> Mask:
    """Lesion voxels: whole patterns of patients, confluent ones, and single ones of all sizes in four regions."""
    allowed = _allowed(seen, rng)
    placed = np.zeros(seen.tissue.shape, bool)
    if rng.random() < 0.06:
        return placed
    light = rng.random() < LIGHT
    for _ in range(int(rng.choice(3, p=(0.6, 0.4, 0.0) if light else (0.1, 0.5, 0.4)))):
        placed |= _pattern(seen, pool, rng, light=light) & allowed
    if rng.random() < (0.02 if light else 0.25):
        placed |= confluent(seen, rng) & allowed
    placed = _without_crumbs(placed)
    spots = {region: np.flatnonzero(allowed & mask) for region, mask in regions(seen).items()}
    for _ in range(int(rng.integers(0, 3 if light else 12))):
        piece = _turned(pool.singles, rng) if rng.random() < 0.5 else ovoid(round(np.exp(rng.uniform(3.5, 7.0))), rng)
        _put(placed, allowed, piece, _spot(spots, rng), apart=rng.random() < 0.5)
    for _ in range(int(rng.integers(0, 6 if light else 18))):
        piece = ovoid(round(np.exp(rng.uniform(np.log(3), np.log(50)))), rng)
        _put(placed, allowed, piece, _spot(spots, rng), apart=rng.random() < 0.85)
    return placed


def regions(seen: PatchAnatomy) -> dict[str, Mask]:
    """White matter by where MS lesions are looked for (McDonald criteria); deep is the rest."""
    white, near = WHITE_MATTER[seen.tissue], seen.ventricle_mm < 2.5
    below = infratentorial(seen) & white
    cortical = grown_by_one(CORTEX[seen.tissue]) & white & (seen.ventricle_mm > 4) & ~below
    return {
        "periventricular": near & ~below & ~FLUID[seen.tissue],
        "juxtacortical": cortical,
        "deep": white & ~near & ~cortical & ~below,
        "infratentorial": below,
    }


def ovoid(voxels: int, rng: np.random.Generator) -> Piece:
    """An uneven ellipsoid of exactly this many voxels, in its box."""
    half = int(np.ceil((0.24 * voxels) ** (1 / 3) * 1.7)) + 1
    axes, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    metric = axes @ np.diag(np.exp(rng.normal(0, 0.35, 3))) @ axes.T
    grid = np.indices((2 * half + 1,) * 3).reshape(3, -1) - half - rng.uniform(-0.5, 0.5, (3, 1))
    radius = np.sqrt(np.einsum("in,ij,jn->n", grid, metric, grid))
    radius *= np.exp(0.2 * smooth_field((2 * half + 1,) * 3, 4, rng).ravel())
    chosen = np.zeros(radius.shape, bool)
    chosen[np.argpartition(radius, voxels - 1)[:voxels]] = True
    piece = chosen.reshape((2 * half + 1,) * 3)
    return np.asarray(piece[ndimage.find_objects(piece.astype(np.uint8))[0]])


def confluent(seen: PatchAnatomy, rng: np.random.Generator) -> Mask:
    """Lesions that have run together along the ventricles, up to several cm long and uneven in width."""
    shape = seen.tissue.shape
    width_mm = rng.uniform(3, 9) + 2.5 * smooth_field(shape, 11, rng)
    along = smooth_field(shape, 5, rng) > rng.uniform(-0.6, 0.8)
    return np.asarray((seen.ventricle_mm < width_mm) & along)


def _allowed(seen: PatchAnatomy, rng: np.random.Generator) -> Mask:
    """White matter and brainstem; in some heads grey matter next to it; never fluid."""
    white = WHITE_MATTER[seen.tissue]
    grey = np.isin(seen.tissue, (Tissue.GREY, Tissue.DEEP_GREY)) & grown_by_one(white)
    if seen.anatomy.t1 is not None:
        # classes from a T1 call the partial volume between white matter and ventricle grey
        white = white | (grey & (seen.ventricle_mm < 2.5))
    return np.asarray(white | grey if rng.random() < 0.3 else white)


def infratentorial(seen: PatchAnatomy) -> Mask:
    """Brainstem and cerebellum: of a real scan where these lie in the MNI brain, of a label map their white matter."""
    if seen.anatomy.t1 is None:
        return np.isin(seen.tissue, (Tissue.BRAINSTEM, Tissue.CEREBELLUM_WHITE))
    up, front, left = (seen.mni(axis) for axis in range(3))
    brainstem = (up < 58) & (np.abs(left - MID_SAGITTAL) < 16) & (front > 80) & (front < 112)
    cerebellum = (up < 60) & (front <= 84)
    return np.asarray(brainstem | cerebellum)


def _pattern(seen: PatchAnatomy, pool: TrainingPool, rng: np.random.Generator, *, light: bool) -> Mask:
    """A patient's whole pattern laid on this head: shifted up to 6 mm, half of them mirrored."""
    drawn = [pool.patterns[int(n)] for n in rng.integers(len(pool.patterns), size=2)]
    emptier, fuller = sorted(drawn, key=lambda one: int(one.sum()))
    pattern = emptier if light else fuller if rng.random() < HEAVY else drawn[0]
    shift = rng.uniform(-6, 6, 3)
    where = [seen.mni(axis) + np.float32(shift[axis]) for axis in range(3)]
    if rng.random() < 0.5:
        where[2] = np.float32(2 * MID_SAGITTAL) - where[2]
    flat = np.zeros(seen.tissue.shape, np.int32)
    inside = np.ones(seen.tissue.shape, bool)
    for axis, length in zip(where, pattern.shape, strict=True):
        index = np.rint(axis).astype(np.int32)
        inside &= (index >= 0) & (index < length)
        flat = flat * length + np.clip(index, 0, length - 1)
    return np.asarray(pattern.ravel().take(flat) & inside)


def _turned(singles: tuple[Piece, ...], rng: np.random.Generator) -> Piece:
    """One of the single lesions, turned, mirrored, and made smaller or larger."""
    shape = singles[int(rng.integers(len(singles)))]
    shape = np.asarray(np.flip(shape, axis=int(rng.integers(3))).transpose(rng.permutation(3)))
    return np.asarray(ndimage.zoom(np.pad(shape, 1).astype(np.float32), rng.uniform(0.4, 1.1), order=1) > 0.5)


def _spot(spots: dict[str, NDArray[np.intp]], rng: np.random.Generator) -> int | None:
    """A voxel of a drawn region, or of deep white matter where the patch does not show it."""
    region = spots[REGIONS[int(rng.choice(len(REGIONS), p=REGION_SHARES))]]
    candidates = region if len(region) else spots["deep"]
    return int(rng.choice(candidates)) if len(candidates) else None


def _put(placed: Mask, allowed: Mask, piece: Piece, spot: int | None, *, apart: bool) -> None:
    """Adds a piece about a voxel to `placed`, as far as it may lie there; `apart`: only where it touches no other."""
    if spot is None:
        return
    low = np.array(np.unravel_index(spot, placed.shape)) - np.array(piece.shape) // 2
    start, stop = np.maximum(low, 0), np.minimum(low + piece.shape, placed.shape)
    target = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    source = tuple(slice(a, b) for a, b in zip(start - low, stop - low, strict=True))
    wide = tuple(slice(max(0, a - 1), b + 1) for a, b in zip(start, stop, strict=True))
    if apart and placed[wide].any():
        return
    placed[target] |= _without_crumbs(piece[source] & allowed[target])


def _without_crumbs(placed: Bool[NDArray[Any], "_ _ _"]) -> Bool[NDArray[Any], "_ _ _"]:
    """Without what the tissue cuts off: crumbs that no reader would mark."""
    labelled, _ = ndimage.label(placed, np.ones((3, 3, 3)))
    sizes = np.bincount(labelled.ravel())
    sizes[0] = 0
    return np.asarray((sizes >= FEWEST_VOXELS)[labelled])
