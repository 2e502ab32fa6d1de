"""A whole head around the MNI152 brain: fluid, skull, scalp, eyes, face and neck, ready for any contrast.

    skin fat bone marrow bone fluid | brain     the layers follow the distance to the closed brain surface;
    face and neck: ellipsoids of muscle below   orbits, sinuses and throat are carved into them

The head's world is MNI152 turned to LPS: x and y are the negatives of the published coordinates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from nilearn import datasets
from numpy.typing import NDArray
from scipy import ndimage

from model.volume import Affine

Field = Float32[NDArray[Any], "i j k"]
Mask = Bool[NDArray[Any], "i j k"]

LPS_FROM_RAS: Affine = np.diag([-1.0, -1.0, 1.0, 1.0])

PAD = ((6, 6), (6, 16), (40, 4))
"""Voxels (mm) added around the template, which ends at the medulla: room for scalp, nose and neck."""

TEMPLATE_FLUID, TEMPLATE_GREY, TEMPLATE_WHITE = 0.28, 0.65, 0.87
"""Medians of the template's T1 in the pure part of each tissue map."""


class Outside(IntEnum):
    """What lies around the brain."""

    AIR = 0
    FLUID = 1
    BONE = 2
    MARROW = 3
    FAT = 4
    MUSCLE = 5
    SKIN = 6
    VITREOUS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """Signal of every tissue of one image, white matter about 1."""

    white: float
    grey: float
    fluid: float
    bone: float
    marrow: float
    fat: float
    muscle: float
    skin: float
    from_template: float
    """Part of the brain's signal taken from the template's own T1, which knows the deep nuclei; 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PhantomHead:
    """Tissue maps at 1 mm; parts of `fluid`, `grey` and `white` add up to 1 inside `nervous`."""

    affine: Affine
    template: Field
    fluid: Field
    grey: Field
    white: Field
    nervous: Field
    """Brain with the cord below it: 1 inside, 0 outside, soft edge."""
    brain: Mask
    """The template's brain mask: cerebrum, cerebellum, brainstem to the medulla."""
    ventricles: Mask
    outside: UInt8[NDArray[Any], "i j k"]
    """`Outside` codes, also defined under the brain."""
    texture: Field
    """Fine structure, standard deviation 1."""


def mni_head(seed: int) -> PhantomHead:
    """The head; the seed varies skull thickness and texture, never the brain."""
    rng = np.random.default_rng(seed)
    template = datasets.load_mni152_template(resolution=1)
    affine = template.affine.astype(np.float64)
    affine[:3, 3] -= affine[:3, :3] @ [low for low, _ in PAD]
    grey = _padded(datasets.load_mni152_gm_template(resolution=1))
    white = _padded(datasets.load_mni152_wm_template(resolution=1))
    nervous = _padded(datasets.load_mni152_brain_mask(resolution=1)) > 0.5
    brain = nervous.copy()
    brain[:, :, : PAD[2][0]] = False
    grey, white = grey * nervous, white * nervous
    fluid = np.clip(1.0 - grey - white, 0.0, 1.0)
    ventricles = _deep((fluid > 0.5) & nervous, nervous)
    fluid, grey, white = _crisp_tissues((fluid, grey, white), ventricles)
    return PhantomHead(
        affine=LPS_FROM_RAS @ affine,
        template=_padded(template),
        fluid=fluid,
        grey=grey,
        white=white,
        nervous=ndimage.gaussian_filter(nervous.astype(np.float32), 0.5),
        brain=brain,
        ventricles=ventricles,
        outside=_outside(nervous, brain, affine, rng),
        texture=_texture(nervous.shape, rng),
    )


def paint(head: PhantomHead, contrast: Contrast) -> Field:
    """The head's signal at 1 mm in this contrast, without noise, bias or lesions."""
    table = np.zeros(len(Outside), np.float32)
    table[Outside.FLUID] = table[Outside.VITREOUS] = contrast.fluid
    table[Outside.BONE], table[Outside.MARROW] = contrast.bone, contrast.marrow
    table[Outside.FAT], table[Outside.MUSCLE], table[Outside.SKIN] = contrast.fat, contrast.muscle, contrast.skin
    around = ndimage.gaussian_filter(table[head.outside], 0.6)
    box = ndimage.find_objects((head.nervous > 0.01).astype(np.uint8))[0]
    inside = _nervous_signal(head, contrast, box)
    around[box] += head.nervous[box] * (inside - around[box])
    return np.asarray(around * (1.0 + np.float32(0.025) * head.texture), np.float32)


