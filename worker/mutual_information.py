"""The optimiser of the alignments: Mattes mutual information, regular-step gradient descent, SimpleITK."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from model.volume import Affine, Volume, world_from_voxel
from worker.itk import image_of, matrix_of, transform_of

SEED = 20130410
"""Of the sampling: the same images give the same transform."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Descent:
    """One run of the optimiser: its pyramid and its steps.

    Plain gradient descent with a convergence window stops early on these images; regular steps do not.
    """

    shrink: tuple[int, ...]
    smoothing_mm: tuple[float, ...]
    sampling: tuple[float, ...]
    """Part of the voxels that the metric sees, per level."""
    rate: float = 1.0
    """First step, in voxels of the level."""
    smallest_step: float = 1e-3
    relaxation: float = 0.6
    iterations: int = 200
    smooth_gradients: bool = True
    """Gradients of both images, whole and smoothed: a start from afar finds its way by them. Near the end differences
    between voxels, where the metric samples, are as exact, and a third of the time is saved."""


FROM_AFAR = Descent(shrink=(2, 1), smoothing_mm=(4.0, 2.0), sampling=(1.0, 0.5))
COARSE = Descent(shrink=(1,), smoothing_mm=(2.0,), sampling=(0.5,), smooth_gradients=False)
WORKING = Descent(shrink=(1,), smoothing_mm=(0.0,), sampling=(0.2,), smooth_gradients=False)
NATIVE = Descent(
    shrink=(1,),
    smoothing_mm=(0.0,),
    sampling=(0.1,),
    rate=0.5,
    smallest_step=3e-4,
    relaxation=0.5,
    smooth_gradients=False,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Matcher:
    """A fixed image with its mask, and a moving image.

    Raises:
        RuntimeError: (by its methods) the images do not overlap inside the mask.

    Source: Mattes et al. 2003, doi:10.1109/TMI.2003.809072.
    """

    fixed: Any
    moving: Any
    mask: Any
    centre: tuple[float, float, float]
    """Of the mask, world mm: transforms are parametrised about it, where their parameters are least entangled."""

    @staticmethod
    def of(fixed: Volume, moving: Volume, mask: Volume) -> "Matcher":
        """`mask` lies on the grid of `fixed`."""
        inside = np.argwhere(mask.array)
        centre = world_from_voxel(fixed.affine, inside.mean(axis=0)[None])[0]
        return Matcher(
            fixed=image_of(fixed),
            moving=image_of(moving),
            mask=image_of(mask),
            centre=(float(centre[0]), float(centre[1]), float(centre[2])),
        )

    def best_of(self, starts: Sequence[Affine]) -> Affine:
        """The start with the most mutual information.

        Raises:
            RuntimeError: no start makes the images overlap.
        """
        costs = [self.cost_or_inf(start, sampling=0.05) for start in starts]
        if not np.isfinite(costs).any():
            raise RuntimeError("no start makes the images overlap")
        return starts[int(np.argmin(costs))]

    def cost_or_inf(self, moving_from_fixed: Affine, *, sampling: float = 1.0) -> float:
        """Negative mutual information at a transform; infinite where the images do not overlap."""
        method = self._method(Descent(shrink=(1,), smoothing_mm=(0.0,), sampling=(sampling,), smooth_gradients=False))
        method.SetInitialTransform(transform_of(moving_from_fixed))
        try:
            return float(method.MetricEvaluate(self.fixed, self.moving))
        except RuntimeError:
            return float("inf")

    def rigid(self, moving_from_fixed: Affine, descent: Descent) -> Affine:
        """World of the fixed image -> world of the moving image: rotation and translation."""
        transform = sitk.Euler3DTransform()
        transform.SetCenter(self.centre)
        u, _, vt = np.linalg.svd(moving_from_fixed[:3, :3])
        transform.SetMatrix((u @ vt).ravel().tolist())
        transform.SetTranslation(self._shift_of_centre(moving_from_fixed))
        return self._descend(transform, descent)

    def affine(self, moving_from_fixed: Affine, descent: Descent) -> Affine:
        """World of the fixed image -> world of the moving image: 12 degrees of freedom."""
        transform = sitk.AffineTransform(3)
        transform.SetCenter(self.centre)
        transform.SetMatrix(moving_from_fixed[:3, :3].ravel().tolist())
        transform.SetTranslation(self._shift_of_centre(moving_from_fixed))
        return self._descend(transform, descent)

    def _descend(self, transform: Any, descent: Descent) -> Affine:
        method = self._method(descent)
        method.SetOptimizerAsRegularStepGradientDescent(
            learningRate=descent.rate,
            minStep=descent.smallest_step,
            numberOfIterations=descent.iterations,
            relaxationFactor=descent.relaxation,
        )
        method.SetOptimizerScalesFromPhysicalShift()
        method.SetInitialTransform(transform, inPlace=True)
        method.Execute(self.fixed, self.moving)
        return matrix_of(transform)

    def _method(self, descent: Descent) -> Any:
        method = sitk.ImageRegistrationMethod()
        method.SetMetricAsMattesMutualInformation(numberOfHistogramBins=50)
        method.SetMetricFixedMask(self.mask)
        method.SetMetricUseFixedImageGradientFilter(descent.smooth_gradients)
        method.SetMetricUseMovingImageGradientFilter(descent.smooth_gradients)
        method.SetMetricSamplingStrategy(method.RANDOM)
        method.SetMetricSamplingPercentagePerLevel(list(descent.sampling), SEED)
        method.SetInterpolator(sitk.sitkLinear)
        method.SetShrinkFactorsPerLevel(list(descent.shrink))
        method.SetSmoothingSigmasPerLevel(list(descent.smoothing_mm))
        method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
        return method

    def _shift_of_centre(self, moving_from_fixed: Affine) -> list[float]:
        centre = np.array(self.centre)
        moved = moving_from_fixed[:3, :3] @ centre + moving_from_fixed[:3, 3]
        return [float(x) for x in moved - centre]
