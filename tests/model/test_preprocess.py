"""Network input from placed scans."""

import numpy as np
import pytest
from scipy import linalg

from model import preprocess
from model.grid import RAS_AXES
from model.preprocess import PlacedScan, half_way, prepare, z_score
from model.volume import Volume, world_from_voxel

AFFINE = np.array([[-1.1, 0, 0, 40.0], [0, 1.2, 0, -45.0], [0, 0, 2.5, -42.0], [0, 0, 0, 1.0]])
SHAPE = (72, 74, 34)


def scan(flair_from_common, *, seed=0, radius=28.0, stripped=False):
    rng = np.random.default_rng(seed)
    at = world_from_voxel(AFFINE, np.argwhere(np.ones(SHAPE)).astype(float))
    inside = (np.linalg.norm(at, axis=1) < radius).reshape(SHAPE)
    values = (100 + 20 * rng.standard_normal(SHAPE)).astype(np.float32)
    image = Volume(array=np.where(inside | (not stripped), values, 0).astype(np.float32), affine=AFFINE)
    return PlacedScan(
        t1=image,
        flair=image,
        brain=image.like(inside),
        t1_from_common=flair_from_common,
        flair_from_common=flair_from_common,
        skull_stripped=stripped,
    )


def turn(z=0.1, shift=(3.0, -5.0, 4.0), stretch=0.02):
    generator = np.zeros((4, 4))
    generator[0, 1], generator[1, 0], generator[2, 2], generator[:3, 3] = -z, z, stretch, shift
    return linalg.expm(generator)


def test_half_way_twice_is_the_whole_way():
    whole = turn()
    baseline_from_half, follow_up_from_half = half_way(whole)
    assert baseline_from_half @ np.linalg.inv(follow_up_from_half) == pytest.approx(whole, abs=1e-9)


def test_swapping_the_studies_gives_the_mirrored_transforms():
    forth, back = half_way(turn()), half_way(np.linalg.inv(turn()))
    assert forth[0] == pytest.approx(back[1], abs=1e-6)
    assert forth[1] == pytest.approx(back[0], abs=1e-6)


def test_half_way_refuses_a_mirrored_transform():
    with pytest.raises(ValueError, match="no real square root"):
        half_way(np.diag([-1.0, 1, 1, 1]))


def test_swapping_the_scans_gives_the_same_grid_and_swapped_arrays():
    one, two = half_way(turn())
    forth, back = prepare([scan(one), scan(two, seed=1)]), prepare([scan(two, seed=1), scan(one)])
    assert forth.grid.affine == pytest.approx(back.grid.affine, abs=1e-6)
    assert np.array_equal(forth.scans[0], back.scans[1])
    assert np.array_equal(forth.brain, back.brain)


def test_each_image_is_interpolated_once(monkeypatch):
    calls = []
    real = preprocess.resample

    def counted(volume, grid, **kwargs):
        calls.append(kwargs.get("interpolation", "linear"))
        return real(volume, grid, **kwargs)

    monkeypatch.setattr(preprocess, "resample", counted)
    one, two = half_way(turn())
    prepare([scan(one), scan(two)])
    assert calls.count("cubic") == 4  # T1 and FLAIR of two time points; masks are carried apart


def test_the_grid_has_network_axes_one_millimetre_and_the_box_of_the_brains():
    prepared = prepare([scan(np.eye(4))])
    assert prepared.grid.affine[:3, :3] == pytest.approx(RAS_AXES)
    assert prepared.scans[0].shape == (2, *prepared.grid.shape)
    assert all(54 <= n <= 59 for n in prepared.grid.shape)  # a ball of radius 28
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        profile = prepared.brain.any(axis=others)
        assert profile[0]
        assert profile[-1]


def test_without_crop_the_grid_holds_the_field_of_view():
    prepared = prepare([scan(np.eye(4))], crop="none")
    extent = [abs(AFFINE[a, a]) * (SHAPE[a] - 1) for a in (2, 1, 0)]
    assert prepared.grid.shape == tuple(int(np.ceil(mm)) + 1 for mm in extent)


def test_inside_the_brain_mean_is_zero_and_deviation_one_and_outside_is_zero():
    prepared = prepare([scan(np.eye(4))])
    for channel in prepared.scans[0]:
        assert channel[prepared.brain].mean() == pytest.approx(0, abs=1e-4)
        assert channel[prepared.brain].std() == pytest.approx(1, abs=1e-4)
        assert not channel[~prepared.brain].any()


def test_a_smaller_mask_at_one_time_point_does_not_look_like_change():
    prepared = prepare([scan(np.eye(4)), scan(np.eye(4), radius=26.0)])
    rim = prepared.brain & (prepared.scans[0][1] != 0)
    assert (prepared.scans[1][1][rim] != 0).mean() > 0.99


def test_a_stripped_scan_stays_zero_outside_its_own_mask():
    prepared = prepare([scan(np.eye(4)), scan(np.eye(4), radius=20.0, stripped=True)])
    assert (prepared.scans[1] != 0).mean() < 0.6 * (prepared.scans[0] != 0).mean()
    assert prepared.scans[1].min() > -7  # background is no value of the brain


def test_seen_in_all_is_what_every_image_covers():
    away = np.eye(4)
    away[2, 3] = 30.0
    prepared = prepare([scan(np.eye(4)), scan(away)])
    low = AFFINE[2, 3] - 1.25
    high = AFFINE[2, 3] + 2.5 * (SHAPE[2] - 0.5) - 30.0
    z = prepared.grid.affine[2, 3] + np.arange(prepared.grid.shape[0])
    expected = (z >= low) & (z < high)
    middle = tuple(n // 2 for n in prepared.grid.shape[1:])
    assert prepared.seen_in_all[(slice(None), *middle)].tolist() == expected.tolist()


def test_z_score_of_nothing_is_zero():
    nothing = np.zeros((3, 3, 3), bool)
    assert not z_score(np.ones((3, 3, 3), np.float32), inside=nothing, keep=nothing).any()


def test_an_empty_mask_is_refused_by_name():
    empty = scan(np.eye(4), radius=0.0)
    with pytest.raises(ValueError, match="mask: empty"):
        prepare([empty])
