"""Heads to paint lesions into: real MS scans and whole-head label maps, on 1 mm network grids.

Array axes are superior, anterior, right (`model.grid.RAS_AXES`), so a patch is what the network sees.
"""

from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from jaxtyping import Bool, Float32, Int16, UInt8
from numpy.typing import NDArray
from scipy import ndimage

SDF_STEPS_PER_MM = 8
"""Signed distances are stored as int8 in eighths of a millimetre, clipped at 15 mm."""

MNI_SHAPE = (182, 218, 182)
"""The lesion masks' grid in network axes (superior, anterior, right)."""


class Tissue(IntEnum):
    """Classes that the synthesis distinguishes; from `EXTRA` on everything outside the brain and its fluid."""

    AIR = 0
    CSF = 1
    GREY = 2
    WHITE = 3
    DEEP_GREY = 4
    VENTRICLE = 5
    CHOROID = 6
    BRAINSTEM = 7
    CEREBELLUM_GREY = 8
    CEREBELLUM_WHITE = 9
    EXTRA = 10


FREESURFER: dict[Tissue, tuple[int, ...]] = {
    Tissue.CSF: (24,),
    Tissue.GREY: (3, 42, 17, 53, 18, 54),
    Tissue.WHITE: (2, 41, 25, 57, 28, 60, 85, 77, 251, 252, 253, 254, 255),
    Tissue.DEEP_GREY: (10, 49, 11, 50, 12, 51, 13, 52, 26, 58),
    Tissue.VENTRICLE: (4, 43, 5, 44, 14, 15, 72),
    Tissue.CHOROID: (30, 62, 31, 63, 136, 137, 163, 164),
    Tissue.BRAINSTEM: (16,),
    Tissue.CEREBELLUM_GREY: (8, 47),
    Tissue.CEREBELLUM_WHITE: (7, 46),
}
"""FreeSurfer codes of each class. In these maps 25 and 57 are the bands along the ventricles, 136 and 163 plexus."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Anatomy:
    """One head. Real scans carry their images and lesions, label maps only the tissue."""

    name: str
    tissue: UInt8[NDArray[Any], "d h w"]
    """`Tissue`; outside the brain `EXTRA + n` for the n-th extra-cerebral label."""
    brain_distance: NDArray[np.int8]
    """Signed distance to the brain's surface, eighths of a mm, negative inside."""
    ventricle_distance: NDArray[np.int8]
    """Distance to the ventricles, eighths of a mm, clipped at 15 mm."""
    t1: Float32[NDArray[Any], "d h w"] | None
    flair: Float32[NDArray[Any], "d h w"] | None
    """Real images, white matter at 1."""
    lesions: Int16[NDArray[Any], "d h w"] | None
    """Labelled components of the consensus mask of a real scan."""
    mni_scale: Float32[NDArray[Any], "3"]
    mni_shift: Float32[NDArray[Any], "3"]
    """Voxel of the lesion masks' grid = `mni_scale * voxel + mni_shift`."""


def network_array(path: Path) -> NDArray[Any]:
    """The voxels of a NIfTI file in network axes."""
    image = nib.as_closest_canonical(nib.load(path))
    return np.asarray(image.dataobj).transpose(2, 1, 0)


def real_anatomy(folder: Path, lesion_mask: Path) -> Anatomy:
    """A skull-stripped MS scan on the lesion masks' grid, with its consensus lesions."""
    t1 = network_array(folder / "T1.nii.gz").astype(np.float32)
    flair = network_array(folder / "FLAIR.nii.gz").astype(np.float32)
    brain = ndimage.binary_fill_holes((np.abs(t1) > 1e-3) & (np.abs(flair) > 1e-3))
    anatomy = stripped_anatomy(folder.name, t1, flair, brain=brain, lesion=network_array(lesion_mask) > 0)
    return replace(anatomy, mni_scale=np.ones(3, np.float32), mni_shift=np.zeros(3, np.float32))


def stripped_anatomy(
    name: str,
    t1: Float32[NDArray[Any], "d h w"],
    flair: Float32[NDArray[Any], "d h w"],
    *,
    brain: Bool[NDArray[Any], "d h w"],
    lesion: Bool[NDArray[Any], "d h w"] | None = None,
    ventricles: Bool[NDArray[Any], "d h w"] | None = None,
) -> Anatomy:
    """A skull-stripped scan of 1 mm; tissue classes from its T1, its place in the MNI brain from its extent.

    Args:
        name: of the scan.
        t1: zero outside the brain.
        flair: likewise.
        brain: the brain's mask.
        lesion: what is marked; None: nothing.
        ventricles: which of the fluid is theirs; None: the deep part of it.
    """
    lesion = np.zeros(brain.shape, bool) if lesion is None else lesion
    labelled, _ = ndimage.label(lesion, np.ones((3, 3, 3)))
    tissue = _tissue_of_t1(t1, brain, lesion)
    if ventricles is not None:
        fluid = (tissue == Tissue.CSF) | (tissue == Tissue.VENTRICLE)
        tissue[fluid] = np.where(ventricles[fluid], Tissue.VENTRICLE, Tissue.CSF)
    white = (tissue == Tissue.WHITE) & ~lesion
    scale, shift = _onto_mni(brain)
    return Anatomy(
        name=name,
        tissue=tissue,
        brain_distance=_signed_distance(brain),
        ventricle_distance=_distance(tissue == Tissue.VENTRICLE),
        t1=t1 / np.float32(np.median(t1[white])),
        flair=flair / np.float32(np.median(flair[white])),
        lesions=labelled.astype(np.int16),
        mni_scale=scale,
        mni_shift=shift,
    )


