"""The phantom pair: it looks like two scans of one head, and its truth is true."""

from dataclasses import fields, replace

import numpy as np
import pytest
from scipy import ndimage

from model.grid import Grid
from model.phantom import DEFAULT_LESIONS, SITE_A, SITE_B, PhantomOptions, VisitOptions, make_phantom_pair
from model.phantom_head import mni_head
from model.phantom_scan import _sample, rigid, slab
from model.volume import world_from_voxel


def coarse(visit: VisitOptions, voxel_mm: float = 2.0) -> VisitOptions:
    """The same visit in larger voxels: fast."""
    voxel = {"voxel_mm": (voxel_mm,) * 3, "sub_voxel_mm": voxel_mm}
    return replace(visit, t1=replace(visit.t1, **voxel), flair=replace(visit.flair, **voxel))


COARSE = PhantomOptions(baseline=coarse(SITE_A), follow_up=coarse(SITE_B))


@pytest.fixture(scope="module")
def head():
    return mni_head(PhantomOptions().seed)


@pytest.fixture(scope="module")
def small_head(head):
    """The same head in 2 mm voxels."""
    arrays = {f.name: getattr(head, f.name)[::2, ::2, ::2] for f in fields(head) if f.name != "affine"}
    return replace(head, affine=head.affine @ np.diag([2.0, 2.0, 2.0, 1.0]), **arrays)


@pytest.fixture(scope="module")
def pair(head):
    return make_phantom_pair(head=head)


@pytest.fixture(scope="module")
def coarse_pair(small_head):
    return make_phantom_pair(COARSE, head=small_head)


@pytest.fixture(scope="module")
def smaller_pair(small_head):
    visits = {"baseline": coarse(SITE_A, 1.5), "follow_up": coarse(SITE_B, 1.5)}
    return make_phantom_pair(PhantomOptions(head_size=0.85, **visits), head=small_head)


@pytest.fixture(scope="module", params=["pair", "smaller_pair"])
def any_pair(request):
    return request.getfixturevalue(request.param)


def studies(pair):
    return (pair.baseline, "baseline"), (pair.follow_up, "follow_up")


def test_the_default_pair_holds_every_kind_of_change(pair):
    kinds = [lesion.status for lesion in pair.truth.lesions]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "new": 2,
        "enlarging": 2,
        "stable": 4,
        "shrinking": 2,
        "resolved": 2,
    }


def test_volumes_are_sixty_to_fifteen_hundred_and_ratios_clear_of_the_limit(pair):
    for lesion in pair.truth.lesions:
        before, after = lesion.baseline_volume_mm3, lesion.follow_up_volume_mm3
        assert all(60 <= volume <= 1500 for volume in (before, after) if volume)
        if before and after:
            ratio = max(before, after) / min(before, after)
            assert ratio == 1.0 if lesion.status == "stable" else ratio > 1.9


def test_voxel_volumes_on_the_flair_grids_match_the_truth_as_far_as_voxels_can(any_pair):
    for study, name in studies(any_pair):
        voxel = study.flair.voxel_volume_mm3
        for lesion in any_pair.truth.lesions:
            truth = getattr(lesion, f"{name}_volume_mm3")
            counted = (study.lesion_ids.array == lesion.id).sum() * voxel
            # a surface voxel is wrong by a quarter of itself on average, in either direction
            surface = 4.84 * truth ** (2 / 3) / voxel ** (2 / 3)
            assert counted == pytest.approx(truth, abs=voxel * (1 + 1.5 * np.sqrt(surface)) if truth else 0)


def test_centroids_of_the_masks_lie_where_the_truth_says(any_pair):
    for study, name in studies(any_pair):
        for lesion in any_pair.truth.lesions:
            voxels = np.argwhere(study.lesion_ids.array == lesion.id)
            if len(voxels):
                centroid = world_from_voxel(study.flair.affine, voxels.mean(axis=0)[None])[0]
                # a cap that fills less than half of the last slice is lost to the mask, on that side only
                tolerance = 0.2 * max(study.flair.spacing)
                assert np.linalg.norm(centroid - getattr(lesion, f"{name}_centroid_mm")) < tolerance


