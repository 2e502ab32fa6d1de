"""Alignment of T1 to FLAIR within a study and of follow-up to baseline between studies: transforms only."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, ndimage

from model.grid import Grid, axes_of, corners, grid_around
from model.preprocess import bounding_box
from model.resampling import resample
from model.volume import Affine, Volume, world_from_voxel
from service.contracts.errors import RegistrationFailed
from service.contracts.options import AlignmentKind, CommonSpace, CompareOptions
from worker.case import IDENTITY_4X4, Alignment, PairAlignment
from worker.mutual_information import COARSE, FROM_AFAR, NATIVE, WORKING, Matcher
from worker.registration_flirt import flirt_fixed_from_moving


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationSettings:
    """The recipe and its limits, measured in `benchmarks/registration.py`."""

    backend: Literal["simpleitk", "flirt"] = "simpleitk"
    between_visits: AlignmentKind = "rigid"
    """affine: a difference in scale between the two scans is taken out of the volumes (decision 0002)."""
    common_space: CommonSpace = "half-way"
    """Where the visits meet (decision 0002)."""
    coarse_spacing_mm: float = 3.0
    """Of both images in the first passes: a pyramid smooths them whole, and of fine ones that took most of the time."""
    working_spacing_mm: float = 1.5
    native_spacing_mm: float = 0.75
    """Of the moving image in the last pass: its own voxels make the metric ripple where two grids nearly agree."""
    largest_refinement_mm: float = 2.5
    """A last pass that moves the brain further has lost its way: the result before it is kept."""
    largest_scale: float = 1.15
    """An affine that stretches a head more than this between two scans is no alignment."""
    least_correlation: float = 0.1
    """Of two FLAIR images in the brain; real pairs of two protocols: 0.6 and more."""


def registration_settings(options: CompareOptions) -> RegistrationSettings:
    """The recipe that the options of a comparison ask for."""
    return RegistrationSettings(
        backend=options.registration_backend, between_visits=options.alignment, common_space=options.common_space
    )


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
    onto = _shift_between(
        _centre_of(baseline_brain, baseline_brain.array), _centre_of(follow_up_brain, follow_up_brain.array)
    )
    with ThreadPoolExecutor(2) as directions:
        aligned = partial(_moving_from_fixed, settings=settings, rigid=settings.between_visits == "rigid")
        there = directions.submit(aligned, baseline, follow_up, baseline_brain, starts=[onto])
        back = directions.submit(aligned, follow_up, baseline, follow_up_brain, starts=[np.linalg.inv(onto)])
        follow_up_from_baseline, baseline_from_follow_up = there.result(), back.result()
    mean = _mean_of(baseline_from_follow_up, np.linalg.inv(follow_up_from_baseline))
    _check_plausible(mean, settings, "follow-up to baseline")
    correlation, overlap = agreement(baseline, baseline_brain, follow_up, follow_up_brain, mean)
    if correlation < settings.least_correlation:
        raise RegistrationFailed(
            f"follow-up to baseline: correlation {correlation:.2f}, expected at least {settings.least_correlation:.2f}"
        )
    return PairAlignment(
        baseline_from_follow_up=mean,
        inverse_consistency_mm=apart_mm(
            baseline_from_follow_up @ follow_up_from_baseline, IDENTITY_4X4, baseline_brain
        ),
        correlation=correlation,
        overlap=overlap,
        backend=settings.backend,
        kind=settings.between_visits,
        common_space=settings.common_space,
    )


def brain_points(brain: Volume, *, at_most: int = 5000) -> NDArray[np.float64]:
    """World points (mm, LPS) spread evenly over a mask."""
    voxels = np.argwhere(brain.array)
    step = max(1, len(voxels) // at_most)
    return world_from_voxel(brain.affine, voxels[::step].astype(np.float64))


def working_image(volume: Volume, spacing_mm: float) -> Volume:
    """The volume with isotropic voxels on the patient's axes; thick slices keep their blur."""
    grid = grid_around(corners(Grid.of(volume)), spacing_mm=spacing_mm)
    array = resample(volume, grid, volume_from_grid=IDENTITY_4X4)
    return Volume(array=array, affine=grid.affine)


