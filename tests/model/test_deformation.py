from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from model.anatomy import Tissue
from model.deformation import LARGEST_BEND, Frame, Placement, displaced, draw_placement, shrunken, still
from model.patch_anatomy import seen_anatomy
from model.training_pool import TrainingPool
from tests.fixtures.round_heads import round_heads

SHAPE = (64, 64, 64)
STRAIGHT = Placement(matrix=np.eye(3), offset=np.zeros(3), shape=SHAPE)


@pytest.fixture(scope="module")
def pool() -> TrainingPool:
    return round_heads()


def test_a_straight_placement_shows_the_anatomy_itself(pool: TrainingPool):
    made, real = pool.anatomies
    frame = STRAIGHT.frame()
    assert np.array_equal(frame.nearest(made.tissue), made.tissue)
    assert real.flair is not None
    assert np.allclose(frame.linear(real.flair), real.flair, atol=1e-3)


def test_beyond_its_edge_a_label_array_has_the_value_asked_for():
    at = np.stack(np.meshgrid(*(np.array([-1.0, 0.0, 1.0, 2.0], np.float32),) * 3, indexing="ij"))
    seen = Frame(at=at).nearest(np.full((2, 2, 2), 5, np.uint8), beyond=9)
    assert (seen[1:3, 1:3, 1:3] == 5).all()
    assert seen[0, 0, 0] == seen[3, 1, 1] == 9


def test_a_motion_moves_what_is_seen_by_as_much(pool: TrainingPool):
    tissue = pool.anatomies[0].tissue
    motion = still(SHAPE)
    motion = replace(motion, nodes=motion.nodes + np.array([2, 0, -3], np.float32)[:, None, None, None])
    seen = STRAIGHT.frame(motion).nearest(tissue)
    assert np.array_equal(seen[:-2, :, 3:], tissue[2:, :, :-3])


def test_the_bend_reaches_some_mm_and_folds_nowhere(pool: TrainingPool):
    reached = []
    for seed in range(12):
        placement = draw_placement(pool.anatomies[0], SHAPE, np.random.default_rng(seed))
        bent = placement.frame().at
        flat = replace(placement, bend=None).frame().at
        reached.append(float(np.abs(bent - flat).max()))
        steps = np.stack([np.stack(np.gradient(axis)) for axis in bent])
        volume = np.linalg.det(np.moveaxis(steps.reshape(3, 3, -1), -1, 0)) * np.sign(np.linalg.det(placement.matrix))
        assert volume.min() > 0.15
    assert max(reached) < LARGEST_BEND * 1.7
    assert np.median(reached) > 1


def test_most_heads_lie_as_patients_do_and_some_in_any_way(pool: TrainingPool):
    matrices = [draw_placement(pool.anatomies[0], SHAPE, np.random.default_rng(n)).matrix for n in range(300)]
    sizes = np.array([np.abs(np.linalg.det(one)) ** (1 / 3) for one in matrices])
    mirrored = np.array([np.linalg.det(one) < 0 for one in matrices])
    upright = np.array([one[0, 0] > 0 and one[1, 1] > 0 for one in matrices])
    tilts = np.array(
        [np.degrees(np.arccos(np.clip(abs(one[0, 0]) / np.linalg.norm(one[0]), 0, 1))) for one in matrices]
    )
    assert 0.4 < mirrored.mean() < 0.6
    assert 0.75 < upright.mean() < 0.95
    assert tilts[~upright].max() < 70
    assert np.mean(tilts > 25) < 0.15 < np.mean(tilts > 10)
    assert 0.75 < sizes.min() < 0.87
    assert 1.13 < sizes.max() < 1.3


def test_both_visits_see_the_same_bend(pool: TrainingPool):
    """A point of the patient is the same point of the anatomy at either visit."""
    placement = draw_placement(pool.anatomies[0], SHAPE, np.random.default_rng(3))
    motion = displaced(still(SHAPE), np.random.default_rng(1), shift_mm=1.0, turn_deg=1.0)
    patient, visit, dense = placement.frame().at, placement.frame(motion).at, motion.dense()
    middle = np.round(dense[:, 32, 32, 32]).astype(int)
    rest = dense[:, 32, 32, 32] - middle
    steps = np.stack([patient[:, *(middle + axis)] - patient[:, *middle] for axis in np.eye(3, dtype=int)], axis=1)
    assert np.allclose(visit[:, 32, 32, 32], patient[:, *middle] + steps @ rest, atol=0.15)


@pytest.mark.parametrize("which", [0, 1])
def test_atrophy_enlarges_the_ventricles_and_shrinks_the_brain(pool: TrainingPool, which: int):
    anatomy = pool.anatomies[which]
    # tilted: on an aligned grid the nearest voxel would not feel half a voxel
    turn = Rotation.from_euler("xyz", (8, 11, 5), degrees=True).as_matrix()
    tilted = Placement(matrix=turn, offset=31.5 - turn @ np.full(3, 31.5), shape=SHAPE)
    before = seen_anatomy(anatomy, tilted)
    motion = shrunken(still(SHAPE), tilted, anatomy, fluid_mm=1.0, surface_mm=0.5)
    after = seen_anatomy(anatomy, tilted, motion)

    def radius_mm(mask: np.ndarray) -> float:
        return float((mask.sum() * 0.75 / np.pi) ** (1 / 3))

    wider = radius_mm(after.tissue == Tissue.VENTRICLE) - radius_mm(before.tissue == Tissue.VENTRICLE)
    narrower = radius_mm(before.surface_mm < 0) - radius_mm(after.surface_mm < 0)
    assert 0.5 < wider < 1.3
    assert 0.25 < narrower < 0.7


def test_without_atrophy_nothing_moves(pool: TrainingPool):
    motion = shrunken(still(SHAPE), STRAIGHT, pool.anatomies[0], fluid_mm=0.0, surface_mm=0.0)
    assert np.array_equal(motion.nodes, still(SHAPE).nodes)