def test_the_transform_carries_follow_up_positions_to_baseline(any_pair):
    for lesion in any_pair.truth.lesions:
        carried = world_from_voxel(any_pair.truth.baseline_from_follow_up, np.array([lesion.follow_up_centroid_mm]))[0]
        # forms are not symmetric: growth about a fixed centre moves the centroid a little
        tolerance = 0.5 if lesion.status in ("enlarging", "shrinking") else 1e-6
        assert np.linalg.norm(carried - lesion.baseline_centroid_mm) < tolerance


def test_the_heads_lie_differently_by_degrees_and_millimetres(any_pair):
    transform = any_pair.truth.baseline_from_follow_up
    angle = np.rad2deg(np.arccos((np.trace(transform[:3, :3]) - 1) / 2))
    assert 5 < angle < 20
    assert np.linalg.det(transform[:3, :3]) == pytest.approx(1)


def test_the_brains_coincide_under_the_transform(any_pair):
    follow_up, baseline = any_pair.follow_up.brain, any_pair.baseline.brain
    voxels = np.argwhere(follow_up.array)[::97]
    carry = any_pair.truth.baseline_from_follow_up @ follow_up.affine
    world = world_from_voxel(carry, voxels.astype(np.float64))
    index = np.round(world_from_voxel(np.linalg.inv(baseline.affine), world)).astype(int)
    inside = ((index >= 0) & (index < baseline.array.shape)).all(axis=1)
    assert baseline.array[tuple(index[inside].T)].sum() / len(index) > 0.97


def test_lesions_stay_apart_in_the_masks(any_pair):
    for study, name in studies(any_pair):
        _, count = ndimage.label(study.lesions.array, np.ones((3, 3, 3)))
        assert count == sum(getattr(lesion, f"{name}_volume_mm3") > 0 for lesion in any_pair.truth.lesions)


def test_lesions_lie_in_the_brain_clear_of_its_surface(any_pair):
    for study, _ in studies(any_pair):
        assert study.brain.array[study.lesions.array].all()


def test_the_brain_has_the_volume_of_the_template(pair):
    for study, _ in studies(pair):
        volume_ml = study.brain.array.sum() * study.brain.voxel_volume_mm3 / 1000
        assert 1750 < volume_ml < 1900


def test_the_brain_of_a_smaller_head_is_smaller_and_its_lesions_are_not(smaller_pair, pair):
    volume_ml = smaller_pair.baseline.brain.array.sum() * smaller_pair.baseline.brain.voxel_volume_mm3 / 1000
    assert volume_ml == pytest.approx(0.85**3 * 1825, rel=0.04)
    volumes = [
        [(lesion.baseline_volume_mm3, lesion.follow_up_volume_mm3) for lesion in one.truth.lesions]
        for one in (smaller_pair, pair)
    ]
    assert volumes[0] == volumes[1]


@pytest.mark.parametrize("name", ["baseline", "follow_up"])
def test_flair_shows_bright_lesions_grey_above_white_and_dark_fluid(head, pair, name):
    study = getattr(pair, name)
    tissue = _tissue_on(head, study.flair, pair, name)
    lesion, white, grey, fluid = (np.median(study.flair.array[mask]) for mask in (study.lesions.array, *tissue))
    assert 1.3 < lesion / white < 1.7
    assert 1.05 < grey / white < 1.3
    assert fluid / white < 0.35


@pytest.mark.parametrize("name", ["baseline", "follow_up"])
def test_around_the_brain_come_dark_bone_and_bright_scalp(pair, name):
    flair, brain = getattr(pair, name).flair, getattr(pair, name).brain.array
    depth = ndimage.distance_transform_edt(~brain, sampling=flair.spacing)
    above = (np.argwhere(np.ones(brain.shape, bool)) @ flair.affine[2, :3] + flair.affine[2, 3]).reshape(brain.shape)
    crown = above > above[brain].mean() + 20  # the face lies below
    white = np.median(flair.array[brain])
    assert np.median(flair.array[(depth > 3) & (depth < 8) & crown]) < 0.5 * white
    assert np.median(flair.array[(depth > 10.5) & (depth < 12.5) & crown]) > 0.55 * white
    assert np.median(flair.array[(depth > 25) & crown]) < 0.15 * white


