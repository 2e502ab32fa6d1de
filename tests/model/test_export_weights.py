from pathlib import Path

import pytest
import torch

from model.checkpoint import Card, Preprocessing, load, save
from model.export_weights import export
from model.unet import UNetConfig, build_unet
from tests.fixtures.tiny_unet import TINY

CARD = Card(name="mean", threshold=0.6, lesion_threshold=0.9, self_prior=0.5)


def write(path: Path, *, value: float, config: UNetConfig = TINY, record: str = "") -> Path:
    """A network of which every weight is `value`."""
    network = build_unet(config)
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.fill_(value)
    save(path, network, Preprocessing(patch=(8, 8, 8)), Card(name="run", record=record))
    return path


def test_every_weight_of_the_mean_is_the_mean_of_the_runs(tmp_path: Path):
    runs = [write(tmp_path / f"{n}", value=value, record=f"run {n}") for n, value in enumerate((1.0, 2.0, 6.0))]
    export(runs, tmp_path / "mean", CARD)
    mean = load(tmp_path / "mean")
    assert all(torch.all(tensor == 3.0) for tensor in mean.network.state_dict().values())
    assert mean.card == CARD.model_copy(update={"record": "mean of: run 0; run 1; run 2"})


def test_the_training_can_be_told_in_a_line_of_its_own(tmp_path: Path):
    run = write(tmp_path / "run", value=1.0, record="a run")
    export([run], tmp_path / "out", CARD.model_copy(update={"record": "what was done"}))
    assert load(tmp_path / "out").card.record == "what was done"


def test_half_precision_is_half_the_size_and_read_as_the_same_network(tmp_path: Path):
    run = write(tmp_path / "run", value=1.0009765625)  # a number that half precision has
    export([run], tmp_path / "out", CARD, half=True)
    whole, half = load(run).network.state_dict(), load(tmp_path / "out").network.state_dict()
    assert all(torch.equal(whole[name], half[name]) and half[name].dtype == torch.float32 for name in whole)
    assert (tmp_path / "out").stat().st_size < 0.7 * run.stat().st_size


def test_networks_of_two_plans_have_no_mean(tmp_path: Path):
    runs = [write(tmp_path / f"{n}", value=1.0, config=TINY.model_copy(update={"features": (4, n)})) for n in (8, 12)]
    with pytest.raises(ValueError, match="must share architecture and preprocessing"):
        export(runs, tmp_path / "mean", CARD)
    assert not (tmp_path / "mean").exists()
