"""Alignment of T1 to FLAIR within a study and of follow-up to baseline between studies: transforms only."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import linalg, ndimage

from model.grid import Grid, corners, grid_around
from model.resampling import resample
from model.volume import Affine, Volume, world_from_voxel
from service.contracts.errors import RegistrationFailed
from worker.case import Alignment, PairAlignment
from worker.itk import image_of, matrix_of, transform_of
from worker.registration_flirt import flirt_fixed_from_moving


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationSettings:
    """The recipe and its limits, measured in `benchmarks/registration.py`."""

    backend: Literal["simpleitk", "flirt"] = "simpleitk"
    working_spacing_mm: float = 1.5
    shrink_factors: tuple[int, ...] = (4, 2, 1)
    smoothing_mm: tuple[float, ...] = (4.0, 2.0, 0.0)
    sampling: tuple[float, ...] = (1.0, 0.5, 0.3)
    iterations: int = 200
    seed: int = 20130410
    largest_scale: float = 1.15
    """An affine that stretches a head more than this between two scans is no alignment."""


def align_t1_to_flair(t1: Volume, flair: Volume, brain: Volume, *, settings: RegistrationSettings) -> Alignment:
    """Where T1 points lie in the FLAIR of the same study.

    Raises:
        RegistrationFailed: the result is implausible.
    """
    flair_from_t1 = np.linalg.inv(_moving_from_fixed(flair, t1, brain, settings))
    _check_plausible(flair_from_t1, settings, "T1 to FLAIR")
    grid = Grid.of(flair)
    moved = resample(t1, grid, volume_from_grid=np.linalg.inv(flair_from_t1))
    return Alignment(flair_from_t1=flair_from_t1, correlation=_shared_information(moved, flair.array, brain.array))


def align_pair(
    baseline: Volume,
    baseline_brain: Volume,
    follow_up: Volume,
    follow_up_brain: Volume,
    *,
    settings: RegistrationSettings,
) -> PairAlignment:
    """Follow-up FLAIR to baseline FLAIR, the symmetric mean of both directions.

    Swapping the studies gives exactly the inverse transform.

    Raises:
        RegistrationFailed: the result is implausible, or the two directions contradict each other.
    """
    follow_up_from_baseline = _moving_from_fixed(baseline, follow_up, baseline_brain, settings)
    baseline_from_follow_up = _moving_from_fixed(follow_up, baseline, follow_up_brain, settings)
    mean = _mean_of(baseline_from_follow_up, np.linalg.inv(follow_up_from_baseline))
    _check_plausible(mean, settings, "follow-up to baseline")
    points = brain_points(baseline_brain)
    there_and_back = world_from_voxel(baseline_from_follow_up @ follow_up_from_baseline, points)
    correlation, overlap = _agreement(baseline, baseline_brain, follow_up, follow_up_brain, mean)
    return PairAlignment(
        baseline_from_follow_up=mean,
        inverse_consistency_mm=float(np.linalg.norm(there_and_back - points, axis=1).mean()),
        correlation=correlation,
        overlap=overlap,
        backend=settings.backend,
    )


def brain_points(brain: Volume, *, at_most: int = 5000) -> NDArray[np.float64]:
    """World points (mm, LPS) spread evenly over a mask."""
    voxels = np.argwhere(brain.array)
    step = max(1, len(voxels) // at_most)
    return world_from_voxel(brain.affine, voxels[::step].astype(np.float64))


def working_image(volume: Volume, spacing_mm: float) -> Volume:
    """The volume at the working resolution on its patient axes; thick slices keep their blur."""
    grid = grid_around(corners(Grid.of(volume)), spacing_mm=spacing_mm)
    return Volume(array=resample(volume, grid, volume_from_grid=np.eye(4)), affine=grid.affine)


def _moving_from_fixed(fixed: Volume, moving: Volume, fixed_mask: Volume, settings: RegistrationSettings) -> Affine:
    """World of `fixed` -> world of `moving`."""
    if settings.backend == "flirt":
        return np.linalg.inv(flirt_fixed_from_moving(fixed, moving, fixed_mask))
    small_fixed = working_image(fixed, settings.working_spacing_mm)
    small_moving = working_image(moving, settings.working_spacing_mm)
    mask_array = (
        resample(
            fixed_mask.like(fixed_mask.array.astype(np.uint8)),
            Grid.of(small_fixed),
            volume_from_grid=np.eye(4),
            interpolation="nearest",
        )
        > 0
    )
    mask = small_fixed.like(ndimage.binary_dilation(mask_array, iterations=2))
    return register_affine(small_fixed, small_moving, mask, settings=settings)


def register_affine(
    fixed: Volume, moving: Volume, fixed_mask: Volume, *, settings: RegistrationSettings, initial: Affine | None = None
) -> Affine:
    """World of `fixed` -> world of `moving`: rigid, then affine; Mattes mutual information inside the mask.

    Raises:
        RegistrationFailed: the optimiser found no overlap.

    Source: Mattes et al. 2003, doi:10.1109/TMI.2003.809072.
    """
    fixed_image, moving_image = (
        sitk.Cast(image_of(fixed), sitk.sitkFloat32),
        sitk.Cast(image_of(moving), sitk.sitkFloat32),
    )
    start = sitk.Euler3DTransform()
    if initial is None:
        start = sitk.Euler3DTransform(
            sitk.CenteredTransformInitializer(
                fixed_image, moving_image, start, sitk.CenteredTransformInitializerFilter.MOMENTS
            )
        )
    try:
        if initial is None:
            rigid = _optimise(fixed_image, moving_image, image_of(fixed_mask), start, settings)
            affine = _as_affine(rigid)
        else:
            affine = _centred(transform_of(initial), fixed)
        affine = _optimise(fixed_image, moving_image, image_of(fixed_mask), affine, settings)
    except RuntimeError as error:
        raise RegistrationFailed("the images do not overlap enough to be aligned") from error
    return matrix_of(affine)


def _optimise(fixed: Any, moving: Any, mask: Any, start: Any, settings: RegistrationSettings) -> Any:
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(numberOfHistogramBins=50)
    method.SetMetricFixedMask(mask)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentagePerLevel(list(settings.sampling), settings.seed)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=1.0, minStep=5e-4, numberOfIterations=settings.iterations, relaxationFactor=0.6
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel(list(settings.shrink_factors))
    method.SetSmoothingSigmasPerLevel(list(settings.smoothing_mm))
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInitialTransform(start, inPlace=True)
    method.Execute(fixed, moving)
    return start


def _as_affine(rigid: Any) -> Any:
    affine = sitk.AffineTransform(3)
    affine.SetMatrix(rigid.GetMatrix())
    affine.SetCenter(rigid.GetCenter())
    affine.SetTranslation(rigid.GetTranslation())
    return affine


def _centred(transform: Any, fixed: Volume) -> Any:
    """The same transform about the centre of the image, where its parameters are least entangled."""
    centre = world_from_voxel(fixed.affine, (np.array(fixed.array.shape, np.float64)[None] - 1) / 2)[0]
    moved = np.array(transform.TransformPoint(centre.tolist()))
    centred = sitk.AffineTransform(3)
    centred.SetMatrix(transform.GetMatrix())
    centred.SetCenter(centre.tolist())
    centred.SetTranslation((moved - centre).tolist())
    return centred


def _mean_of(a: Affine, b: Affine) -> Affine:
    """Half-way between two nearly equal transforms, in the logarithm of the matrices."""
    return np.asarray(np.real(linalg.expm((linalg.logm(a) + linalg.logm(b)) / 2)))


def _check_plausible(transform: Affine, settings: RegistrationSettings, what: str) -> None:
    if not np.isfinite(transform).all():
        raise RegistrationFailed(f"{what}: the optimiser left the numbers")
    stretches = np.linalg.svd(transform[:3, :3], compute_uv=False)
    if stretches.max() > settings.largest_scale or stretches.min() < 1 / settings.largest_scale:
        raise RegistrationFailed(
            f"{what}: scales {stretches.min():.2f} to {stretches.max():.2f}, expected within "
            f"{1 / settings.largest_scale:.2f} to {settings.largest_scale:.2f}"
        )


def _agreement(
    baseline: Volume, baseline_brain: Volume, follow_up: Volume, follow_up_brain: Volume, transform: Affine
) -> tuple[float, float]:
    """Correlation in the common brain and Dice overlap of the brains, at 2 mm."""
    grid = grid_around(corners(Grid.of(baseline)), spacing_mm=2.0)
    back = np.linalg.inv(transform)
    here = resample(baseline, grid, volume_from_grid=np.eye(4))
    there = resample(follow_up, grid, volume_from_grid=back)
    brain_here = _mask_on(baseline_brain, grid, np.eye(4))
    brain_there = _mask_on(follow_up_brain, grid, back)
    common = brain_here & brain_there
    if common.sum() < 100:
        return 0.0, 0.0
    dice = 2.0 * float(common.sum()) / float(brain_here.sum() + brain_there.sum())
    return float(np.corrcoef(here[common], there[common])[0, 1]), dice


def _mask_on(mask: Volume, grid: Grid, volume_from_grid: Affine) -> NDArray[np.bool_]:
    soft = resample(mask.like(mask.array.astype(np.float32)), grid, volume_from_grid=volume_from_grid)
    return np.asarray(soft > 0.5)


def _shared_information(a: NDArray[Any], b: NDArray[Any], mask: NDArray[np.bool_]) -> float:
    """Normalised mutual information of two images in the mask, 0 (none) to 1 (one follows from the other)."""
    x, y = a[mask], b[mask]
    counts, _, _ = np.histogram2d(x, y, bins=48)
    joint = counts / max(counts.sum(), 1)
    marginals = joint.sum(axis=1), joint.sum(axis=0)
    h_x, h_y = (_entropy(p) for p in marginals)
    return float(2.0 * (1.0 - _entropy(joint) / max(h_x + h_y, 1e-12)))


def _entropy(p: NDArray[np.float64]) -> float:
    positive = p[p > 0]
    return float(-(positive * np.log(positive)).sum())