def test_the_same_options_give_the_same_voxels_and_another_seed_others(small_head, coarse_pair):
    again = make_phantom_pair(COARSE, head=small_head)
    assert (again.baseline.flair.array == coarse_pair.baseline.flair.array).all()
    assert (again.follow_up.t1.array == coarse_pair.follow_up.t1.array).all()
    other = make_phantom_pair(replace(COARSE, seed=8), head=small_head)
    assert (other.baseline.flair.array != coarse_pair.baseline.flair.array).mean() > 0.5
    assert other.truth.lesions != coarse_pair.truth.lesions


@pytest.mark.slow
def test_the_head_follows_from_its_seed_alone(head):
    again = mni_head(PhantomOptions().seed)
    assert (again.outside == head.outside).all()
    assert (again.texture == head.texture).all()


def test_swapping_hands_out_the_same_images_with_the_changes_turned_round(small_head, coarse_pair):
    swapped = make_phantom_pair(replace(COARSE, swap=True), head=small_head)
    assert (swapped.baseline.flair.array == coarse_pair.follow_up.flair.array).all()
    for turned, lesion in zip(swapped.truth.lesions, coarse_pair.truth.lesions, strict=True):
        assert turned.baseline_volume_mm3 == lesion.follow_up_volume_mm3
        assert turned.baseline_centroid_mm == lesion.follow_up_centroid_mm
        assert (turned.status == "new") == (lesion.status == "resolved")
        assert (turned.status == "shrinking") == (lesion.status == "enlarging")
    product = swapped.truth.baseline_from_follow_up @ coarse_pair.truth.baseline_from_follow_up
    np.testing.assert_allclose(product, np.eye(4), atol=1e-9)


def test_without_change_every_lesion_is_stable(small_head):
    pair = make_phantom_pair(replace(COARSE, no_change=True), head=small_head)
    assert {lesion.status for lesion in pair.truth.lesions} == {"stable"}
    assert len(pair.truth.lesions) == len(DEFAULT_LESIONS)


def test_a_stripped_pair_is_zero_outside_the_brain_and_the_same_within(small_head, coarse_pair):
    stripped = make_phantom_pair(replace(COARSE, skull_stripped=True), head=small_head).baseline
    brain = stripped.brain.array
    assert not stripped.flair.array[~brain].any()
    assert (stripped.flair.array[brain] == coarse_pair.baseline.flair.array[brain]).all()
    assert 0.05 < (stripped.t1.array > 0).mean() < 0.4


def test_a_lesion_without_room_is_refused(small_head):
    huge = replace(DEFAULT_LESIONS[0], follow_up_volume_mm3=60_000.0)
    with pytest.raises(ValueError, match="no room"):
        make_phantom_pair(replace(COARSE, lesions=(huge,)), head=small_head)


def _tissue_on(head, volume, pair, name):
    """Pure white matter, grey matter and fluid, as masks on the volume's grid, found through the known positions."""
    visit = SITE_A if name == "baseline" else SITE_B
    head_from_scan = np.linalg.inv(rigid(visit.rotation_deg, visit.shift_mm))
    grid = Grid.of(volume)
    assert slab(visit.flair, np.linalg.inv(head_from_scan)).shape == grid.shape
    lesion = ndimage.binary_dilation(getattr(pair, name).lesions.array, iterations=2)
    maps = (head.white, head.grey, head.fluid * ndimage.binary_erosion(head.ventricles))
    return [
        (_sample(np.asarray(field, np.float32), head.affine, grid, head_from_scan) > 0.95) & ~lesion for field in maps
    ]