def _moving_from_fixed(
    fixed: Volume,
    moving: Volume,
    fixed_brain: Volume,
    settings: RegistrationSettings,
    *,
    starts: Sequence[Affine] = (),
    rigid: bool = False,
) -> Affine:
    """World of `fixed` -> world of `moving`: rigid from afar, then at the working resolution and on the native voxels.

    The last two passes are affine, or rigid too; FLIRT has 12 degrees of freedom, or 6.
    """
    if settings.backend == "flirt":
        return np.linalg.inv(flirt_fixed_from_moving(fixed, moving, fixed_brain, rigid=rigid))
    descend = Matcher.rigid if rigid else Matcher.affine
    try:
        working = _isotropic(fixed, moving, fixed_brain, settings.working_spacing_mm)
        start = working.best_of([IDENTITY_4X4, moments_start(fixed, moving), *starts])
        coarse = _isotropic(fixed, moving, fixed_brain, settings.coarse_spacing_mm)
        found = descend(coarse, coarse.rigid(start, FROM_AFAR), COARSE)
        found = descend(working, found, WORKING)
        near, near_brain = _cut_to_brain(fixed, fixed_brain)
        fine = _fine_around(moving, near_brain, found, settings)
        refined = descend(Matcher.of(near, fine, near_brain), found, NATIVE)
    except RuntimeError as error:
        raise RegistrationFailed("the images do not overlap enough to be aligned") from error
    return refined if apart_mm(refined, found, fixed_brain) <= settings.largest_refinement_mm else found


def _isotropic(fixed: Volume, moving: Volume, fixed_brain: Volume, spacing_mm: float) -> Matcher:
    small_fixed, small_moving = (working_image(volume, spacing_mm) for volume in (fixed, moving))
    mask = small_fixed.like(ndimage.binary_dilation(mask_on(fixed_brain, Grid.of(small_fixed), IDENTITY_4X4)))
    if not mask.array.any():
        raise RegistrationFailed("the brain mask is empty")
    return Matcher.of(small_fixed, small_moving, mask)


def _cut_to_brain(fixed: Volume, brain: Volume) -> tuple[Volume, Volume]:
    """Image and mask in the box of the mask: the optimiser's time goes with the size of the images."""
    box = bounding_box(brain.array)
    affine = Grid.of(fixed).crop(box).affine
    return Volume(array=fixed.array[box], affine=affine), Volume(array=brain.array[box], affine=affine)


def _fine_around(moving: Volume, brain: Volume, moving_from_fixed: Affine, settings: RegistrationSettings) -> Volume:
    """The moving image around the brain at nearly its own resolution, along its own axes: splines are cheap there."""
    points = world_from_voxel(moving_from_fixed, corners(Grid.of(brain)))
    axes = axes_of(moving.affine)
    grid = grid_around(points, spacing_mm=settings.native_spacing_mm, margin_mm=10.0, axes=axes)
    array = resample(moving, grid, volume_from_grid=IDENTITY_4X4, interpolation="cubic")
    return Volume(array=array, affine=grid.affine)


def moments_start(fixed: Volume, moving: Volume) -> Affine:
    """The translation that lays the centre of intensity of one image on that of the other."""
    return _shift_between(_centre_of(fixed, fixed.array), _centre_of(moving, moving.array))


def _centre_of(volume: Volume, weights: NDArray[Any]) -> NDArray[np.float64]:
    positive = np.maximum(weights, 0).astype(np.float64)
    voxel = np.array(ndimage.center_of_mass(positive)) if positive.any() else (np.array(positive.shape) - 1) / 2
    return np.asarray(world_from_voxel(volume.affine, voxel[None])[0])


def _shift_between(here: NDArray[np.float64], there: NDArray[np.float64]) -> Affine:
    shift = np.eye(4)
    shift[:3, 3] = there - here
    return shift


def apart_mm(a: Affine, b: Affine, brain: Volume) -> float:
    """Mean distance over the brain between the places two transforms send its points to."""
    points = brain_points(brain)
    return float(np.linalg.norm(world_from_voxel(a, points) - world_from_voxel(b, points), axis=1).mean())


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


def agreement(
    baseline: Volume, baseline_brain: Volume, follow_up: Volume, follow_up_brain: Volume, transform: Affine
) -> tuple[float, float]:
    """Correlation in the common brain and Dice overlap of the brains, at 2 mm."""
    grid = grid_around(corners(Grid.of(baseline)), spacing_mm=2.0)
    back = np.linalg.inv(transform)
    here = resample(baseline, grid, volume_from_grid=IDENTITY_4X4)
    there = resample(follow_up, grid, volume_from_grid=back)
    brain_here = mask_on(baseline_brain, grid, np.eye(4))
    brain_there = mask_on(follow_up_brain, grid, back)
    common = brain_here & brain_there
    if common.sum() < 100:
        return 0.0, 0.0
    dice = 2.0 * float(common.sum()) / float(brain_here.sum() + brain_there.sum())
    return float(np.corrcoef(here[common], there[common])[0, 1]), dice


def mask_on(mask: Volume, grid: Grid, volume_from_grid: Affine) -> NDArray[np.bool_]:
    """A mask at the points of another grid."""
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
