"""A change inside the noise of measuring is none that can be named."""

import numpy as np
import pytest

from model.changes import Masks, compare
from model.grid import network_grid
from model.rules import NoiseRules, Rules
from model.statuses import OPPOSITE, Status, is_noise, status_of

SHAPE = (20, 20, 40)
NOISY = Rules(noise=NoiseRules(change_log_sd={10.0: 0.3, 1000.0: 0.05}))
"""Limits of agreement: a factor of 2.3 at 10 mm3, of 1.15 at 1000."""


@pytest.mark.parametrize(
    ("baseline_mm3", "follow_up_mm3", "noise"),
    [(8.0, 13.0, True), (8.0, 40.0, False), (900.0, 1000.0, True), (900.0, 1100.0, False), (0.0, 20.0, False)],
)
def test_two_volumes_within_the_limits_of_agreement_are_noise(baseline_mm3, follow_up_mm3, noise):
    assert is_noise(baseline_mm3, follow_up_mm3, NOISY) is noise
    assert is_noise(follow_up_mm3, baseline_mm3, NOISY) is noise


def table(first, second, rules):
    masks = []
    for voxels in (first, second):
        mask = np.zeros(SHAPE, bool)
        mask[8:10, 8:10, 2 : 2 + voxels // 4] = True
        masks.append(mask)
    (change,) = compare(
        Masks(
            baseline=masks[0],
            follow_up=masks[1],
            baseline_probability=None,
            follow_up_probability=masks[1].astype(np.float32),
            seen_in_both=np.ones(SHAPE, bool),
            grid=network_grid(SHAPE),
        ),
        rules,
    ).changes
    return change.status


@pytest.mark.parametrize(
    ("first", "second", "without", "status"),
    [
        (20, 36, Status.ENLARGING, Status.INDETERMINATE),
        (20, 80, Status.ENLARGING, Status.ENLARGING),
        (80, 92, Status.STABLE, Status.STABLE),
        (0, 20, Status.NEW, Status.NEW),
    ],
)
def test_growth_within_the_noise_is_indeterminate_and_nothing_else_is(first, second, without, status):
    assert table(first, second, Rules()) is without
    assert table(first, second, NOISY) is status
    assert table(second, first, NOISY) is OPPOSITE[status]


def test_a_profile_with_a_smaller_factor_finds_smaller_growth():
    fifth = Rules(growth_factor=1.2, growth_mm3=28.0)
    assert status_of(200.0, 250.0, Rules()) is Status.STABLE
    assert status_of(200.0, 250.0, fifth) is Status.ENLARGING
    assert status_of(100.0, 125.0, fifth) is Status.STABLE
    assert status_of(250.0, 200.0, fifth) is Status.SHRINKING
