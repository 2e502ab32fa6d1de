"""Lesion forms: what is promised about their volume must hold for the voxels."""

import numpy as np
import pytest

from model.grid import Grid
from model.phantom_lesions import Blob, LesionPlan, _blob, lesion_parts
from model.phantom_scan import averaged, rigid, sub_voxels


def grid_of(spacing, shape, *, centre=(3.0, -2.0, 5.0), tilt=(11.0, -7.0, 4.0)) -> Grid:
    affine = np.eye(4)
    affine[:3, :3] = rigid(tilt, (0.0, 0.0, 0.0))[:3, :3] * np.asarray(spacing)
    affine[:3, 3] = centre - affine[:3, :3] @ ((np.asarray(shape) - 1) / 2)
    return Grid(shape=shape, affine=affine)


def blob_at(centre, region="deep white", seed=0) -> Blob:
    return _blob(np.asarray(centre), region, np.random.default_rng(seed))


@pytest.mark.parametrize("region", ["deep white", "periventricular"])
@pytest.mark.parametrize(("seed", "volume"), [(0, 60.0), (1, 420.0), (2, 1500.0)])
def test_half_millimetre_voxels_hold_the_analytic_volume_within_one_percent(region, seed, volume):
    grid = grid_of((0.5, 0.5, 0.5), (64, 64, 64))
    _, parts = lesion_parts(blob_at((3.0, -2.0, 5.0), region, seed), volume, grid, np.eye(4), soft=False)
    assert parts.sum() * 0.125 == pytest.approx(volume, rel=0.01)
    # of the smallest lesion's 480 voxels two thirds lie on its surface: counting whole voxels costs more there
    assert (parts >= 0.5).sum() * 0.125 == pytest.approx(volume, rel=0.01 if volume > 100 else 0.03)


@pytest.mark.parametrize("seed", range(3))
def test_thick_oblique_voxels_hold_the_analytic_volume_in_their_parts(seed):
    grid = grid_of((0.9, 0.9, 3.0), (40, 40, 14))
    _, parts = lesion_parts(blob_at((3.0, -2.0, 5.0), seed=seed), 300.0, grid, np.eye(4), soft=False)
    assert parts.sum() * 0.9 * 0.9 * 3.0 == pytest.approx(300.0, rel=0.01)


def test_the_centroid_formula_agrees_with_counted_voxels():
    blob = blob_at((3.0, -2.0, 5.0), seed=4)
    grid = grid_of((0.5, 0.5, 0.5), (64, 64, 64))
    box, parts = lesion_parts(blob, 800.0, grid, np.eye(4), soft=False)
    where = np.argwhere(parts > 0)
    voxel = (where + [s.start for s in box]).T @ parts[tuple(where.T)] / parts.sum()
    world = grid.affine[:3, :3] @ voxel + grid.affine[:3, 3]
    assert np.linalg.norm(world - blob.centroid(800.0)) < 0.02


def test_the_soft_edge_is_one_half_on_the_surface():
    blob = blob_at((0.0, 0.0, 0.0), seed=5)
    grid = grid_of((0.25, 0.25, 0.25), (80, 80, 80), centre=(0.0, 0.0, 0.0))
    _, solid = lesion_parts(blob, 400.0, grid, np.eye(4), soft=False)
    _, soft = lesion_parts(blob, 400.0, grid, np.eye(4), soft=True)
    assert (soft >= 0.5).sum() == pytest.approx((solid >= 0.5).sum(), rel=0.01)
    assert 0.15 < ((soft > 0.1) & (soft < 0.9)).mean() / (soft >= 0.5).mean() < 1.5


def test_a_lesion_has_a_form_of_its_own_and_not_a_sphere():
    blob = blob_at((0.0, 0.0, 0.0), seed=6)
    sphere = 0.5 * 8.0 * np.array([[1.0, -1, 0, 0, 0, 0], [0, 0, 1, -1, 0, 0], [0, 0, 0, 0, 1, -1.0]])
    excess = blob.excess_mm(sphere, 4 / 3 * np.pi * 4.0**3)
    assert np.ptp(excess) > 0.3


def test_a_thick_slice_is_the_mean_of_its_sub_slices():
    thick = grid_of((1.0, 1.0, 3.0), (30, 30, 12))
    fine, factors = sub_voxels(thick, 1.05)
    assert factors == (1, 1, 3)
    blob = blob_at((3.0, -2.0, 5.0), seed=7)
    painted = []
    for grid in (thick, fine):
        image = np.zeros(grid.shape, np.float32)
        box, parts = lesion_parts(blob, 500.0, grid, np.eye(4), soft=True)
        image[box] = parts
        painted.append(image)
    assert np.abs(averaged(painted[1], factors) - painted[0]).max() < 0.02


def test_a_lesion_outside_the_grid_has_no_parts():
    assert lesion_parts(blob_at((300.0, 0.0, 0.0)), 500.0, grid_of((1, 1, 1), (9, 9, 9)), np.eye(4), soft=False) is None


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (0, 60, "new"),
        (60, 0, "resolved"),
        (100, 150, "enlarging"),
        (150, 100, "shrinking"),
        (100, 149, "stable"),
        (20, 33, "stable"),  # more than 1.5-fold, but less than 14 mm3
        (34, 20, "shrinking"),
    ],
)
def test_the_kind_of_a_plan_follows_the_measurement_rules(before, after, kind):
    plan = LesionPlan(
        near_mni=(0.0, 0.0, 0.0),
        region="deep white",
        baseline_volume_mm3=float(before),
        follow_up_volume_mm3=float(after),
        flair_over_white=1.5,
        t1_over_white=0.8,
    )
    assert plan.kind == kind
