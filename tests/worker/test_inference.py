"""Opinions of a pair: what the options ask of the network."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from model.checkpoint import Card, LoadedModel, Preprocessing
from model.grid import network_grid
from model.sliding_window import WindowSettings
from model.unet import build_unet
from service.contracts.options import CompareOptions
from tests.fixtures.tiny_unet import TINY
from worker.case import NetworkInput, Prediction
from worker.inference import Ensemble, predict

PATCH = (8, 8, 8)
SHAPE = (8, 8, 12)


@pytest.fixture(scope="module")
def ensemble():
    torch.manual_seed(4)
    member = LoadedModel(
        network=build_unet(TINY).eval(),
        config=TINY,
        preprocessing=Preprocessing(
            spacing_mm=(1.0, 1.0, 1.0),
            patch=PATCH,
            channels=("T1", "FLAIR"),
            mirror_axes=(),
            mask_for_norm=(True, True),
        ),
        card=Card(name="tiny"),
        sha256="0" * 64,
    )
    return Ensemble(members=(member,), device=torch.device("cpu"), window=WindowSettings(patch=PATCH))


def prepared(*, pair: bool = True) -> NetworkInput:
    first, second = np.random.default_rng(1).standard_normal((2, 2, *SHAPE)).astype(np.float32)
    return NetworkInput(
        baseline=first if pair else None,
        follow_up=second,
        grid=network_grid(SHAPE),
        baseline_from_grid=np.eye(4) if pair else None,
        follow_up_from_grid=np.eye(4),
        brain=np.ones(SHAPE, bool),
        seen_in_both=np.ones(SHAPE, bool),
    )


def predicted(ensemble, *, pair: bool = True, **options) -> Prediction:
    return predict(prepared(pair=pair), ensemble=ensemble, options=CompareOptions(**options), progress=lambda _: None)


def test_a_second_opinion_changes_nothing_of_the_first(ensemble):
    with_it, without = predicted(ensemble), predicted(ensemble, certainty=False)
    np.testing.assert_allclose(with_it.baseline, without.baseline, atol=1e-6)
    np.testing.assert_allclose(with_it.follow_up, without.follow_up, atol=1e-6)
    assert without.baseline_alone is without.follow_up_alone is None


def test_the_second_opinion_of_the_follow_up_is_what_it_gets_alone(ensemble):
    both, single = predicted(ensemble), predicted(ensemble, pair=False)
    np.testing.assert_allclose(both.follow_up_alone, single.follow_up, atol=1e-6)
    assert np.abs(both.follow_up_alone - both.follow_up).max() > 1e-4
    assert single.baseline is single.follow_up_alone is None


def test_a_baseline_that_is_its_own_prior_has_no_second_opinion(ensemble):
    own = predicted(ensemble, prior_for_first="self")
    np.testing.assert_allclose(own.baseline, predicted(ensemble).baseline_alone, atol=1e-6)
    assert own.baseline_alone is own.follow_up_alone is None


@pytest.mark.parametrize("policy", ["follow-up", "self"])
@pytest.mark.parametrize("certainty", [True, False])
def test_second_opinions_that_lesions_are_called_by_are_asked_for_in_any_case(ensemble, certainty, policy):
    asked = predicted(ensemble, prior_for_first=policy)
    member = replace(ensemble.members[0], card=Card(name="tiny", self_prior=0.5))
    called = predicted(replace(ensemble, members=(member,)), certainty=certainty, prior_for_first=policy)
    np.testing.assert_allclose(called.baseline, asked.baseline, atol=1e-6)
    np.testing.assert_allclose(called.follow_up, asked.follow_up, atol=1e-6)
    usual = predicted(ensemble)
    np.testing.assert_allclose(called.follow_up_alone, usual.follow_up_alone, atol=1e-6)
    if policy == "self":
        assert called.baseline_alone is None  # it is the first opinion already
    else:
        np.testing.assert_allclose(called.baseline_alone, usual.baseline_alone, atol=1e-6)


def test_a_single_scan_has_no_second_opinion_of_itself(ensemble):
    member = replace(ensemble.members[0], card=Card(name="tiny", self_prior=0.5))
    assert predicted(replace(ensemble, members=(member,)), pair=False).alone == (None,)
