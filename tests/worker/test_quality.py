"""The gates: where they turn amber and red, and what they say."""

import math
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from model.grid import Grid
from service.contracts.report import Flag
from tests.fixtures.report_case import PAIR, time_point
from worker.case import NetworkInput, PairEvidence
from worker.quality import assess_coverage, assess_pair, assess_single, not_aligned
from worker.quality_limits import CORRELATION, LIMITS, NEAR_DUPLICATE_CORRELATION, THICKNESS, THICKNESS_RATIO


def flags(assessment):
    return {reason.code: reason.flag for reason in assessment.reasons}


def test_a_good_pair_is_green_all_over():
    assessment = assess_pair(time_point(), time_point(), PAIR)
    assert assessment.comparable
    assert assessment.reasons == ()
    assert {check.flag for check in assessment.checks} == {Flag.GREEN}


EVIDENCE = PairEvidence(
    rotation_deg=5.0,
    shift_mm=10.0,
    noise=(0.02, 0.03),
    lines_motion_mm=0.1,
    slices_motion_mm=0.1,
    second_start_mm=0.3,
    likeness_to_mirrored=2.0,
    shape_agreement=0.8,
    detail_correlation=0.9,
)
"""Of a good pair."""


def test_good_evidence_is_green_all_over():
    assessment = assess_pair(time_point(), time_point(), PAIR, EVIDENCE)
    assert {check.flag for check in assessment.checks} == {Flag.GREEN}
    assert {limit for limit in LIMITS if limit != "common_coverage"} <= {check.name for check in assessment.checks}


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        ({"rotation_deg": 45.0}, {"head_rotation": Flag.AMBER}),
        ({"shift_mm": 300.0}, {"head_shift": Flag.AMBER}),
        ({"noise": (0.12, 0.13)}, {"noise": Flag.AMBER}),
        ({"noise": (0.02, 0.09)}, {"noise_ratio": Flag.AMBER}),
        ({"noise": (math.nan, 0.02)}, {"noise": Flag.AMBER, "noise_ratio": Flag.AMBER}),
        ({"lines_motion_mm": 0.25}, {"motion": Flag.AMBER}),
        ({"lines_motion_mm": 0.7}, {"motion": Flag.RED}),
        ({"lines_motion_mm": math.nan}, {"motion": Flag.RED}),
        ({"slices_motion_mm": 0.5}, {"slice_steps": Flag.AMBER}),
        ({"slices_motion_mm": 0.8}, {"slice_steps": Flag.RED}),
        ({"second_start_mm": 1.4}, {"second_start": Flag.AMBER}),
        ({"second_start_mm": 5.0}, {"second_start": Flag.RED}),
        ({"second_start_mm": math.nan}, {"second_start": Flag.RED}),
        ({"shape_agreement": 0.5}, {"brain_shape": Flag.RED}),
        ({"detail_correlation": 0.4}, {"brain_detail": Flag.RED}),
        ({"likeness_to_mirrored": 0.5}, {"left_right_flip": Flag.RED}),
    ],
)
def test_each_number_has_its_gate(change, codes):
    found = assess_pair(time_point(), time_point(), PAIR, replace(EVIDENCE, **change))
    assert flags(found) == codes


@pytest.mark.parametrize(
    ("number", "gate"),
    [("shape_agreement", "brain_shape"), ("lines_motion_mm", "motion"), ("slices_motion_mm", "slice_steps")],
)
def test_what_nobody_knows_speaks_neither_for_nor_against(number, gate):
    unknown = replace(EVIDENCE, **{number: None})
    found = assess_pair(time_point(), time_point(), PAIR, unknown)
    (row,) = (check for check in found.checks if check.name == gate)
    assert (row.value, row.unit, row.flag, found.reasons) == ("unknown", "", Flag.GREEN, ())


@pytest.mark.parametrize("limit", LIMITS.values(), ids=lambda limit: limit.name)
def test_a_value_on_a_limit_still_passes_it_and_one_beyond_does_not(limit):
    step = -1e-3 if limit.good == "high" else 1e-3
    assert limit.judge(limit.amber).flag is Flag.GREEN
    assert limit.judge(limit.amber + step).flag is Flag.AMBER
    if limit.red is not None:
        assert limit.judge(limit.red).flag is Flag.AMBER
        assert limit.judge(limit.red + step).flag is Flag.RED


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(("limit", "flag"), [(CORRELATION, Flag.RED), (THICKNESS_RATIO, Flag.AMBER)])
def test_what_could_not_be_measured_is_never_green(value, limit, flag):
    check = limit.judge(value)
    assert (check.flag, check.value) == (flag, None)


def test_every_limit_says_where_it_comes_from():
    assert all(len(limit.why) > 20 for limit in LIMITS.values())


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"overlap": 0.5}, "brain_overlap"),
        ({"correlation": 0.1}, "flair_correlation"),
        ({"correlation": math.nan}, "flair_correlation"),
        ({"inverse_consistency_mm": 5.0}, "inverse_consistency"),
    ],
)
def test_a_bad_alignment_is_not_comparable(change, code):
    assessment = assess_pair(time_point(), time_point(), replace(PAIR, **change))
    assert not assessment.comparable
    assert flags(assessment) == {code: Flag.RED}


