"""What the images of a pair say beside its alignment: is that right, is it one person, is left on the same side.

FLAIR, FLAIR --2 mm--> rigid again, from elsewhere --> does it come back to the alignment? the same brain?
                       rigid again, mirrored       --> does the mirror image fit as well, or better?
"""

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from model.grid import Grid, corners, grid_around
from model.resampling import field_of_view, resample
from model.volume import Affine, Volume, world_from_voxel
from worker.case import IDENTITY_4X4, PairAlignment, PairEvidence, TimePoint
from worker.image_noise import noise_of
from worker.mutual_information import Descent, Matcher
from worker.registration import apart_mm, brain_points, mask_on
from worker.scan_motion import motion_of

ROUGH_MM = 2.0
"""Voxel of these registrations: a second or two for a pair, and brains of two people still differ at it."""
AROUND_MM = 20.0
"""Of the brain: room for the second start."""
ROUGH = Descent(shrink=(3,), smoothing_mm=(4.0,), sampling=(1.0,), smallest_step=1e-2, iterations=100)
FINER = Descent(shrink=(1,), smoothing_mm=(0.0,), sampling=(0.15,), rate=0.5, smallest_step=3e-3, iterations=60)
ELSEWHERE = Rotation.from_rotvec(np.deg2rad(10.0) * np.ones(3) / math.sqrt(3.0)).as_matrix(), np.array([6.0, -6.0, 6.0])
"""The second start: turned by 10 degrees about a diagonal of the head and moved by 10 mm."""

LEANS = (-24.0, -12.0, 0.0, 12.0, 24.0)
"""Degrees to either side, and of a turn, at which the mirrored head is tried: twice what heads lean."""
AGREED_MM = 0.8
"""Nearer than this, both starts have come to one place."""

COMPARED_MM = 2.0
"""Grid on which shapes and detail are compared: the anatomy network's own."""
DETAIL_MM = 6.0
"""What changes over more than this is coil and contrast, not the person."""


