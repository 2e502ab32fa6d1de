"""A change must be seen in the images: what two masks differ in, though FLAIR does not, is no change.

Two scans of the same tissue are never segmented alike. Where a part of a lesion is marked at one time alone, FLAIR is
compared with the tissue around the lesion at both times:

    contrast = mean of the part - median of a ring around the lesion      (FLAIR, z-scored in the brain)

A lesion that came, grew or went stands out at one time and not at the other. A part that stands out at both times alike
was taken for lesion once and once not: it is given to both masks, as is one that stands out at neither time or fades by
next to nothing. A part outside either brain, or without surroundings, is left as it was found.
"""

from dataclasses import dataclass
from typing import Any

import cc3d
import numpy as np
from jaxtyping import Bool, Float32
from numpy.typing import NDArray
from scipy import ndimage

Mask = Bool[NDArray[Any], "d h w"]
Image = Float32[NDArray[Any], "d h w"]
Box = tuple[slice, ...]

CUBE = np.ones((3, 3, 3), bool)
RING = (1, 4)
"""Dilations of the lesion between which the ring around it lies, voxels."""
SMALLEST_RING = 10
"""Voxels below which nothing is known of the surroundings."""
STAYS = 0.5
"""A part that keeps this much of its contrast has not changed."""
LEAST = 0.4
"""Contrast that comes or goes with a lesion, at least, in standard deviations of the brain."""
SMALLEST_CORE = 200
"""Voxels of lesion at both times from which the scans' contrasts can be told apart."""
LARGEST_SCALE = 2.0
"""Between the contrasts of two scans that are made alike."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Settled:
    """The masks of both time points, and how many parts were given to both."""

    baseline: Mask
    follow_up: Mask
    parts: int


def settle(baseline: Mask, follow_up: Mask, flair: tuple[Image, Image]) -> Settled:
    """Leaves the masks different only where the images are. Swapping the time points swaps the masks.

    Args:
        baseline: lesions at one time.
        follow_up: at the other, on the same grid.
        flair: of the baseline and of the follow-up, z-scored in the brain, zero outside.
    """
    either = baseline | follow_up
    brain = (flair[0] != 0) & (flair[1] != 0)
    images = _alike(*flair, core=baseline & follow_up, brain=brain)
    labels = np.asarray(cc3d.connected_components(np.ascontiguousarray(either), connectivity=26))
    masks = baseline.copy(), follow_up.copy()
    parts = 0
    for label, found in enumerate(ndimage.find_objects(labels), start=1):
        box = _widened(found, RING[1])
        whole = labels[box] == label
        marks = baseline[box] & whole, follow_up[box] & whole
        if np.array_equal(*marks):
            continue
        ring = _ring(whole) & brain[box] & ~either[box]
        if ring.sum() < SMALLEST_RING:
            continue
        views = images[0][box], images[1][box]
        for at, other in ((0, 1), (1, 0)):
            for part in _parts(marks[at] & ~marks[other]):
                seen = part & brain[box]
                if seen.any() and not _changed(seen, ring, views[at], views[other]):
                    masks[0][box][part] = masks[1][box][part] = True
                    parts += 1
    return Settled(baseline=masks[0], follow_up=masks[1], parts=parts)


def _changed(part: Mask, ring: Mask, with_lesion: Image, without: Image) -> bool:
    """Whether it stands out with the lesion and no longer without."""
    there, left = (float(view[part].mean() - np.median(view[ring])) for view in (with_lesion, without))
    return there - max(left, 0.0) >= LEAST and left < STAYS * there


def _alike(first: Image, second: Image, *, core: Mask, brain: Mask) -> tuple[Image, Image]:
    """Both images with the same contrast between what is lesion in both and the brain."""
    if core.sum() < SMALLEST_CORE:
        return first, second
    contrast = [float(image[core].mean() - np.median(image[brain])) for image in (first, second)]
    if min(contrast) <= 0:
        return first, second
    scale = np.float32(np.clip(contrast[1] / contrast[0], 1 / LARGEST_SCALE, LARGEST_SCALE) ** 0.5)
    return first * scale, second / scale


def _parts(mask: Mask) -> list[Mask]:
    labels = np.asarray(cc3d.connected_components(np.ascontiguousarray(mask), connectivity=26))
    return [labels == label for label in range(1, int(labels.max()) + 1)]


def _ring(lesion: Mask) -> Mask:
    near, far = (ndimage.binary_dilation(lesion, CUBE, iterations=n) for n in RING)
    return np.asarray(far & ~near)


def _widened(box: Box, margin: int) -> Box:
    return tuple(slice(max(0, one.start - margin), one.stop + margin) for one in box)
