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

from model.group_masks import widened
from model.rules import SeenChangeRules

Mask = Bool[NDArray[Any], "d h w"]
Image = Float32[NDArray[Any], "d h w"]

CUBE = np.ones((3, 3, 3), bool)
AS_SHIPPED = SeenChangeRules()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Settled:
    """The masks of both time points, and how many parts were given to both."""

    baseline: Mask
    follow_up: Mask
    parts: int


def settle(baseline: Mask, follow_up: Mask, flair: tuple[Image, Image], rules: SeenChangeRules = AS_SHIPPED) -> Settled:
    """Leaves the masks different only where the images are. Swapping the time points swaps the masks.

    Args:
        baseline: lesions at one time.
        follow_up: at the other, on the same grid.
        flair: of the baseline and of the follow-up, z-scored in the brain, zero outside.
        rules: when a part has changed.
    """
    either = baseline | follow_up
    brain = (flair[0] != 0) & (flair[1] != 0)
    images = _alike(flair, core=baseline & follow_up, brain=brain, rules=rules)
    labels = np.asarray(cc3d.connected_components(np.ascontiguousarray(either), connectivity=26))
    masks = baseline.copy(), follow_up.copy()
    parts = 0
    for label, found in enumerate(ndimage.find_objects(labels), start=1):
        box = widened(found, rules.ring_to_voxels, either.shape)
        whole = labels[box] == label
        marks = baseline[box] & whole, follow_up[box] & whole
        if np.array_equal(*marks):
            continue
        ring = _ring(whole, rules) & brain[box] & ~either[box]
        if ring.sum() < rules.smallest_ring_voxels:
            continue
        views = images[0][box], images[1][box]
        for at, other in ((0, 1), (1, 0)):
            for part in _parts(marks[at] & ~marks[other]):
                seen = part & brain[box]
                if seen.any() and not _changed(seen, ring, (views[at], views[other]), rules):
                    masks[0][box][part] = masks[1][box][part] = True
                    parts += 1
    return Settled(baseline=masks[0], follow_up=masks[1], parts=parts)


def _changed(part: Mask, ring: Mask, views: tuple[Image, Image], rules: SeenChangeRules) -> bool:
    """Whether it stands out in the first view, with the lesion, and no longer in the second, without."""
    there, left = (float(view[part].mean() - np.median(view[ring])) for view in views)
    return there - max(left, 0.0) >= rules.least_contrast_sd and left < rules.stays_part * there


def _alike(images: tuple[Image, Image], *, core: Mask, brain: Mask, rules: SeenChangeRules) -> tuple[Image, Image]:
    """Both images with the same contrast between what is lesion in both and the brain."""
    first, second = images
    if core.sum() < rules.smallest_core_voxels:
        return images
    contrast = [float(image[core].mean() - np.median(image[brain])) for image in images]
    if min(contrast) <= 0:
        return images
    scale = np.float32(np.clip(contrast[1] / contrast[0], 1 / rules.largest_scale, rules.largest_scale) ** 0.5)
    return first * scale, second / scale


def _parts(mask: Mask) -> list[Mask]:
    labels = np.asarray(cc3d.connected_components(np.ascontiguousarray(mask), connectivity=26))
    return [labels == label for label in range(1, int(labels.max()) + 1)]


def _ring(lesion: Mask, rules: SeenChangeRules) -> Mask:
    reach = rules.ring_from_voxels, rules.ring_to_voxels
    near, far = (ndimage.binary_dilation(lesion, CUBE, iterations=n) for n in reach)
    return np.asarray(far & ~near)
