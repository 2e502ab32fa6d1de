"""Training on a labelled folder of small heads with bright balls, and on the state behind it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from model.checkpoint import Card, load
from model.dataset import PairStream, Place, RealPairs
from model.export_weights import export
from model.network import UNKNOWN
from model.prepared_patients import PreparedPatient
from model.recipes import RECIPES
from model.train import train
from model.training_settings import TrainingScans, TrainingSettings
from model.training_state import STATE
from model.unet import build_unet
from model.validation import validation_dice
from tests.fixtures import tiny_unet
from tests.fixtures.synthetic_pool import write_pool

TINY = tiny_unet.TINY.model_copy(update={"features": (8, 16)})
"""A network that learns something."""


@pytest.fixture(autouse=True)
def small_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.train.plan", lambda *_: TINY)


def patient(seed: int, *, visits: int = 2) -> PreparedPatient:
    """A head of noise with a lesion that stays and, at the last visit, one that is new; bright on FLAIR."""
    rng = np.random.default_rng(seed)
    at = np.indices((26, 24, 24))
    centres = rng.integers(6, 18, (visits, 3))
    scans, masks = [], []
    for visit in range(visits):
        balls = [((at - c[:, None, None, None]) ** 2).sum(axis=0) < 12 for c in centres[: visit + 1]]
        mask = np.any(balls, axis=0)
        noise = rng.standard_normal((2, *mask.shape)).astype(np.float32) * 0.4
        scans.append(noise + np.stack([-0.5 * mask, 2.5 * mask]).astype(np.float32))
        masks.append(mask)
    return PreparedPatient(name=f"p{seed}", scans=tuple(scans), lesions=tuple(mask.astype(np.int8) for mask in masks))


@pytest.fixture
def settings(tmp_path: Path) -> TrainingSettings:
    return TrainingSettings(
        out=tmp_path / "run",
        patch=(24, 24, 24),
        iterations=90,
        batch=2,
        learning_rate=1e-2,
        loaders=0,
        validate_every=90,
    )


SCANS = TrainingScans(training=[patient(n) for n in range(4)], validation=[patient(9)])


def test_a_short_run_finds_the_lesions_of_a_patient_it_never_saw(settings: TrainingSettings):
    state = train(replace(settings, ema_decay=0.8), SCANS)
    assert state.iteration == 90
    assert state.best > 0.7
    assert (settings.out / "difference-weighting-best.safetensors").exists()
    rows = (settings.out / "log.csv").read_text().splitlines()
    assert rows[0].split(",")[-1] == "validation_dice"
    assert float(rows[-1].split(",")[-1]) == pytest.approx(state.best, abs=1e-4)
    assert any((settings.out / "tensorboard").iterdir())
    written = load(settings.out / "difference-weighting.safetensors")
    assert written.preprocessing.patch == (24, 24, 24)
    assert "90 of 90 iterations" in written.card.record


@pytest.mark.parametrize("recipe", ["adamw", "nnunet"])
def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(settings: TrainingSettings, tmp_path: Path, recipe: str):
    class Stopped(Exception):
        pass

    def stop(iteration: int, _loss: float, _done: float) -> None:
        if iteration == 3:
            raise Stopped

    short = replace(settings, iterations=5, save_every=3, recipe=recipe, learning_rate=None)
    whole = train(replace(short, out=tmp_path / "whole"), SCANS)
    with pytest.raises(Stopped):
        train(replace(short, save_every=1), SCANS, report=stop)
    going_on = train(short, SCANS)
    for a, b in zip(whole.average.parameters(), going_on.average.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_run_can_begin_from_another_runs_checkpoint(settings: TrainingSettings, tmp_path: Path):
    first = train(replace(settings, iterations=2, out=tmp_path / "first"), SCANS)
    second = train(replace(settings, iterations=2), SCANS, resume=tmp_path / "first" / STATE)
    assert all(torch.equal(a, b) for a, b in zip(first.network.parameters(), second.network.parameters(), strict=True))


def test_a_run_can_begin_with_weights(settings: TrainingSettings, tmp_path: Path):
    first = train(replace(settings, iterations=2, out=tmp_path / "first"), SCANS)
    weights = tmp_path / "first" / "difference-weighting.safetensors"

    still = replace(settings, iterations=1, learning_rate=1e-12, recipe="nnunet", weights=weights)
    second = train(still, SCANS)

    for a, b in zip(first.average.module.parameters(), second.network.parameters(), strict=True):
        assert torch.allclose(a, b, rtol=0, atol=1e-9)
    card = load(still.out / "difference-weighting.safetensors").card
    assert "begun with difference-weighting.safetensors" in card.record


def test_a_run_that_goes_on_needs_the_weights_it_began_with_no_more(settings: TrainingSettings, tmp_path: Path):
    train(replace(settings, iterations=1, out=tmp_path / "first"), SCANS)
    weights = tmp_path / "first" / "difference-weighting.safetensors"
    begun = replace(settings, iterations=1, weights=weights)
    train(begun, SCANS)
    weights.unlink()
    assert train(replace(begun, iterations=2), SCANS).iteration == 2


def test_weights_of_another_size_or_none_are_refused(
    settings: TrainingSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    train(replace(settings, iterations=1, out=tmp_path / "first"), SCANS)
    monkeypatch.setattr("model.train.plan", lambda *_: TINY.model_copy(update={"features": (8, 12)}))
    with pytest.raises(ValueError, match="weights: expected weights of the same method and size"):
        train(replace(settings, weights=tmp_path / "first" / "difference-weighting.safetensors"), SCANS)
    with pytest.raises(ValueError, match="weights: path: there is no such file"):
        train(replace(settings, weights=tmp_path / "nothing.safetensors"), SCANS)


def test_mirrored_prediction_is_allowed_along_the_axes_that_training_mirrors(settings: TrainingSettings):
    train(replace(settings, iterations=1), SCANS)
    assert load(settings.out / "difference-weighting.safetensors").preprocessing.mirror_axes == (0, 1, 2)


def test_beside_synthetic_pairs_it_is_allowed_left_to_right_alone(settings: TrainingSettings, tmp_path: Path):
    """Painted heads are never upside down: a network of both kinds has seen half of its examples upright only."""
    data = write_pool(tmp_path / "data")
    train(replace(settings, iterations=1, data=data, cache=tmp_path / "cache"), SCANS)
    assert load(settings.out / "difference-weighting.safetensors").preprocessing.mirror_axes == (2,)


def test_validation_looks_at_what_is_known_alone(monkeypatch: pytest.MonkeyPatch):
    """Predicted: the lesion, and a block that is unknown in the labels, then one that is known to be none."""
    one = patient(3, visits=1)
    labels = one.lesions[0].copy()
    labels[2:5, 2:5, 2:5], labels[20:22, 20:22, 20:22] = UNKNOWN, 0
    predicted = labels != 0
    logits = torch.from_numpy(np.stack([~predicted, predicted]).astype(np.float32))
    monkeypatch.setattr("model.validation.predict_one", lambda *_, **__: logits)
    network = build_unet(TINY)

    def dice() -> float:
        marked = replace(one, lesions=(labels,))
        return validation_dice(network, [marked], patch=(24, 24, 24), bf16=False)

    assert dice() == 1.0
    labels[2:5, 2:5, 2:5] = 0
    assert dice() < 1.0


def test_a_checkpoint_of_another_recipe_is_refused(settings: TrainingSettings, tmp_path: Path):
    train(replace(settings, iterations=1, out=tmp_path / "first"), SCANS)
    with pytest.raises(ValueError, match="resume"):
        train(replace(settings, recipe="nnunet"), SCANS, resume=tmp_path / "first" / STATE)


def test_a_gradient_that_is_not_finite_changes_nothing_and_many_end_the_run(
    settings: TrainingSettings, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("model.training_step.MOST_UNUSABLE", 3)
    lesion = np.zeros((24, 24, 24), np.int8)
    scan = np.full((2, 24, 24, 24), np.nan, np.float32)
    broken = PreparedPatient(name="p", scans=(scan,), lesions=(lesion,))
    weights = []
    with pytest.raises(ValueError, match="no usable gradient in the 3 iterations to 2"):
        train(settings, TrainingScans(training=[broken]), report=lambda *_: weights.append(1))
    assert len(weights) == 2


def test_nothing_to_train_on_is_refused(settings: TrainingSettings):
    with pytest.raises(ValueError, match="data"):
        train(settings)


def test_the_exported_file_holds_the_average_not_the_last_weights(settings: TrainingSettings, tmp_path: Path):
    state = train(replace(settings, iterations=2), SCANS)
    out = tmp_path / "weights.safetensors"
    trained = settings.out / "difference-weighting.safetensors"
    export([trained], out, Card(name="made", threshold=0.4, lesion_threshold=0.9))
    with safe_open(out, framework="pt") as file:
        for name, value in state.average.module.state_dict().items():
            assert torch.equal(file.get_tensor(name), value)
    model = load(out)
    assert (model.card.threshold, model.card.lesion_threshold) == (0.4, 0.9)
    assert (model.card.name, model.card.record) == ("made", load(trained).card.record)


def test_only_weights_can_be_exported(tmp_path: Path):
    with pytest.raises(ValueError, match="there is no such file"):
        export([tmp_path / "nothing"], tmp_path / "w.safetensors", Card(name="made"))


def pairs(**changes: object) -> RealPairs:
    values = {"patients": SCANS.training, "patch": (12, 12, 12), "augmented": False, **changes}
    return RealPairs(**values)


def test_both_directions_and_scans_that_are_their_own_prior_occur():
    seen = {"grown": 0, "shrunk": 0, "same": 0}
    whole = pairs(patch=(26, 24, 24))
    for number in range(80):
        current, prior, target, prior_target = whole.example(number)
        if torch.equal(target, prior_target):
            seen["same"] += 1
            assert torch.equal(current, prior) or not torch.allclose(current, prior)
        else:
            seen["grown" if target.sum() > prior_target.sum() else "shrunk"] += 1
    assert min(seen["grown"], seen["shrunk"]) > 20
    assert 2 <= seen["same"] <= 20


def test_the_last_third_of_a_batch_is_centred_on_lesions():
    source = pairs(batch=3, patch=(8, 8, 8))
    for number in range(2, 90, 3):
        target = source.example(number)[2]
        assert target.any() or not source.example(number)[3].any()
    without = sum(not source.example(number)[2].any() for number in range(0, 90, 3))
    assert without > 5


def test_masks_stay_on_their_lesions_under_augmentation():
    source = pairs(patch=(20, 20, 20), augmented=True)
    contrasts = []
    for number in range(30):
        current, _, target, _ = source.example(number)
        inside, outside = target[0] > 0, (target[0] == 0) & current.any(0)
        if inside.sum() > 30:
            contrasts.append((current[1][inside].mean() - current[1][outside].mean()).item())
    assert len(contrasts) > 10
    assert np.median(np.abs(contrasts)) > 1.0


def test_an_example_is_the_same_whatever_the_number_of_processes():
    alone = iter(PairStream([pairs()], [1.0], Place(first=5, size=2)))
    shares = [iter(PairStream([pairs()], [1.0], Place(first=5, size=2, rank=rank, ranks=2))) for rank in range(2)]
    for number in range(8):
        a, b = next(alone), next(shares[number // 2 % 2])
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_sources_are_drawn_by_their_shares():
    real, other = pairs(), pairs(augmented=True)
    stream = PairStream([real, other], [0.25, 0.75], Place())
    drawn = [stream.source_of(number) is real for number in range(400)]
    assert 0.18 < np.mean(drawn) < 0.32


def test_rates_fall_to_zero_and_rise_first_where_the_recipe_warms_up():
    adamw, nnunet = (RECIPES[name] for name in ("adamw", "nnunet"))
    assert nnunet.rate(0, 1000) == 0.01
    assert nnunet.rate(500, 1000) == pytest.approx(0.01 * 0.5**0.9)
    assert adamw.rate(0, 1000) == pytest.approx(3e-3 / 50)
    assert adamw.rate(1000, 1000) == 0.0
    sgd = nnunet.optimizer([torch.nn.Parameter(torch.zeros(1))], learning_rate=None).param_groups[0]
    assert (sgd["momentum"], sgd["nesterov"], sgd["weight_decay"]) == (0.99, True, 3e-5)