def _nervous_signal(head: PhantomHead, contrast: Contrast, box: tuple[slice, ...]) -> Field:
    parts = (contrast.fluid, head.fluid), (contrast.grey, head.grey), (contrast.white, head.white)
    mixed = sum((np.float32(signal) * part[box] for signal, part in parts), np.zeros((), np.float32))
    if contrast.from_template == 0:
        return np.asarray(mixed, np.float32)
    # unsharp masking takes back some of the blur of averaging 152 brains
    crisp = head.template[box] + 0.7 * (head.template[box] - ndimage.gaussian_filter(head.template[box], 1.5))
    levels = [contrast.fluid, contrast.grey, contrast.white]
    mapped = np.interp(crisp, [TEMPLATE_FLUID, TEMPLATE_GREY, TEMPLATE_WHITE], levels)
    return np.asarray(contrast.from_template * mapped + (1.0 - contrast.from_template) * mixed, np.float32)


def _padded(image: Any) -> Field:
    # the fourth slice cuts the medulla cleanly: repeated downwards it becomes the cord
    array = np.asarray(image.dataobj, np.float32)
    array[:, :, :3] = array[:, :, 3:4]
    down = np.pad(array, ((0, 0), (0, 0), (PAD[2][0], 0)), mode="edge")
    return np.pad(down, (PAD[0], PAD[1], (0, PAD[2][1])))


def _crisp_tissues(parts: tuple[Field, Field, Field], ventricles: Mask) -> tuple[Field, Field, Field]:
    """Fluid, grey and white parts of one brain rather than of an average: sharper, no grey rim on the ventricles."""
    fluid, grey, white = parts
    # between fluid and white matter every average passes through grey; a sheet thinner than 4 mm there is no grey
    near = ndimage.binary_dilation(ventricles, iterations=4)
    rim = np.where(near, grey - ndimage.grey_opening(grey, size=(4, 4, 4)), 0.0)
    share = fluid / np.maximum(fluid + white, 1e-3)
    fluid, grey, white = fluid + rim * share, grey - rim, white + rim * (1.0 - share)
    sharp = [np.square(np.clip(part, 0.0, 1.0)) for part in (1.25 * fluid, grey, white)]
    total = np.maximum(sharp[0] + sharp[1] + sharp[2], 1e-6)
    crisp = [np.asarray(part / total, np.float32) for part in sharp]
    return crisp[0], crisp[1], crisp[2]


def _deep(mask: Mask, nervous: Mask, depth: int = 14) -> Mask:
    coarse = ndimage.distance_transform_edt(nervous[::2, ::2, ::2], sampling=2.0) > depth
    return mask & (_doubled(coarse.astype(np.float32), mask.shape) > 0.5)


def _doubled(coarse: NDArray[Any], shape: tuple[int, ...]) -> Field:
    """A field on every second voxel, linearly interpolated to all."""
    return _stretched(coarse, [np.arange(size) / 2 for size in shape])


def _stretched(coarse: NDArray[Any], at: Sequence[NDArray[np.float64]]) -> Field:
    """Linear interpolation at these places of each axis, one axis after the other; the nearest value beyond the end."""
    field = coarse.astype(np.float32)
    for axis, places in enumerate(at):
        low = places.astype(int)
        high = np.minimum(low + 1, field.shape[axis] - 1)
        part = (places - low).astype(np.float32).reshape([-1 if n == axis else 1 for n in range(3)])
        below = field.take(low, axis)
        field = below + part * (field.take(high, axis) - below)
    return field


