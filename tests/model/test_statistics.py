"""Intervals and tests whose answers are known."""

import numpy as np
import pytest

from model.statistics import bootstrap_interval, paired_difference


def test_six_patients_that_all_gain_are_the_least_likely_of_64_outcomes_twice() -> None:
    found = paired_difference([0.7, 0.8, 0.9, 0.6, 0.5, 0.75], [0.69, 0.78, 0.87, 0.56, 0.45, 0.69])

    assert found.p_value == pytest.approx(2 / 64)
    assert found.mean == pytest.approx(0.21 / 6)
    assert found.patients == 6
    assert found.interval is not None
    assert 0 < found.interval.low < found.mean < found.interval.high < 0.06


def test_swapping_the_methods_turns_the_sign_and_keeps_the_p_value() -> None:
    a, b = [0.1, 0.5, 0.4, 0.9], [0.2, 0.4, 0.1, 0.95]

    there, back = paired_difference(a, b), paired_difference(b, a)

    assert there.mean == pytest.approx(-back.mean)
    assert there.p_value == pytest.approx(back.p_value)


def test_methods_that_agree_on_every_patient_do_not_differ() -> None:
    found = paired_difference([0.3, 0.4, 0.5], [0.3, 0.4, 0.5])

    assert (found.mean, found.p_value) == (0.0, 1.0)
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == (0.0, 0.0)


def test_the_interval_is_that_of_a_normal_mean_where_there_are_many_values() -> None:
    values = np.random.default_rng(0).normal(5.0, 2.0, 400)

    found = bootstrap_interval(values.tolist())

    assert found is not None
    half = 1.96 * values.std() / np.sqrt(400)
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.03)


def test_one_value_has_no_interval() -> None:
    assert bootstrap_interval([0.5]) is None


@pytest.mark.parametrize(("ours", "theirs"), [([], []), ([1.0], [1.0, 2.0])])
def test_lists_that_are_no_pairs_are_refused(ours: list[float], theirs: list[float]) -> None:
    with pytest.raises(ValueError, match="ours: expected"):
        paired_difference(ours, theirs)
