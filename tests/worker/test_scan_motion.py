"""Motion within a scan is measured in mm: poses of known distance, put together in k-space or from slices."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from tests.fixtures.made_people import SPACING_MM, scan, shifted_by, time_point
from worker.case import TimePoint
from worker.quality_limits import MOTION, SLICE_STEPS
from worker.scan_motion import ScanMotion, motion_of

SHIFT_MM = 4.0
AXES = ("up", "forward", "right")


@pytest.fixture(scope="module")
def baseline():
    return scan(1, seed=1)


@pytest.fixture(scope="module")
def follow_up():
    return scan(1, seed=2, shift_mm=SHIFT_MM)


def with_image(of: TimePoint, image: np.ndarray) -> TimePoint:
    assert of.brain.regions is not None
    return time_point(of.study.flair.volume.like(image.astype(np.float32)), of.brain.regions.array)


def without_brain(of: TimePoint) -> TimePoint:
    mask = of.brain.mask
    return replace(of, brain=replace(of.brain, mask=mask.like(np.zeros(mask.array.shape, bool))))


def assert_untold(motion: ScanMotion) -> None:
    assert np.isnan([motion.lines_mm, motion.slices_mm]).all()


def displaced(image: np.ndarray, mm: float, axis: int) -> np.ndarray:
    return ndimage.shift(image, [mm / SPACING_MM if n == axis else 0.0 for n in range(3)], order=3, mode="nearest")


def read_in_bands(of: TimePoint, mm: float, *, lines: int, along: int) -> TimePoint:
    """Every second band of lines of k-space, but for the middle, is of the head `mm` away."""
    image = of.study.flair.volume.array
    length = image.shape[lines]
    moved = (np.abs(np.fft.fftfreq(length) * length) // 6) % 2 == 1
    both = (np.fft.fft(pose, axis=lines) for pose in (displaced(image, mm, along), image))
    spectrum = np.where(np.expand_dims(moved, [n for n in range(3) if n != lines]), *both)
    return with_image(of, np.abs(np.fft.ifft(spectrum, axis=lines)))


def read_in_packages(of: TimePoint, mm: float, *, along: int) -> TimePoint:
    """Every second axial slice is of the head `mm` away, in slices that are thicker than their pixels."""
    image = of.study.flair.volume.array.copy()
    image[1::2] = displaced(image, mm, along)[1::2]
    return with_image(of, image)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_head_that_lay_still_moved_less_than_the_limit(number: int) -> None:
    here, there = scan(number, seed=1), scan(number, seed=2, shift_mm=SHIFT_MM)
    found = motion_of(here, there, shifted_by(SHIFT_MM))
    assert found.lines_mm < MOTION.amber
    assert found.slices_mm < SLICE_STEPS.amber


@pytest.mark.parametrize("along", range(3), ids=AXES)
@pytest.mark.parametrize("lines", range(3), ids=[f"lines_{axis}" for axis in AXES])
def test_lines_of_two_poses_lie_half_their_distance_from_the_mean(baseline, follow_up, lines: int, along: int) -> None:
    moved = read_in_bands(follow_up, 3.0, lines=lines, along=along)
    measured = motion_of(baseline, moved, shifted_by(SHIFT_MM)).lines_mm
    assert measured == pytest.approx(1.5, rel=0.25)
    assert measured > MOTION.red


def test_either_scan_may_be_the_one_that_moved(baseline, follow_up) -> None:
    moved = read_in_bands(baseline, 3.0, lines=1, along=1)
    assert motion_of(moved, follow_up, shifted_by(SHIFT_MM)).lines_mm == pytest.approx(1.5, rel=0.25)


@pytest.mark.parametrize("along", [1, 2], ids=AXES[1:])
def test_slices_of_two_packages_lie_as_far_apart_as_the_head_moved(baseline, follow_up, along: int) -> None:
    moved = read_in_packages(follow_up, 2.0, along=along)
    measured = motion_of(baseline, moved, shifted_by(SHIFT_MM)).slices_mm
    assert measured == pytest.approx(2.0, rel=0.25)
    assert measured > SLICE_STEPS.red


@pytest.mark.parametrize("wrong_mm", [-3.0, 1.0, 3.0])
def test_an_alignment_that_is_wrong_by_a_shift_is_no_motion(baseline, follow_up, wrong_mm: float) -> None:
    wrong = shifted_by(SHIFT_MM).baseline_from_follow_up.copy()
    wrong[1, 3] += wrong_mm
    pair = replace(shifted_by(SHIFT_MM), baseline_from_follow_up=wrong)
    found = motion_of(baseline, follow_up, pair)
    assert found.lines_mm < MOTION.red
    assert found.slices_mm < SLICE_STEPS.amber


def test_lesions_that_come_and_a_year_of_atrophy_are_no_motion(baseline, follow_up) -> None:
    image = follow_up.study.flair.volume.array.copy()
    white = follow_up.brain.regions.array == follow_up.brain.regions.array.max()
    field = ndimage.gaussian_filter(np.random.default_rng(5).standard_normal(image.shape), 1.5)
    image[white & (field > np.quantile(field[white], 0.97))] *= 1.6
    middle = (np.array(image.shape) - 1) / 2
    smaller = ndimage.affine_transform(image, np.eye(3) * 1.01, middle - 1.01 * middle, order=1)
    found = motion_of(baseline, with_image(follow_up, smaller), shifted_by(SHIFT_MM))
    assert found.lines_mm < MOTION.amber
    assert found.slices_mm < SLICE_STEPS.amber


def test_scans_that_do_not_meet_have_no_motion(baseline, follow_up) -> None:
    assert_untold(motion_of(baseline, follow_up, shifted_by(1000.0)))


def test_noise_has_no_motion(baseline, follow_up) -> None:
    noise = np.abs(np.random.default_rng(1).standard_normal(follow_up.study.flair.volume.array.shape))
    assert_untold(motion_of(baseline, with_image(follow_up, noise), shifted_by(SHIFT_MM)))


def test_without_a_brain_there_is_no_motion_to_measure(baseline, follow_up) -> None:
    assert motion_of(without_brain(baseline), follow_up, shifted_by(SHIFT_MM)) is None


def test_a_slab_is_too_little_to_measure_motion_by(baseline, follow_up) -> None:
    flair, regions = follow_up.study.flair.volume, follow_up.brain.regions.array
    middle = slice(flair.array.shape[0] // 2 - 15, flair.array.shape[0] // 2 + 15)  # 60 mm
    slab = np.zeros_like(regions)
    slab[middle] = regions[middle]
    assert motion_of(baseline, time_point(flair, slab), shifted_by(SHIFT_MM)) is None
