"""Change of the brain's volume: given of green pairs of one scanner alone, with an interval."""

import numpy as np
import pytest

from model.brain_volume import percent_change, tissue_mm3
from model.grid import network_grid
from model.head_labels import Region
from model.rules import NoiseRules
from service.contracts.measures import BrainVolumeChange
from service.contracts.report import Check, Flag, Reason
from worker.brain_change import brain_volume_change
from worker.quality import Assessment

NOISE = NoiseRules(brain_log_sd=0.005)
VOLUMES = (1.20e6, 1.18e6)


def row(value: str, flag: Flag = Flag.GREEN) -> Check:
    return Check(name="same_scanner", value=value, flag=flag, expected="same")


GREEN = Assessment(checks=(row("same"),))


def test_tissue_is_counted_where_it_was_seen_and_fluid_is_none():
    labels = np.repeat(np.arange(len(Region), dtype=np.uint8), 8).reshape(len(Region), 2, 4)
    seen = np.ones(labels.shape, bool)
    seen[:, :, 3] = False
    assert tissue_mm3(labels, seen, network_grid(labels.shape)) == 5 * 2 * 3


def test_the_change_lies_in_its_interval_and_swapping_the_visits_undoes_it():
    there, (low, high) = percent_change(*VOLUMES, 0.005)
    back, _ = percent_change(*VOLUMES[::-1], 0.005)
    assert there == pytest.approx(-100 / 60)
    assert low < there < high
    assert (1 + there / 100) * (1 + back / 100) == pytest.approx(1.0)


def test_ninety_five_of_a_hundred_pairs_without_change_have_zero_in_their_interval():
    rng = np.random.default_rng(3)
    pairs = 1.2e6 * np.exp(0.005 * rng.standard_normal((2000, 2)))
    inside = [low <= 0 <= high for _, (low, high) in (percent_change(a, b, 0.005) for a, b in pairs)]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.015)


def test_a_green_pair_of_one_scanner_has_a_change():
    found = brain_volume_change(VOLUMES, GREEN, NOISE)
    assert (found.code, found.reason) == (None, None)
    assert found.percent == pytest.approx(-1.67)


RED = Assessment(reasons=(Reason(code="brain_overlap", flag=Flag.RED, message="no"),))
AMBER = Assessment(checks=(row("same"), Check(name="noise", value=1.0, flag=Flag.AMBER, expected="less")))


@pytest.mark.parametrize(
    ("volumes", "assessment", "noise", "code", "reason"),
    [
        (VOLUMES, RED, NOISE, "not_comparable", "cannot be compared"),
        (VOLUMES, AMBER, NOISE, "gates_not_green", "not every quality gate is green: noise"),
        (
            VOLUMES,
            Assessment(checks=(row("unknown"),)),
            NOISE,
            "scanner_not_known",
            "not known that both studies come from one scanner",
        ),
        (VOLUMES, Assessment(), NOISE, "scanner_not_known", "not known that both studies come from one scanner"),
        (None, GREEN, NOISE, "brain_parts_not_known", "parts of the brain are not known"),
        (VOLUMES, GREEN, NoiseRules(), "repeatability_not_known", "does not say how well"),
    ],
)
def test_otherwise_it_is_not_given_and_says_why(volumes, assessment, noise, code, reason):
    found = brain_volume_change(volumes, assessment, noise)
    assert (found.percent, found.interval_percent) == (None, None)
    assert found.code == code
    assert reason in found.reason


def test_a_report_from_before_the_codes_can_be_read():
    old = BrainVolumeChange.model_validate({"percent": None, "reason": "the studies cannot be compared"})
    assert old.code is None
