"""nnU-Net's resampling, on arrays small enough to check by hand."""

import numpy as np
import pytest

from model.reference_resampling import resampled_shape, thick_axis, to_shape


@pytest.mark.parametrize(
    ("spacing", "axis"),
    [((1.0, 1.0, 1.0), None), ((4.0, 1.0, 1.0), 0), ((3.0, 1.0, 1.0), None), ((1.0, 4.0, 4.0), None)],
)
def test_one_axis_more_than_three_times_coarser_is_thick(spacing: tuple[float, float, float], axis: int | None) -> None:
    assert thick_axis(spacing) == axis


def test_the_shape_keeps_the_field_of_view() -> None:
    assert resampled_shape((10, 20, 30), (3.0, 1.0, 0.5), (1.0, 1.0, 1.0)) == (30, 20, 15)


def test_nothing_changes_on_the_same_lattice() -> None:
    data = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)

    assert to_shape(data, (3, 4, 5), spacing=(1.0, 1.0, 1.0), wanted=(1.0, 1.0, 1.0), order=3) is data


def test_linear_resampling_reads_between_voxel_centres() -> None:
    data = np.tile(np.float32([0, 4]), (1, 2, 2, 1))

    # centres of the four new voxels: -0.25 0.25 0.75 1.25 old voxels, held at the ends
    finer = to_shape(data, (2, 2, 4), spacing=(1.0, 1.0, 2.0), wanted=(1.0, 1.0, 1.0), order=1)

    np.testing.assert_allclose(finer[0, 0, 0], [0, 1, 3, 4])


def test_thick_slices_are_repeated_and_never_mixed() -> None:
    data = np.float32([1, 5])[None, :, None, None] * np.ones((1, 2, 3, 3), np.float32)

    finer = to_shape(data, (8, 3, 3), spacing=(4.0, 1.0, 1.0), wanted=(1.0, 1.0, 1.0), order=3)

    np.testing.assert_array_equal(finer[0, :, 1, 1], [1, 1, 1, 1, 5, 5, 5, 5])


def test_a_spline_does_not_leave_the_range_of_its_channel() -> None:
    data = np.zeros((1, 6, 6, 6), np.float32)
    data[0, 3:] = 1

    finer = to_shape(data, (9, 9, 9), spacing=(1.5, 1.5, 1.5), wanted=(1.0, 1.0, 1.0), order=3)

    assert finer.min() == 0.0
    assert finer.max() == 1.0