def evidence_of(before: TimePoint, after: TimePoint, pair: PairAlignment) -> PairEvidence:
    """The numbers of a pair for which an alignment was found; what could not be measured is not a number."""
    match = _Match.of(before, after)
    after_from_before = _nearest_rigid(np.linalg.inv(pair.baseline_from_follow_up), before.brain.mask)
    rotation_deg, shift_mm = _motion(after_from_before, match.matcher.centre)
    motion = motion_of(before, after, pair)
    found = PairEvidence(
        rotation_deg=rotation_deg,
        shift_mm=shift_mm,
        noise=(noise_of(before.study.flair.volume, before.brain), noise_of(after.study.flair.volume, after.brain)),
        lines_motion_mm=None if motion is None else motion.lines_mm,
        slices_motion_mm=None if motion is None else motion.slices_mm,
    )
    try:
        second = match.from_elsewhere(after_from_before, before.brain.mask)
        rigid = match.matcher.best_of([after_from_before, second])
        shape, detail = _same_brain(before, after, rigid)
        likeness = match.likeness(rigid)
    except RuntimeError:  # the images came apart: nothing here vouches for the pair
        return found
    apart = apart_mm(after_from_before, second, before.brain.mask)
    return replace(
        found,
        second_start_mm=apart,
        likeness_to_mirrored=likeness,
        shape_agreement=shape,
        detail_correlation=detail,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Match:
    """Both FLAIR images at `ROUGH_MM`, the baseline fixed."""

    fixed: Volume
    moving: Volume
    mask: Volume
    matcher: Matcher

    @staticmethod
    def of(before: TimePoint, after: TimePoint) -> "_Match":
        fixed, moving = (_head_of(t) for t in (before, after))
        inside = mask_on(before.brain.mask, Grid.of(fixed), IDENTITY_4X4)
        mask = fixed.like(ndimage.binary_dilation(inside))
        return _Match(fixed=fixed, moving=moving, mask=mask, matcher=Matcher.of(fixed, moving, mask))

    def from_elsewhere(self, moving_from_fixed: Affine, brain: Volume) -> Affine:
        """The rigid alignment found again from another start.

        Where that comes to lie elsewhere, it may have lost its way itself: then the better fit counts, of it and of
        what is found from the given alignment.
        """
        turn, step = ELSEWHERE
        centre = np.array(self.matcher.centre)
        away = np.eye(4)
        away[:3, :3], away[:3, 3] = turn, centre - turn @ centre + step
        found = _descended(self.matcher, moving_from_fixed @ away)
        if apart_mm(found, moving_from_fixed, brain) <= AGREED_MM:
            return found
        return self.matcher.best_of([found, self.matcher.rigid(moving_from_fixed, FINER)])

    def likeness(self, moving_from_fixed: Affine) -> float:
        """Mutual information of the pair by that of the baseline with the mirrored follow-up.

        A head is nearly its own mirror image, so both can be aligned; but only its own brain, the right way round, fits
        in detail. Well above 1: one person; near 1: two; well below 1: one of the scans is mirrored.
        """
        mirrored = self.moving.like(np.ascontiguousarray(self.moving.array[:, :, ::-1]))
        matcher = Matcher.of(self.fixed, mirrored, self.mask)
        middle = self.moving.affine @ [0.0, 0.0, (self.moving.array.shape[2] - 1) / 2, 1.0]
        start = _across(float(middle[0])) @ moving_from_fixed @ _across(matcher.centre[0])
        coarse = Matcher.of(_coarse(self.fixed), _coarse(mirrored), _coarse(self.mask))
        found = _descended(matcher, coarse.best_of([start @ lean for lean in _leans(matcher.centre)]))
        as_stated = -self.matcher.cost_or_inf(moving_from_fixed)
        as_mirrored = -matcher.cost_or_inf(found)
        return as_stated / as_mirrored if as_mirrored > 0 else math.nan


def _leans(centre: tuple[float, float, float]) -> list[Affine]:
    """Turns about the centre to both sides: a head that leans is mirrored into one that leans to the other side."""
    turns = []
    for angles in itertools.product(LEANS, LEANS):
        turn = np.eye(4)
        turn[:3, :3] = Rotation.from_euler("yz", angles, degrees=True).as_matrix()
        turn[:3, 3] = np.array(centre) - turn[:3, :3] @ centre
        turns.append(turn)
    return turns


def _coarse(volume: Volume) -> Volume:
    """Every third voxel of an image, smoothed before, or of a mask."""
    array = volume.array
    if array.dtype != bool:
        array = ndimage.gaussian_filter(array, 1.5)
    affine = volume.affine.copy()
    affine[:3, :3] *= 3
    return Volume(array=np.ascontiguousarray(array[::3, ::3, ::3]), affine=affine)


def _head_of(t: TimePoint) -> Volume:
    """The FLAIR around its brain."""
    points = brain_points(t.brain.mask)
    grid = grid_around(points, spacing_mm=ROUGH_MM, margin_mm=AROUND_MM)
    return Volume(array=resample(t.study.flair.volume, grid, volume_from_grid=IDENTITY_4X4), affine=grid.affine)


def _descended(matcher: Matcher, start: Affine) -> Affine:
    return matcher.rigid(matcher.rigid(start, ROUGH), FINER)


def _across(x_mm: float) -> Affine:
    """The reflection left to right in a plane at `x_mm`; the third axis of a working image runs along x."""
    mirror = np.diag([-1.0, 1.0, 1.0, 1.0])
    mirror[0, 3] = 2 * x_mm
    return mirror


def _nearest_rigid(transform: Affine, brain: Volume) -> Affine:
    """The rotation and shift that come nearest to a transform over a brain.

    Source: Kabsch 1976, doi:10.1107/S0567739476001873.
    """
    here = brain_points(brain)
    there = world_from_voxel(transform, here)
    centre_here, centre_there = here.mean(axis=0), there.mean(axis=0)
    u, _, vt = np.linalg.svd((there - centre_there).T @ (here - centre_here))
    turn = u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt
    rigid = np.eye(4)
    rigid[:3, :3], rigid[:3, 3] = turn, centre_there - turn @ centre_here
    return rigid


def _motion(moving_from_fixed: Affine, centre: tuple[float, float, float]) -> tuple[float, float]:
    """Rotation (degrees) and shift of the brain's centre (mm) between the two scans' patient axes."""
    turned = float(np.degrees(Rotation.from_matrix(moving_from_fixed[:3, :3]).magnitude()))
    moved = moving_from_fixed[:3, :3] @ centre + moving_from_fixed[:3, 3] - centre
    return turned, float(np.linalg.norm(moved))


def _same_brain(before: TimePoint, after: TimePoint, after_from_before: Affine) -> tuple[float | None, float]:
    """Agreement of the regions of both brains, and correlation of their detail, after rigid alignment."""
    grid = grid_around(corners(Grid.of(before.study.flair.volume)), spacing_mm=COMPARED_MM)
    here, there = (before, IDENTITY_4X4), (after, after_from_before)
    brains = [mask_on(t.brain.mask, grid, at) for t, at in (here, there)]
    seen = [field_of_view(t.study.flair.volume, grid, volume_from_grid=at) for t, at in (here, there)]
    common = brains[0] & brains[1] & seen[0] & seen[1]
    if common.sum() < 1000:
        return math.nan, math.nan
    first, second = (_detail(t.study.flair.volume, grid, at)[common] for t, at in (here, there))
    detail = float(np.corrcoef(first, second)[0, 1])
    regions = [_regions(t.brain.regions, grid, at) for t, at in (here, there)]
    if regions[0] is None or regions[1] is None:
        return None, detail
    return _kappa(regions[0], regions[1], common), detail


def _detail(flair: Volume, grid: Grid, flair_from_grid: Affine) -> Float32[NDArray[np.float32], "d h w"]:
    values = resample(flair, grid, volume_from_grid=flair_from_grid)
    return np.asarray(values - ndimage.gaussian_filter(values, DETAIL_MM / COMPARED_MM), np.float32)


def _regions(regions: Volume | None, grid: Grid, flair_from_grid: Affine) -> UInt8[NDArray[np.uint8], "d h w"] | None:
    if regions is None:
        return None
    return resample(regions, grid, volume_from_grid=flair_from_grid, interpolation="nearest").astype(np.uint8)


def _kappa(
    one: UInt8[NDArray[np.uint8], "d h w"],
    other: UInt8[NDArray[np.uint8], "d h w"],
    common: Bool[NDArray[np.bool_], "d h w"],
) -> float:
    """Cohen's kappa of two label maps where both name a region: 1 the same, 0 as by chance."""
    both = common & (one > 0) & (other > 0)
    count = int(max(one.max(), other.max())) + 1
    pairs = one[both].astype(np.int64) * count + other[both]
    table = np.bincount(pairs, minlength=count * count).reshape(count, count) / max(1, pairs.size)
    agreed, by_chance = float(np.trace(table)), float(table.sum(axis=0) @ table.sum(axis=1))
    return (agreed - by_chance) / (1.0 - by_chance) if by_chance < 1.0 else math.nan
