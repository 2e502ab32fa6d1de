"""Probabilities of visits out of their pairs, by an untrained network."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from model.checkpoint import Card, LoadedModel, Preprocessing
from model.sliding_window import WindowSettings
from model.unet import build_unet
from model.visit_chain import followed_pairs
from service.contracts.options import CompareOptions
from tests.fixtures.followed_visits import followed_visits
from tests.fixtures.tiny_unet import TINY
from worker.inference import Ensemble, predict
from worker.visit_prediction import predict_visits, together

SHAPE = (16, 16, 16)


@pytest.fixture(scope="module")
def ensemble():
    torch.manual_seed(3)
    network = build_unet(TINY).eval()
    model = LoadedModel(
        network=network, config=TINY, preprocessing=Preprocessing(patch=SHAPE), card=Card(name="x"), sha256=""
    )
    return Ensemble(members=(model,), device=torch.device("cpu"), window=WindowSettings(patch=SHAPE))


def visits(count):
    return followed_visits(tuple(range(count)), SHAPE)


def predicted(followed, ensemble, **options):
    done = []
    found = predict_visits(followed, ensemble=ensemble, options=CompareOptions(**options), progress=done.append)
    assert done == sorted(done)
    assert done[-1] == pytest.approx(1.0)
    return found


def test_two_visits_are_predicted_as_a_comparison_is(ensemble):
    followed = visits(2)
    one = predict(followed.network_input((0, 1)), ensemble=ensemble, options=CompareOptions(), progress=lambda _: None)
    found = predicted(followed, ensemble)
    np.testing.assert_array_equal(found.probabilities, [one.baseline, one.follow_up])
    np.testing.assert_array_equal(found.opinions, [(one.baseline_alone,), (one.follow_up_alone,)])


def test_a_visit_is_the_mean_over_its_pairs(ensemble):
    followed = visits(3)
    found = predicted(followed, ensemble, certainty=False)
    pairs = {
        pair: predict(
            followed.network_input(pair), ensemble=ensemble, options=CompareOptions(), progress=lambda _: None
        )
        for pair in followed.pairs
    }
    expected = [
        (pairs[0, 1].baseline + pairs[0, 2].baseline) / 2,
        (pairs[0, 1].follow_up + pairs[1, 2].baseline) / 2,
        (pairs[1, 2].follow_up + pairs[0, 2].follow_up) / 2,
    ]
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-6)
    assert found.opinions == ((), (), ())


def test_every_visit_has_one_second_opinion(ensemble):
    found = predicted(visits(4), ensemble)
    assert [len(opinions) for opinions in found.opinions] == [1] * 4


def test_a_visit_that_is_only_its_own_prior_has_no_second_opinion(ensemble):
    """The first of the course, where the policy is so; the shipped weights ask for second opinions in any case."""
    member = replace(ensemble.members[0], card=Card(name="x", self_prior=0.5))
    found = predicted(visits(3), replace(ensemble, members=(member,)), prior_for_first="self")
    assert [len(opinions) for opinions in found.opinions] == [0, 1, 1]


def test_reversing_the_visits_reverses_the_probabilities(ensemble):
    followed = visits(3)
    turned = replace(followed, prepared=replace(followed.prepared, scans=followed.prepared.scans[::-1]))
    there, back = predicted(followed, ensemble), predicted(turned, ensemble)
    np.testing.assert_allclose(there.probabilities, back.probabilities[::-1], atol=1e-6)


def test_each_visit_is_encoded_once_for_all_its_pairs(ensemble):
    passes = []
    hook = ensemble.members[0].network.encoder.register_forward_hook(lambda *_: passes.append(1))
    predicted(visits(4), ensemble)
    hook.remove()
    assert len(passes) == 4


def test_long_courses_are_predicted_in_groups_of_few_visits():
    pairs = followed_pairs(tuple(range(9)))
    groups = together(pairs)
    assert [pair for group in groups for pair in group] == list(pairs)
    assert all(len({visit for pair in group for visit in pair}) <= 4 for group in groups)
    assert len(groups) == 3
