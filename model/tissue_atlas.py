"""Where grey matter, white matter and fluid are to be expected in a brain: the MNI152 templates laid over it.

Source: the ICBM 152 nonlinear probability maps (Fonov et al. 2011, doi:10.1016/j.neuroimage.2010.07.033) as nilearn
ships them; registration by Mattes mutual information (doi:10.1109/TMI.2003.809072).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from jaxtyping import Bool, Float32
from nilearn import datasets
from numpy.typing import NDArray
from scipy import ndimage

Field = Float32[NDArray[Any], "d h w"]
Mask = Bool[NDArray[Any], "d h w"]
TemplateField = Float32[NDArray[Any], "i j k"]
TemplateMask = Bool[NDArray[Any], "i j k"]

SEED = 20230219
"""Of the metric's samples: the same brain gets the same atlas."""
MARGIN_MM = 2.0
FEWEST_BRAIN_VOXELS = 100_000
"""A tenth of a litre; less cannot be laid under an atlas of the whole brain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One descent of the registration."""

    shrink: int
    sampling: float
    smallest_step: float
    iterations: int


COARSE = Level(shrink=4, sampling=0.5, smallest_step=2e-2, iterations=60)
FINE = Level(shrink=2, sampling=0.25, smallest_step=2e-3, iterations=100)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Images:
    """What is laid over each other, and where on the fixed image it counts."""

    fixed: sitk.Image
    moving: sitk.Image
    mask: sitk.Image

    def shrunk(self, level: Level) -> "Images":
        """The means of blocks."""
        block = [level.shrink] * 3
        fixed, moving, mask = (sitk.BinShrink(image, block) for image in (self.fixed, self.moving, self.mask))
        return Images(fixed=fixed, moving=moving, mask=mask)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TissueAtlas:
    """Prior probabilities on a brain's grid; they add up to 1 everywhere."""

    fluid: Field
    grey: Field
    white: Field
    brain: Mask
    """The template's brain with a margin of `MARGIN_MM`: what lies outside is skull or scalp that stripping left."""

    @property
    def stacked(self) -> Float32[NDArray[Any], "3 d h w"]:
        """Fluid, grey, white: in the order of their T1 intensity."""
        return np.stack([self.fluid, self.grey, self.white])


def atlas_on(t1: Field, brain: Mask, *, blur_mm: float = 1.5) -> TissueAtlas:
    """The atlas on the grid of a skull-stripped T1 image of 1 mm (axes superior, anterior, right).

    Args:
        t1: intensities, zero outside the brain.
        brain: where they count.
        blur_mm: Gaussian that makes up for what an affine transform cannot match.

    Raises:
        ValueError: too little brain, or nothing in which it resembles the template.
    """
    if brain.sum() < FEWEST_BRAIN_VOXELS:
        raise ValueError(f"brain: expected at least {FEWEST_BRAIN_VOXELS} voxels of 1 mm3, saw {int(brain.sum())}")
    template, grey, white, mask = _mni()
    low, high = np.percentile(t1[brain], [0.5, 98.0])  # fat that stripping left would fill most of the histogram
    scaled = np.clip((t1 - low) / max(high - low, 1e-6), 0.0, 1.0)
    fixed = sitk.GetImageFromArray(np.where(brain, scaled, 0.0).astype(np.float32))
    transform = _template_from_brain(fixed, brain, template, mask)
    parts = [
        ndimage.gaussian_filter(_carried(part, fixed, transform), blur_mm).astype(np.float32) for part in (grey, white)
    ]
    total = np.maximum(parts[0] + parts[1], 1.0)
    grey_prior, white_prior = (np.asarray(part / total, np.float32) for part in parts)
    inside = ndimage.gaussian_filter(_carried(mask.astype(np.float32), fixed, transform), MARGIN_MM) > 0.16
    return TissueAtlas(fluid=1.0 - grey_prior - white_prior, grey=grey_prior, white=white_prior, brain=inside)