@pytest.mark.parametrize(("correlation", "consistency_mm"), [(0.434, 1.750), (0.327, 3.810)])
def test_two_patients_of_like_brains_are_not_comparable(correlation, consistency_mm):
    """Measured on the FLAIR images of two pairs of different patients, whose brain masks overlap at 0.96."""
    pair = replace(PAIR, overlap=0.96, correlation=correlation, inverse_consistency_mm=consistency_mm)
    reds = {code for code, flag in flags(assess_pair(time_point(), time_point(), pair)).items() if flag is Flag.RED}
    assert reds == {"flair_correlation", "inverse_consistency"}


@pytest.mark.parametrize(("correlation", "consistency_mm"), [(0.943, 0.139), (0.621, 0.465), (0.658, 0.390)])
def test_two_scans_of_one_patient_are_comparable(correlation, consistency_mm):
    """Measured on the three real pairs."""
    pair = replace(PAIR, overlap=0.977, correlation=correlation, inverse_consistency_mm=consistency_mm)
    assert assess_pair(time_point(), time_point(), pair).reasons == ()


def test_the_reason_says_what_was_seen_and_what_was_expected():
    (reason,) = assess_pair(time_point(), time_point(), replace(PAIR, overlap=0.5)).reasons
    assert "saw 0.5 Dice, expected at least 0.9, red below 0.75" in reason.message


def test_thick_slices_are_amber_and_still_comparable():
    assessment = assess_pair(time_point(spacing=(1.0, 1.0, 5.0)), time_point(spacing=(1.0, 1.0, 5.0)), PAIR)
    assert assessment.comparable
    assert flags(assessment) == {"slice_thickness": Flag.AMBER}


def test_overlapping_slices_are_as_thick_as_the_header_says():
    thin = time_point(spacing=(1.0, 1.0, 2.0))
    flair = replace(thin.study.flair, slice_thickness_mm=THICKNESS.amber + 0.5)
    assessment = assess_single(replace(thin, study=replace(thin.study, flair=flair)))
    assert flags(assessment)["slice_thickness"] is Flag.AMBER


def test_two_protocols_are_amber():
    assessment = assess_pair(time_point(spacing=(1.0, 1.0, 1.0)), time_point(spacing=(0.5, 0.625, 3.2)), PAIR)
    assert flags(assessment) == {"slice_thickness_ratio": Flag.AMBER, "in_plane_spacing_ratio": Flag.AMBER}


@pytest.mark.parametrize(("voxels", "flag"), [(700, Flag.AMBER), (500, Flag.RED), (0, Flag.RED)])
def test_two_brains_of_different_size_may_be_of_two_patients(voxels, flag):
    assessment = assess_pair(time_point(brain_voxels=900), time_point(brain_voxels=voxels), PAIR)
    assert flags(assessment) == {"brain_volume_ratio": flag}


@pytest.mark.parametrize(
    ("first", "second", "codes"),
    [
        (date(2023, 1, 1), date(2024, 1, 1), {}),
        (date(2024, 1, 1), date(2023, 1, 1), {"reversed_order": Flag.AMBER}),
        (None, date(2023, 1, 1), {}),
    ],
)
def test_a_follow_up_dated_before_its_baseline_is_amber(first, second, codes):
    assert flags(assess_pair(time_point(first), time_point(second), PAIR)) == codes


def test_the_same_scan_twice_is_amber():
    twice = replace(PAIR, correlation=(1 + NEAR_DUPLICATE_CORRELATION) / 2)
    assert flags(assess_pair(time_point(), time_point(), twice)) == {"near_duplicate": Flag.AMBER}


def prepared(seen):
    shape = (10, 10, 10)
    scan = np.zeros((2, *shape), np.float32)
    return NetworkInput(
        baseline=scan,
        follow_up=scan,
        grid=Grid(shape=shape, affine=np.eye(4)),
        baseline_from_grid=np.eye(4),
        follow_up_from_grid=np.eye(4),
        brain=np.ones(shape, bool),
        seen_in_both=np.broadcast_to(np.arange(10)[:, None, None] < seen, shape).copy(),
    )


@pytest.mark.parametrize(
    ("seen", "codes"), [(10, {}), (8, {"common_coverage": "amber"}), (5, {"common_coverage": "red"})]
)
def test_the_brain_must_be_seen_in_both_studies(seen, codes):
    assert flags(assess_coverage(prepared(seen))) == codes


def test_no_brain_is_not_covered():
    empty = replace(prepared(10), brain=np.zeros((10, 10, 10), bool))
    assert not assess_coverage(empty).comparable


def test_a_failed_registration_is_red():
    assert not not_aligned("the two directions contradict each other").comparable
