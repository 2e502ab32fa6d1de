"""Lesions in a patch: where they lie, what each does between the two scans, and how they look."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray
from scipy import ndimage

from model.anatomy import MNI_SHAPE, SDF_STEPS_PER_MM, Anatomy, Tissue
from model.scanner import smooth_field
from model.training_pool import TrainingPool

if TYPE_CHECKING:
    from model.synthesis import Frame

Mask = Bool[NDArray[Any], "d h w"]

BLACK_HOLE_DEPTH_MM = 3.0
"""Distance from a lesion's border where it may be destroyed tissue, dark on FLAIR."""

FATES = ("unchanged", "new", "resolved", "grown", "shrunk")
FATE_SHARES = (0.24, 0.22, 0.20, 0.18, 0.16)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lesions:
    """The lesions of a patch at both times (0: current, 1: prior), and how to draw them."""

    masks: tuple[Mask, Mask]
    native: Mask
    """Lesion voxels that the real image shows by itself."""
    white: Mask
    mimics: NDArray[np.float32]
    """Signal on FLAIR that is no lesion, relative to white matter."""
    flair_contrast: float
    """FLAIR lesion over white matter."""
    t1_contrast: float
    softness_mm: float

    def healed(self, image: NDArray[np.float32], tissue: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The image with its own lesions replaced by the local white matter, ready to be painted anew."""
        if not self.native.any():
            return image
        wide = ndimage.binary_dilation(self.native, iterations=1)
        white = ((tissue == Tissue.WHITE) & ~ndimage.binary_dilation(wide, iterations=1)).astype(np.float32)
        weight = ndimage.gaussian_filter(white, 4.0)
        local = ndimage.gaussian_filter(white * image, 4.0) / np.maximum(weight, 1e-4)
        local = np.where(weight > 1e-3, local, 1.0)
        grain = np.random.default_rng(int(self.native.sum())).standard_normal(image.shape, dtype=np.float32)
        soft = ndimage.gaussian_filter(wide.astype(np.float32), 0.7)
        return np.asarray(image * (1 - soft) + (local * (1 + 0.03 * grain)) * soft, np.float32)

    def seen_from(self, frame: "Frame", moved: "Frame") -> "Lesions":
        """The same lesions on the grid of a displaced frame."""
        matrix = np.linalg.solve(frame.matrix, moved.matrix)
        offset = np.linalg.solve(frame.matrix, moved.offset - frame.offset)

        def carry(array: NDArray[Any]) -> NDArray[Any]:
            source = array.astype(np.float32)
            return np.asarray(ndimage.affine_transform(source, matrix, offset, frame.shape, order=1))

        return replace(
            self,
            masks=(carry(self.masks[0]) > 0.5, carry(self.masks[1]) > 0.5),
            native=carry(self.native) > 0.5,
            white=carry(self.white) > 0.5,
            mimics=carry(self.mimics),
        )


def place_lesions(
    anatomy: Anatomy, frame: "Frame", pool: TrainingPool, rng: np.random.Generator, *, changing: bool
) -> Lesions:
    """Lesions from whole-brain patterns and single shapes, in white matter mostly, each with a fate of its own."""
    tissue = frame.nearest(anatomy.tissue)
    allowed = _allowed(tissue, rng)
    native = np.zeros(frame.shape, bool) if anatomy.lesions is None else frame.nearest(anatomy.lesions) > 0
    placed = native.copy()
    for _ in range(int(rng.choice(3, p=(0.25, 0.55, 0.2)))):
        placed |= _pattern(anatomy, frame, pool, rng) & allowed
    distance = np.asarray(frame.linear(anatomy.ventricle_distance) / SDF_STEPS_PER_MM, np.float32)
    for _ in range(int(rng.integers(0, 14))):
        _place_single(placed, allowed, distance, pool, rng)
    placed = _without_crumbs(placed)
    current, prior = _fates(placed, rng) if changing else (placed, placed)
    if rng.random() < 0.5:
        current, prior = prior, current
    return Lesions(
        masks=(current & allowed, prior & allowed),
        native=native,
        white=tissue == Tissue.WHITE,
        mimics=_mimics(tissue, distance, rng),
        flair_contrast=float(rng.uniform(1.2, 1.75)),
        t1_contrast=float(rng.uniform(0.5, 0.95)),
        softness_mm=float(rng.uniform(0.4, 0.9)),
    )


def lesion_layer(
    image: NDArray[np.float32], lesions: Lesions, *, time: int, channel: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """The clean image with this time's lesions (channel 0: T1, 1: FLAIR) and, on FLAIR, the mimics."""
    soft = ndimage.gaussian_filter(lesions.masks[time].astype(np.float32), lesions.softness_mm)
    soft = np.clip(soft * 1.15, 0, 1)
    variation = 1 + np.float32(0.12) * smooth_field(image.shape, 12, rng)
    texture = 1 + np.float32(0.05) * rng.standard_normal(image.shape, dtype=np.float32)
    level = lesions.flair_contrast if channel == 1 else lesions.t1_contrast
    value = (1 + (level - 1) * variation) * texture
    if channel == 1:
        image = image + lesions.mimics
        if rng.random() < 0.2:  # black holes: fluid in the middle of large lesions
            core = ndimage.distance_transform_edt(lesions.masks[time]) > BLACK_HOLE_DEPTH_MM
            value = value * (1 - np.float32(0.6) * ndimage.gaussian_filter(core.astype(np.float32), 0.7))
    return np.asarray(image * (1 - soft) + value * soft, np.float32)


def _allowed(tissue: NDArray[np.uint8], rng: np.random.Generator) -> Mask:
    """White matter and brainstem; in some heads grey matter next to it; never fluid."""
    allowed = np.isin(tissue, (Tissue.WHITE, Tissue.BRAINSTEM, Tissue.CEREBELLUM_WHITE))
    if rng.random() < 0.5:
        grey = np.isin(tissue, (Tissue.GREY, Tissue.DEEP_GREY))
        allowed |= grey & ndimage.binary_dilation(allowed, iterations=2)
    return np.asarray(allowed)


def _pattern(anatomy: Anatomy, frame: "Frame", pool: TrainingPool, rng: np.random.Generator) -> Mask:
    """A patient's whole pattern laid on this head: shifted up to 6 mm, half of them mirrored."""
    pattern = pool.patterns[int(rng.integers(len(pool.patterns)))]
    scale = np.diag(anatomy.mni_scale.astype(np.float64))
    shift = anatomy.mni_shift + rng.uniform(-6, 6, 3)
    if rng.random() < 0.5:
        scale[2, 2] *= -1
        shift[2] = MNI_SHAPE[2] - 1 - shift[2]
    matrix, offset = scale @ frame.matrix, scale @ frame.offset + shift
    moved = ndimage.affine_transform(pattern.astype(np.uint8), matrix, offset, frame.shape, order=0)
    return np.asarray(moved > 0)


def _place_single(
    placed: Mask, allowed: Mask, distance: NDArray[np.float32], pool: TrainingPool, rng: np.random.Generator
) -> None:
    """Adds one single lesion to `placed`: half of them near the ventricles, some shrunk to a few voxels."""
    near = allowed & (distance < 6) if rng.random() < 0.5 else allowed
    spots = np.flatnonzero(near)
    if len(spots) == 0:
        return
    centre = np.array(np.unravel_index(int(rng.choice(spots)), placed.shape))
    shape = pool.singles[int(rng.integers(len(pool.singles)))]
    shape = np.asarray(np.flip(shape, axis=int(rng.integers(3))).transpose(rng.permutation(3)))
    size = rng.uniform(0.4, 1.1)
    shape = ndimage.zoom(np.pad(shape, 1).astype(np.float32), size, order=1) > 0.5
    low = centre - np.array(shape.shape) // 2
    start, stop = np.maximum(low, 0), np.minimum(low + shape.shape, placed.shape)
    target = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    source = tuple(slice(a, b) for a, b in zip(start - low, stop - low, strict=True))
    placed[target] |= shape[source] & allowed[target]


def _fates(placed: Mask, rng: np.random.Generator) -> tuple[Mask, Mask]:
    """The lesions at the later and the earlier time; small ones do not shrink away, they vanish whole."""
    labelled, _ = ndimage.label(placed, np.ones((3, 3, 3)))
    later, earlier = np.zeros_like(placed), np.zeros_like(placed)
    for label, box in enumerate(ndimage.find_objects(labelled), start=1):
        lesion = labelled[box] == label
        fate = str(rng.choice(FATES, p=FATE_SHARES))
        smaller = _shrunk(lesion, float(rng.uniform(0.2, 0.65)))
        later[box] |= {"resolved": np.zeros_like(lesion), "shrunk": smaller}.get(fate, lesion)
        earlier[box] |= {"new": np.zeros_like(lesion), "grown": smaller}.get(fate, lesion)
    return later, earlier


def _without_crumbs(placed: Mask, *, fewest_voxels: int = 5) -> Mask:
    """Without what the tissue cuts off a pattern: crumbs that no reader would mark."""
    labelled, _ = ndimage.label(placed, np.ones((3, 3, 3)))
    sizes = np.bincount(labelled.ravel())
    sizes[0] = 0
    return np.asarray((sizes >= fewest_voxels)[labelled])


def _shrunk(lesion: Mask, part: float) -> Mask:
    """The deepest voxels of the lesion, `part` of its volume."""
    depth = ndimage.distance_transform_edt(np.pad(lesion, 1))[1:-1, 1:-1, 1:-1]
    depth = depth + 0.3 * ndimage.gaussian_filter(depth, 1.0)
    keep = max(1, round(part * int(lesion.sum())))
    limit = np.partition(depth[lesion], -keep)[-keep]
    return np.asarray(lesion & (depth >= limit))


def _mimics(tissue: NDArray[np.uint8], distance: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Bright FLAIR that is no lesion: caps and rims of the ventricles, cortex, flow in fluid, dirty white matter."""
    extra = np.zeros(tissue.shape, np.float32)
    if rng.random() < 0.6:
        rim = (tissue == Tissue.WHITE) & (distance < rng.uniform(1.0, 2.2))
        extra += ndimage.gaussian_filter(rim.astype(np.float32), 0.7) * np.float32(rng.uniform(0.05, 0.25))
    if rng.random() < 0.5:
        bright = smooth_field(tissue.shape, 8, rng) > 0.5
        extra += (tissue == Tissue.GREY) * bright * np.float32(rng.uniform(0.05, 0.3))
    if rng.random() < 0.4:
        flow = (smooth_field(tissue.shape, 10, rng) > 0.8) & np.isin(tissue, (Tissue.VENTRICLE, Tissue.CSF))
        extra += flow * np.float32(rng.uniform(0.2, 1.0))
    if rng.random() < 0.4:
        extra += (tissue == Tissue.WHITE) * np.float32(0.05) * np.maximum(smooth_field(tissue.shape, 6, rng), 0)
    return extra