@lru_cache(maxsize=1)
def _mni() -> tuple[TemplateField, TemplateField, TemplateField, TemplateMask]:
    """T1, grey, white and brain of the template in network axes, 1 mm."""
    images = [
        datasets.load_mni152_template(resolution=1),
        datasets.load_mni152_gm_template(resolution=1),
        datasets.load_mni152_wm_template(resolution=1),
        datasets.load_mni152_brain_mask(resolution=1),
    ]
    canonical: Any = nib.as_closest_canonical  # untyped
    arrays = [np.asarray(canonical(image).dataobj, np.float32).transpose(2, 1, 0) for image in images]
    template, grey, white, mask = (np.ascontiguousarray(array) for array in arrays)
    return template, grey, white, np.asarray(mask > 0.5)


def _template_from_brain(
    t1: sitk.Image, brain: Mask, template: TemplateField, template_brain: TemplateMask
) -> sitk.Transform:
    """Voxel of the brain -> voxel of the template: the best of several starts at a coarse resolution, then finer.

    Raises:
        ValueError: the images do not overlap.
    """
    moving = sitk.GetImageFromArray(np.where(template_brain, template, 0.0).astype(np.float32))
    mask = sitk.GetImageFromArray(ndimage.binary_dilation(brain, iterations=4).astype(np.float32))
    images = Images(fixed=t1, moving=moving, mask=mask)
    try:
        found = [_descend(images.shrunk(COARSE), start, COARSE) for start in _starts(brain, template_brain)]
        best = min(found, key=lambda one: one[0])[1]
        return _descend(images.shrunk(FINE), best, FINE)[1]
    except RuntimeError as error:
        raise ValueError("t1: the image and the brain template do not overlap") from error


def _descend(images: Images, start: sitk.AffineTransform, level: Level) -> tuple[float, sitk.AffineTransform]:
    """Negative mutual information and the transform where the descent ended."""
    transform = sitk.AffineTransform(start)
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)  # sums of several threads differ in the last bit from run to run
    method.SetMetricAsMattesMutualInformation(numberOfHistogramBins=40)
    method.SetMetricFixedMask(sitk.Cast(images.mask > 0.5, sitk.sitkUInt8))
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(level.sampling, SEED)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=1.0, minStep=level.smallest_step, numberOfIterations=level.iterations, relaxationFactor=0.6
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(transform, inPlace=True)
    method.Execute(images.fixed, images.moving)
    return float(method.GetMetricValue()), transform


def _starts(brain: Mask, template_brain: TemplateMask) -> Iterator[sitk.AffineTransform]:
    """The boxes laid over each other; some masks hold more than the brain or end above the cerebellum."""
    (low, high), (template_low, template_high) = (_ends(mask) for mask in (brain, template_brain))
    centre, template_centre = (low + high) / 2, (template_low + template_high) / 2
    for stretch in (1.0, 1.15):
        for up_mm in (-15.0, 0.0, 15.0):
            scale = np.clip(stretch * (template_high - template_low) / (high - low), 0.85, 1.3)
            shift = template_centre - centre + (up_mm, 0.0, 0.0)
            transform = sitk.AffineTransform(3)
            transform.SetCenter(centre[::-1].tolist())  # SimpleITK counts x, y, z: right, anterior, superior
            transform.SetMatrix(np.diag(scale[::-1]).ravel().tolist())
            transform.SetTranslation(shift[::-1].tolist())
            yield transform


def _ends(mask: Mask) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """First and last plane of a mask along each axis, but for its outermost thousandth."""
    voxels = np.argwhere(mask)
    return np.percentile(voxels, 0.1, axis=0), np.percentile(voxels, 99.9, axis=0)


def _carried(part: TemplateField, fixed: sitk.Image, transform: sitk.Transform) -> Field:
    image = sitk.GetImageFromArray(part)
    return np.asarray(
        sitk.GetArrayFromImage(sitk.Resample(image, fixed, transform, sitk.sitkLinear, 0.0, sitk.sitkFloat32))
    )
