"""Repeatability of volumes: known noise in, its standard deviation and intervals out."""

import numpy as np
import pytest

from model.repeatability import (
    change_limit,
    log_sd,
    total_change_interval,
    total_interval,
    volume_interval,
    within_lesion_sd,
)
from model.rules import NoiseRules

TABLE = {10.0: 0.4, 1000.0: 0.1}


def test_the_deviation_of_known_noise_is_found():
    rng = np.random.default_rng(1)
    true = rng.uniform(10, 5000, 4000)
    twice = true[:, None] * np.exp(0.2 * rng.standard_normal((4000, 2)))
    assert within_lesion_sd([(a, b) for a, b in twice]) == pytest.approx(0.2, rel=0.03)


def test_without_lesions_the_deviation_is_not_a_number():
    assert np.isnan(within_lesion_sd([]))


@pytest.mark.parametrize(("volume_mm3", "deviation"), [(1.0, 0.4), (10.0, 0.4), (100.0, 0.25), (1e3, 0.1), (1e5, 0.1)])
def test_between_the_sizes_of_the_table_the_deviation_is_linear_in_the_log(volume_mm3, deviation):
    assert log_sd(volume_mm3, TABLE) == pytest.approx(deviation)


def test_ninety_five_of_a_hundred_measurements_lie_in_the_interval_of_the_true_volume():
    low, high = volume_interval(100.0, TABLE)
    measured = 100.0 * np.exp(0.25 * np.random.default_rng(2).standard_normal(20_000))
    assert np.mean((measured >= low) & (measured <= high)) == pytest.approx(0.95, abs=0.005)


def test_two_measurements_of_an_unchanged_lesion_differ_by_more_than_the_limit_in_one_of_twenty():
    rng = np.random.default_rng(3)
    difference = 0.25 * np.diff(rng.standard_normal((20_000, 2)), axis=1)
    assert np.mean(np.abs(difference) > change_limit(100.0, NoiseRules(change_log_sd=TABLE))) == pytest.approx(
        0.05, abs=0.005
    )


def test_where_nothing_is_known_there_is_no_interval_and_no_change_is_noise():
    assert volume_interval(100.0, {}) is None
    assert volume_interval(0.0, TABLE) is None
    assert total_interval(3.0, 0.0) is None
    assert total_change_interval(3.0, 4.0, 0.0) is None
    assert change_limit(100.0, NoiseRules()) < 0


def test_swapping_the_time_points_turns_the_interval_of_the_change():
    low, high = total_change_interval(3.0, 4.5, 0.05)
    assert low < 1.5 < high
    assert total_change_interval(4.5, 3.0, 0.05) == pytest.approx((-high, -low))
