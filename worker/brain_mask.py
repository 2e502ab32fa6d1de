"""Where the brain is: a replaceable part. The first one carries the MNI152 template's mask onto the scan."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray
from scipy import ndimage

from model.grid import Grid
from model.resampling import field_of_view, resample
from model.volume import Affine, Volume
from service.contracts.errors import BrainNotFound
from worker.brain_template import BrainTemplate, mni_template
from worker.case import BrainMask
from worker.template_search import flair_from_template


class BrainMasker(Protocol):
    """Finds the brain of a FLAIR scan."""

    def __call__(self, flair: Volume) -> BrainMask:
        """The mask on the FLAIR's own grid.

        Raises:
            BrainNotFound: nothing in the image looks like a brain.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateBrainMasker:
    """The template registered to the scan; a scan without skull is its own mask."""

    smallest_ml: float = 400.0
    """Of a brain that the scan may show in part only."""
    largest_ml: float = 2100.0
    least_correlation: float = 0.25
    """Of the scan's values with the template's, in the mask; `benchmarks/brain_mask.py` prints those of real scans."""

    def __call__(self, flair: Volume) -> BrainMask:
        """The mask on the FLAIR's own grid."""
        stripped = stripped_brain(flair)
        if stripped is not None:
            return BrainMask(mask=flair.like(stripped), skull_stripped=True, correlation=1.0)
        template = mni_template()
        try:
            placed = flair_from_template(flair, template)
        except RuntimeError as error:
            raise BrainNotFound("the brain template and the image do not overlap") from error
        mask = tightened(flair, _carried(template, flair, placed))
        correlation = _likeness(flair, template, placed)
        self._check(float(mask.sum()) * flair.voxel_volume_mm3 / 1000.0, correlation)
        return BrainMask(mask=flair.like(mask), skull_stripped=False, correlation=correlation)

    def _check(self, volume_ml: float, correlation: float) -> None:
        if not self.smallest_ml <= volume_ml <= self.largest_ml:
            raise BrainNotFound(
                f"a brain of {volume_ml:.0f} ml was found, expected {self.smallest_ml:.0f} to {self.largest_ml:.0f} ml"
            )
        if correlation < self.least_correlation:
            raise BrainNotFound(
                f"the brain follows the template with {correlation:.2f}, expected at least {self.least_correlation:.2f}"
            )


def stripped_brain(flair: Volume) -> Bool[NDArray[np.bool_], "i j k"] | None:
    """The nonzero region of a scan whose skull was removed before; None for a whole head.

    Such a scan is one constant (zero) over at least a third of its voxels, in one piece around the rest; what is left
    has the volume of a brain and does not reach into the outermost voxels as a neck does. Values slightly below the
    constant are part of the brain.
    """
    background = flair.array[0, 0, 0]
    inside = flair.array != background
    if inside.mean() > 0.67:
        return None
    filled = np.asarray(ndimage.binary_fill_holes(_largest(ndimage.binary_opening(inside))))
    volume_ml = float(filled.sum()) * flair.voxel_volume_mm3 / 1000.0
    noise = inside & ~ndimage.binary_dilation(filled, iterations=3)
    if not 500.0 <= volume_ml <= 1900.0 or noise.sum() > 0.01 * filled.sum():
        return None
    return filled


def tightened(flair: Volume, mask: Bool[NDArray[np.bool_], "i j k"]) -> Bool[NDArray[np.bool_], "i j k"]:
    """The mask without its dark rim: air, skull and fluid at the surface of a loose template mask."""
    if not mask.any():
        return mask
    dark = flair.array < 0.35 * np.median(flair.array[mask])
    spacing = np.array(flair.spacing)
    depth = ndimage.distance_transform_edt(mask, sampling=spacing)
    radius = np.maximum(1, np.round(1.5 / spacing)).astype(int)
    ball = np.ones(2 * radius + 1, bool)
    kept = _largest(ndimage.binary_opening(mask & ~(dark & (depth < 6.0)), ball))
    return np.asarray(ndimage.binary_fill_holes(ndimage.binary_closing(kept, ball)) & mask)


def _carried(template: BrainTemplate, flair: Volume, placed: Affine) -> Bool[NDArray[np.bool_], "i j k"]:
    part = resample(template.brain, Grid.of(flair), volume_from_grid=np.linalg.inv(placed))
    return np.asarray(part >= 0.5)


def _likeness(flair: Volume, template: BrainTemplate, placed: Affine) -> float:
    """Correlation ratio (its root) of the scan with the template: how far T1 tissue says what the FLAIR shows."""
    grid = Grid.of(template.t1)
    inside = template.brain.array & field_of_view(flair, grid, volume_from_grid=placed)
    if inside.sum() < 100:
        return 0.0
    values = resample(flair, grid, volume_from_grid=placed)[inside].astype(np.float64)
    classes = template.t1.array[inside]
    bins = np.digitize(classes, np.quantile(classes, np.linspace(0, 1, 17)[1:-1]))
    means = np.bincount(bins, values) / np.maximum(np.bincount(bins), 1)
    return float(np.sqrt(np.var(means[bins]) / max(float(np.var(values)), 1e-12)))


def _largest(mask: Bool[NDArray[np.bool_], "i j k"]) -> Bool[NDArray[np.bool_], "i j k"]:
    labelled, count = ndimage.label(mask)
    if count == 0:
        return np.asarray(mask)
    sizes = np.bincount(labelled.ravel())
    sizes[0] = 0
    return np.asarray(labelled == int(sizes.argmax()))
