"""A simulated rescan changes the image, not the head."""

import numpy as np
import pytest

from model.calling import Thresholds
from model.rescan import rescan_score, rescanned

SHAPE = (32, 32, 32)


def scan() -> np.ndarray:
    """A smooth head with a bright cube, z-scored in the brain."""
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij"))
    brain = (grid**2).sum(axis=0) < 0.9
    flair = 1.0 + 0.3 * np.sin(3 * grid[0]) + 0.05 * np.random.default_rng(0).standard_normal(SHAPE)
    flair[12:17, 12:17, 12:17] += 3.0
    t1 = 1.0 + 0.3 * np.cos(2 * grid[1])
    return np.stack([np.where(brain, (c - c[brain].mean()) / c[brain].std(), 0) for c in (t1, flair)]).astype(
        np.float32
    )


def bright(image: np.ndarray, level: float) -> np.ndarray:
    """A reader who is sure of a lesion where FLAIR is over a level, whatever the other scan shows."""
    return (image[1] > level).astype(np.float32)


def test_a_rescan_is_z_scored_in_the_same_brain_and_looks_like_the_scan() -> None:
    first = scan()

    second = rescanned(first, seed=3)

    brain = first.any(axis=0)
    assert not second[:, ~brain].any()
    np.testing.assert_allclose(second[:, brain].mean(axis=1), 0, atol=1e-4)
    np.testing.assert_allclose(second[:, brain].std(axis=1), 1, atol=1e-4)
    assert np.corrcoef(first[1][brain], second[1][brain])[0, 1] > 0.6
    assert np.abs(first - second).mean() > 0.05


def test_seeds_are_scanners() -> None:
    np.testing.assert_array_equal(rescanned(scan(), seed=1), rescanned(scan(), seed=1))
    assert np.abs(rescanned(scan(), seed=1) - rescanned(scan(), seed=2)).mean() > 0.05


def test_a_reader_that_sees_the_same_lesion_twice_reports_no_change() -> None:
    scans = scan(), rescanned(scan(), seed=3)

    score = rescan_score("made", 3, scans, (bright(scans[0], 4.0), bright(scans[1], 4.0)), Thresholds(voxel=0.5))

    assert score.lesions == 1
    assert score.false == {"new": 0, "enlarging": 0, "shrinking": 0, "resolved": 0}


def test_a_lesion_seen_by_the_reader_under_one_scanner_alone_is_no_change() -> None:
    """The blur and the slices of the other scanner take its peak below the level, but it can still be seen."""
    scans = scan(), rescanned(scan(), seed=3)
    probability = bright(scans[0], 8.0), bright(scans[1], 8.0)
    assert not (probability[1] > 0.5).any()

    score = rescan_score("made", 3, scans, probability, Thresholds(voxel=0.5))

    assert score.lesions == 1
    assert score.false == {"new": 0, "enlarging": 0, "shrinking": 0, "resolved": 0}


def test_a_lesion_that_is_in_one_scan_alone_is_a_false_change() -> None:
    first = scan()
    second = rescanned(np.where(first > 3, np.float32(0.1), first), seed=3)

    score = rescan_score("made", 3, (first, second), (bright(first, 4.0), bright(second, 4.0)), Thresholds(voxel=0.5))

    assert score.lesions == 1
    assert score.false == {"new": 0, "enlarging": 0, "shrinking": 0, "resolved": 1}


def test_an_empty_channel_is_refused() -> None:
    with pytest.raises(ValueError, match="zero everywhere"):
        rescanned(np.zeros((2, *SHAPE), np.float32), seed=0)