def label_anatomy(path: Path, *, margin: int = 20) -> Anatomy:
    """A whole-head label map, cropped to the brain and a margin (voxels)."""
    codes = np.round(network_array(path)).astype(np.int32)
    tissue = _tissue_of_codes(codes)
    brain = ndimage.binary_closing((tissue > 0) & (tissue < Tissue.EXTRA) & (codes != 24), iterations=3)
    brain |= (tissue > Tissue.CSF) & (tissue < Tissue.EXTRA)
    brain = ndimage.binary_fill_holes(brain)
    box = _box(brain, margin, codes.shape)
    tissue, brain = tissue[box], brain[box]
    scale, shift = _onto_mni(brain)
    return Anatomy(
        name=path.name.removesuffix(".nii.gz"),
        tissue=tissue,
        brain_distance=_signed_distance(brain),
        ventricle_distance=_distance(tissue == Tissue.VENTRICLE),
        t1=None,
        flair=None,
        lesions=None,
        mni_scale=scale,
        mni_shift=shift,
    )


def _tissue_of_codes(codes: NDArray[np.int32]) -> NDArray[np.uint8]:
    table = np.full(int(codes.max()) + 1, Tissue.GREY, np.uint8)
    table[0] = Tissue.AIR
    for tissue, members in FREESURFER.items():
        table[[code for code in members if code < len(table)]] = tissue
    outside = [int(code) for code in np.unique(codes) if code > 500]
    for n, code in enumerate(outside):
        table[code] = Tissue.EXTRA + n
    return np.asarray(table[np.maximum(codes, 0)])


def _tissue_of_t1(t1: NDArray[np.float32], brain: NDArray[np.bool_], lesion: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """CSF, grey and white by the two valleys of T1 (k-means of three); deep fluid is ventricle."""
    values = t1[brain & ~lesion]
    centres = np.percentile(values, [8, 40, 80])
    for _ in range(20):
        nearest = np.abs(values[:, None] - centres[None]).argmin(axis=1)
        centres = np.array([values[nearest == k].mean() for k in range(3)])
    smooth = ndimage.gaussian_filter(t1, 0.6)
    tissue = np.zeros(t1.shape, np.uint8)
    low, high = (centres[0] + centres[1]) / 2, (centres[1] + centres[2]) / 2
    tissue[brain] = np.where(smooth < low, Tissue.CSF, np.where(smooth < high, Tissue.GREY, Tissue.WHITE))[brain]
    tissue[lesion] = Tissue.WHITE
    deep = ndimage.distance_transform_edt(brain) > 22
    tissue[(tissue == Tissue.CSF) & deep] = Tissue.VENTRICLE
    return tissue


def _onto_mni(brain: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Scale and shift that lay the brain's bounding box on that of the MNI brain (measured on patient07)."""
    mni_low, mni_high = np.array([17.0, 29.0, 28.0]), np.array([142.0, 188.0, 154.0])
    found = ndimage.find_objects(brain.astype(np.uint8))[0]
    low = np.array([s.start for s in found], np.float64)
    high = np.array([s.stop - 1 for s in found], np.float64)
    scale = (mni_high - mni_low) / (high - low)
    return scale.astype(np.float32), (mni_low - scale * low).astype(np.float32)


def _box(mask: NDArray[np.bool_], margin: int, shape: tuple[int, ...]) -> tuple[slice, ...]:
    found = ndimage.find_objects(mask.astype(np.uint8))[0]
    return tuple(slice(max(0, s.start - margin), min(n, s.stop + margin)) for s, n in zip(found, shape, strict=True))


def _signed_distance(mask: NDArray[np.bool_]) -> NDArray[np.int8]:
    outside = ndimage.distance_transform_edt(~mask)
    inside = ndimage.distance_transform_edt(mask)
    return np.asarray(np.round(np.clip(outside - inside, -15, 15) * SDF_STEPS_PER_MM), np.int8)


def _distance(mask: NDArray[np.bool_]) -> NDArray[np.int8]:
    distance = np.clip(ndimage.distance_transform_edt(~mask), 0, 15)
    return np.asarray(np.round(distance * SDF_STEPS_PER_MM), np.int8)
