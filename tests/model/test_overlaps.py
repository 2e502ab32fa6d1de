"""Which lesions hang together."""

from functools import partial

import numpy as np
import pytest

from model.grid import Grid
from model.lesions import find_lesions
from model.overlaps import edges, within
from tests.fixtures.boxes import boxes_in

SHAPE = (24, 24, 24)
boxes = partial(boxes_in, SHAPE)


def grid_of(*spacing, shape=SHAPE):
    return Grid(shape=shape, affine=np.diag([*spacing, 1.0]))


def joined(first, second, grid):
    volume = grid.voxel_volume_mm3
    return edges(find_lesions(first, volume), find_lesions(second, volume), grid)


def test_the_slack_is_a_millimetre_and_not_a_voxel():
    mask = boxes(((12, 12, 12), (1, 1, 1)))
    near = within(mask, grid_of(0.5, 1.0, 3.0), 1.0)
    assert np.ptp(np.argwhere(near), axis=0).tolist() == [4, 2, 0]


@pytest.mark.parametrize(("gap", "edge"), [(0, True), (1, False)])
def test_lesions_are_joined_when_they_are_neighbours_and_not_two_millimetres_apart(gap, edge):
    first = boxes(((2, 2, 2), (3, 3, 3)))
    second = boxes(((5 + gap, 2, 2), (3, 3, 3)))
    assert bool(joined(first, second, grid_of(1.0, 1.0, 1.0))) is edge


@pytest.mark.parametrize(("length", "edge"), [(10, True), (11, False)])
def test_a_tenth_of_the_smaller_lesion_is_enough_and_less_is_not(length, edge):
    """Rods in one line, end to end: the dilated one reaches one voxel of the other, 1 of 10 or of 11."""
    first = boxes(((0, 5, 5), (length, 1, 1)))
    second = boxes(((length, 5, 5), (12, 1, 1)))
    assert bool(joined(first, second, grid_of(1.0, 1.0, 1.0))) is edge


@pytest.mark.parametrize("seed", range(5))
def test_swapping_the_time_points_turns_every_pair_round(seed):
    rng = np.random.default_rng(seed)
    first, second = (boxes(*((rng.integers(0, 19, 3), rng.integers(1, 6, 3)) for _ in range(12))) for _ in range(2))
    grid = grid_of(0.7, 0.7, 3.0)
    forward = joined(first, second, grid)
    assert forward
    assert forward == {(b, f) for f, b in joined(second, first, grid)}