def _outside(nervous: Mask, brain: Mask, affine: Affine, rng: np.random.Generator) -> UInt8[NDArray[Any], "i j k"]:
    """Codes of everything around the brain, from distances computed at 2 mm."""
    x, y, z = _coordinates(nervous.shape, affine)
    depth = _doubled(_distance_from_closed(brain[::2, ::2, ::2]), nervous.shape)
    depth += 0.8 * _smooth_noise(nervous.shape, 9, rng)
    cord = _doubled(ndimage.distance_transform_edt(~nervous[::2, ::2, ::2], sampling=2.0), nervous.shape)
    scalp = 14.5 + np.clip((z + 20.0) / -20.0, 0.0, 2.0)
    face = _ellipsoid(x, y, z, (0, 40, -58), (62, 60, 66)) | _ellipsoid(x, y, z, (0, 92, -52), (11, 16, 17))
    neck = (z < -40) & (np.square(x / 60) + np.square((y + 25) / 66) < 1)
    solid = (depth < scalp) | face | neck
    skin = _doubled(ndimage.distance_transform_edt(solid[::2, ::2, ::2], sampling=2.0), nervous.shape)
    patches = _smooth_noise(nervous.shape, 22, rng)
    codes = np.where(patches > 1.3, Outside.FAT, Outside.MUSCLE).astype(np.uint8)
    codes[(depth < scalp) & ~face & ~neck] = Outside.FAT
    codes[(depth > 9.0) & (depth < 11.5) & (np.abs(x) > 50) & (z < 15)] = Outside.MUSCLE
    codes[skin < 5.5] = Outside.FAT
    codes[skin < 2.0] = Outside.SKIN
    codes[~solid] = Outside.AIR
    _carve_face(codes, (x, y, z))
    codes[(cord < 9.0) & (z < -70)] = Outside.BONE
    codes[depth < 9.0] = Outside.BONE
    codes[(depth > 4.6) & (depth < 7.0) & (z > -25) & (np.abs(x) < 66)] = Outside.MARROW
    codes[(depth < 2.8) | ((cord < 3.5) & (z < -60))] = Outside.FLUID
    return codes


def _carve_face(codes: UInt8[NDArray[Any], "i j k"], at: tuple[Any, Any, Any]) -> None:
    x, y, z = at
    for side in (-1, 1):
        codes[_ellipsoid(x, y, z, (32 * side, 55, -37), (19, 29, 18))] = Outside.BONE
        codes[_ellipsoid(x, y, z, (32 * side, 56, -37), (17, 27, 16))] = Outside.FAT
        codes[_ellipsoid(x, y, z, (32 * side, 70, -37), (12, 12, 12))] = Outside.VITREOUS
        codes[_ellipsoid(x, y, z, (30 * side, 46, -68), (14, 16, 14))] = Outside.BONE
        codes[_ellipsoid(x, y, z, (30 * side, 46, -68), (12, 14, 12))] = Outside.AIR
        codes[_ellipsoid(x, y, z, (5 * side, 58, -58), (3, 34, 14))] = Outside.AIR
    codes[_ellipsoid(x, y, z, (0, 5, -75), (10, 7, 32))] = Outside.AIR
    codes[_ellipsoid(x, y, z, (0, 72, -100), (26, 16, 10))] = Outside.BONE


def _distance_from_closed(brain: Mask) -> NDArray[Any]:
    """Distance (mm) outside the brain whose sulci and fissures up to 24 mm wide are closed; 2 mm voxels."""
    padded = np.pad(brain, 8)
    wide = ndimage.distance_transform_edt(~padded, sampling=2.0) <= 12.0
    closed = ndimage.distance_transform_edt(wide, sampling=2.0) > 12.0
    return np.asarray(ndimage.distance_transform_edt(~(closed | padded), sampling=2.0)[8:-8, 8:-8, 8:-8])


def _coordinates(shape: tuple[int, ...], affine: Affine) -> tuple[Any, Any, Any]:
    x, y, z = (axis.astype(np.float32) for axis in np.ogrid[: shape[0], : shape[1], : shape[2]])
    return x + np.float32(affine[0, 3]), y + np.float32(affine[1, 3]), z + np.float32(affine[2, 3])


def _ellipsoid(x: Any, y: Any, z: Any, centre: tuple[int, int, int], radii: tuple[int, int, int]) -> Mask:
    """Points inside; coordinates are MNI mm (RAS)."""
    parts = [np.square((a - c) / r) for a, c, r in zip((x, y, z), centre, radii, strict=True)]
    return np.asarray(parts[0] + parts[1] + parts[2] < 1.0)


def _smooth_noise(shape: tuple[int, ...], nodes: int, rng: np.random.Generator) -> Field:
    coarse = rng.standard_normal((nodes, nodes, nodes)).astype(np.float32)
    return _stretched(coarse, [np.linspace(0, nodes - 1, size) for size in shape])


def _texture(shape: tuple[int, ...], rng: np.random.Generator) -> Field:
    fine = ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), 0.9)
    return np.asarray(0.75 * fine / fine.std() + 0.65 * _smooth_noise(shape, 28, rng), np.float32)
