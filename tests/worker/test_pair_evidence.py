"""What the images of a pair say: each damage moves its own number across its limit."""

from dataclasses import replace

import numpy as np
import pytest

from service.contracts.report import Flag
from tests.fixtures.made_people import scan, shifted_by, time_point
from worker.image_noise import noise_of
from worker.pair_evidence import evidence_of
from worker.quality import assess_pair

SHIFT_MM = 4.0


def flags(before, after, pair=None):
    pair = shifted_by(SHIFT_MM) if pair is None else pair
    found = assess_pair(before, after, pair, evidence_of(before, after, pair))
    return {reason.code: reason.flag for reason in found.reasons if reason.code != "no_t1"}


def reds(found):
    return {code for code, flag in found.items() if flag is Flag.RED}


@pytest.fixture(scope="module")
def baseline():
    return scan(1, seed=1)


@pytest.fixture(scope="module")
def follow_up():
    return scan(1, seed=2, shift_mm=SHIFT_MM)


def test_another_scan_of_the_same_person_passes_every_gate(baseline, follow_up):
    pair = shifted_by(SHIFT_MM)
    evidence = evidence_of(baseline, follow_up, pair)
    assert {check.flag for check in assess_pair(baseline, follow_up, pair, evidence).checks} == {Flag.GREEN}
    assert evidence.shift_mm == pytest.approx(SHIFT_MM * 3**0.5, abs=1e-6)
    assert evidence.rotation_deg == pytest.approx(0.0, abs=1e-6)
    assert evidence.second_start_mm < 0.3


def test_another_person_is_stopped_by_the_shape_and_the_detail_of_the_brain(baseline):
    found = reds(flags(baseline, scan(2, seed=2, shift_mm=SHIFT_MM)))
    assert {"brain_shape", "brain_detail"} <= found
    assert "left_right_flip" not in found


def test_a_flipped_follow_up_is_called_flipped(baseline, follow_up):
    flair, regions = follow_up.study.flair.volume, follow_up.brain.regions
    flipped = time_point(flair.like(flair.array[:, :, ::-1].copy()), regions.array[:, :, ::-1])
    assert "left_right_flip" in reds(flags(baseline, flipped))


@pytest.mark.parametrize(("wrong_mm", "flag"), [(1.4, Flag.AMBER), (3.0, Flag.RED)])
def test_a_wrong_alignment_is_not_found_again_from_another_start(baseline, follow_up, wrong_mm, flag):
    right = shifted_by(SHIFT_MM)
    wrong = right.baseline_from_follow_up.copy()
    wrong[1, 3] += wrong_mm
    found = flags(baseline, follow_up, replace(right, baseline_from_follow_up=wrong))
    assert found == {"second_start": flag}


def test_images_that_do_not_meet_are_red(baseline):
    far = shifted_by(1000.0)
    assert {"second_start", "brain_detail", "left_right_flip"} <= reds(flags(baseline, scan(1, seed=2), far))


@pytest.mark.parametrize("noise", [0.02, 0.05, 0.15])
def test_the_noise_of_a_scan_is_measured(noise):
    noisy = scan(1, seed=3, noise=noise)
    assert noise_of(noisy.study.flair.volume, noisy.brain) == pytest.approx(noise, rel=0.3)


def test_too_little_brain_has_no_noise(baseline):
    empty = replace(baseline.brain, mask=baseline.brain.mask.like(np.zeros(baseline.brain.mask.array.shape, bool)))
    assert np.isnan(noise_of(baseline.study.flair.volume, replace(empty, regions=None)))
