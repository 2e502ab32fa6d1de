"""Where the brain is: a replaceable part. The first one carries the MNI152 template's mask onto the scan."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import nibabel as nib
import numpy as np
from nilearn.datasets import load_mni152_brain_mask, load_mni152_template
from numpy.typing import NDArray
from scipy import ndimage

from model.grid import Grid
from model.resampling import resample
from model.volume import Affine, Volume
from service.contracts.errors import BrainNotFound
from worker.case import BrainMask
from worker.registration import RegistrationSettings, register_affine, working_image

LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


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

    settings: RegistrationSettings = RegistrationSettings(working_spacing_mm=2.0, largest_scale=1.6)
    smallest_brain_ml: float = 700.0
    largest_brain_ml: float = 2100.0
    least_correlation: float = 0.2
    """Of the template with the scan's absolute intensities in the mask; real FLAIR scans: 0.4 and more."""

    def __call__(self, flair: Volume) -> BrainMask:
        """The mask on the FLAIR's own grid."""
        stripped = stripped_brain(flair)
        if stripped is not None:
            return BrainMask(mask=flair.like(stripped), skull_stripped=True, correlation=1.0)
        return self._from_template(flair)

    def _from_template(self, flair: Volume) -> BrainMask:
        template, template_mask = mni_template()
        small = working_image(flair, self.settings.working_spacing_mm)
        reach = template.like(ndimage.binary_dilation(template_mask.array, iterations=4))
        flair_from_template = register_affine(template, small, reach, settings=self.settings)
        soft = template_mask.like(template_mask.array.astype(np.float32))
        carried = resample(soft, Grid.of(flair), volume_from_grid=np.linalg.inv(flair_from_template)) > 0.5
        mask = tightened(flair, carried)
        self._check(flair, mask)
        seen = resample(small, Grid.of(template), volume_from_grid=flair_from_template)
        inside = template_mask.array & (seen > 0)
        return BrainMask(mask=flair.like(mask), skull_stripped=False, correlation=_likeness(seen, template, inside))

    def _check(self, flair: Volume, mask: NDArray[np.bool_]) -> None:
        volume_ml = float(mask.sum()) * flair.voxel_volume_mm3 / 1000.0
        if not self.smallest_brain_ml / 2 <= volume_ml <= self.largest_brain_ml:
            raise BrainNotFound(
                f"a brain of {volume_ml:.0f} ml was found, expected {self.smallest_brain_ml / 2:.0f} to "
                f"{self.largest_brain_ml:.0f} ml"
            )


def stripped_brain(flair: Volume) -> NDArray[np.bool_] | None:
    """The nonzero region of a scan whose skull was removed before; None for a whole head.

    Such a scan is exactly zero (or another constant) over at least a third of its voxels, and what is left has the
    volume of a brain: a whole head has twice that.
    """
    array = flair.array
    background = array.flat[0]
    inside = array != background
    if inside.mean() > 0.67:
        return None
    filled = ndimage.binary_fill_holes(_largest(ndimage.binary_opening(inside)))
    volume_ml = float(filled.sum()) * flair.voxel_volume_mm3 / 1000.0
    if not 600.0 <= volume_ml <= 2000.0:
        return None
    return np.asarray(filled & ndimage.binary_dilation(inside, iterations=2))


def tightened(flair: Volume, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask without its dark rim: air, skull and fluid at the surface of a loose template mask."""
    values = flair.array[mask]
    dark = flair.array < 0.35 * np.median(values)
    spacing = np.array(flair.spacing)
    depth = ndimage.distance_transform_edt(mask, sampling=spacing)
    opened = mask & ~(dark & (depth < 6.0))
    radius = np.maximum(1, np.round(1.5 / spacing)).astype(int)
    ball = np.ones(2 * radius + 1, bool)
    kept = _largest(ndimage.binary_opening(opened, ball))
    return np.asarray(ndimage.binary_fill_holes(ndimage.binary_closing(kept, ball)) & mask)


@lru_cache(maxsize=1)
def mni_template() -> tuple[Volume, Volume]:
    """MNI152 T1 template and its brain mask at 2 mm, as nilearn ships them."""
    image, mask = load_mni152_template(resolution=2), load_mni152_brain_mask(resolution=2)
    return _volume(image, np.float32), _volume(mask, np.bool_)


def _volume(image: Any, dtype: Any) -> Volume:
    image = nib.as_closest_canonical(image)
    affine: Affine = LPS_FROM_RAS @ image.affine
    return Volume(array=np.asarray(image.dataobj).astype(dtype), affine=affine)


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    labelled, count = ndimage.label(mask)
    if count == 0:
        return np.asarray(mask)
    sizes = np.bincount(labelled.ravel())
    sizes[0] = 0
    return np.asarray(labelled == int(sizes.argmax()))


def _likeness(seen: NDArray[Any], template: Volume, inside: NDArray[np.bool_]) -> float:
    """How well tissue intensities follow the template, whatever their order: R of a piecewise fit (ratio)."""
    if inside.sum() < 100:
        return 0.0
    bins = np.digitize(template.array[inside], np.quantile(template.array[inside], np.linspace(0, 1, 17)[1:-1]))
    values = seen[inside]
    means = np.bincount(bins, values) / np.maximum(np.bincount(bins), 1)
    return float(np.sqrt(max(0.0, np.var(means[bins]) / max(float(np.var(values)), 1e-12))))
