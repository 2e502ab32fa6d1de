"""What becomes of each suspicion of a scan that no reader marked, and how such a scan comes into the pool."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.anatomy import Anatomy, Tissue, stripped_anatomy
from model.mark_scans import marked
from model.placement import MID_SAGITTAL
from model.training_pool import check_pool, load_pool, write_anatomy
from tests.fixtures.synthetic_pool import distance, write_pool

SURE, FAINT, CORTICAL, BRIGHT_T1, MIDDLE = (24, 14, 34), (24, 34, 34), (24, 24, 41), (14, 24, 32), (34, 24, 24)
"""Centres of balls: a lesion, a faint one, one in the cortex, one that T1 does not show, one of the midline."""
RADIUS = 3.0


def ball(centre: tuple[int, int, int]) -> np.ndarray:
    return distance(centre) < RADIUS


@pytest.fixture(scope="module")
def head() -> Anatomy:
    """White matter at 1, a bright ball at each place on FLAIR, dark on T1 but for one."""
    radius = distance((23.5, 23.5, 23.5))
    t1 = np.select([radius < 3, radius < 16, radius < 19.5, radius < 21], [30.0, 150.0, 100.0, 30.0], 0.0)
    flair = np.select([radius < 3, radius < 16, radius < 19.5, radius < 21], [20.0, 100.0, 115.0, 20.0], 0.0)
    for centre in (SURE, FAINT, CORTICAL, BRIGHT_T1, MIDDLE):
        flair[ball(centre)] = 160.0
        t1[ball(centre)] = 150.0 if centre == BRIGHT_T1 else 125.0
    made = stripped_anatomy("head", t1.astype(np.float32), flair.astype(np.float32), brain=radius < 21)
    tissue = np.where(ball(FAINT) | ball(SURE) | ball(MIDDLE), np.uint8(Tissue.WHITE), made.tissue)
    shift = np.array([0, 0, MID_SAGITTAL - MIDDLE[2]], np.float32)
    return replace(made, tissue=tissue, mni_scale=np.ones(3, np.float32), mni_shift=shift)


@pytest.fixture(scope="module")
def read(head: Anatomy) -> Anatomy:
    first = np.zeros(head.tissue.shape, np.float32)
    for centre, probability in ((SURE, 0.999), (FAINT, 0.7), (CORTICAL, 0.7), (BRIGHT_T1, 0.999), (MIDDLE, 0.999)):
        first[ball(centre)] = probability
    second = np.where(first > 0.9, first, first * np.float32(0.5))
    return marked(head, first, second, voxel=0.5, lesion=0.99)


def test_what_both_readings_are_sure_of_is_a_lesion(head: Anatomy, read: Anatomy) -> None:
    assert read.lesions is not None
    assert np.array_equal(read.lesions > 0, ball(SURE))
    assert np.array_equal(read.flair[ball(SURE)], head.flair[ball(SURE)])  # type: ignore[index]


@pytest.mark.parametrize("centre", [FAINT, BRIGHT_T1, MIDDLE])
def test_what_they_only_suspect_in_white_matter_is_healed(
    head: Anatomy, read: Anatomy, centre: tuple[int, int, int]
) -> None:
    assert head.flair is not None
    assert read.flair is not None
    assert head.flair[ball(centre)].mean() > 1.5
    assert abs(read.flair[ball(centre)].mean() - 1) < 0.1


def test_a_suspicion_in_the_cortex_stays_as_it_is(head: Anatomy, read: Anatomy) -> None:
    assert head.flair is not None
    assert read.flair is not None
    assert np.allclose(read.flair[ball(CORTICAL)], head.flair[ball(CORTICAL)])


def test_a_sure_lesion_that_the_second_reading_misses_is_no_lesion(head: Anatomy) -> None:
    once = np.where(ball(SURE), np.float32(0.999), np.float32(0))

    read = marked(head, once, np.zeros_like(once), voxel=0.4, lesion=0.99)

    assert read.lesions is not None
    assert not read.lesions.any()


def test_a_marked_scan_joins_the_pool(head: Anatomy, tmp_path: Path) -> None:
    data = write_pool(tmp_path / "data")
    scans = tmp_path / "scans"
    scans.mkdir()
    with pytest.raises(ValueError, match="marked_scans"):
        check_pool(data, [], scans)
    write_anatomy(head, scans / "head.npz")

    check_pool(data, [], scans)
    pool = load_pool(data, tmp_path / "cache", marked_scans=scans)

    joined = next(one for one in pool.anatomies if one.name == "head")
    assert np.array_equal(joined.flair, head.flair)  # type: ignore[arg-type]
    assert len(pool.anatomies) == 4
