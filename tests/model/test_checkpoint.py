"""Weights files: whole, honest about themselves, and unable to run code."""

import os
from pathlib import Path

import pytest
import torch

from model.checkpoint import Card, Preprocessing, load, load_all, save
from model.longiseg import load_checkpoint, rename
from model.unet import build_unet
from tests.fixtures.tiny_unet import TINY


def write(path: Path, name: str = "test") -> None:
    save(path, build_unet(TINY), Preprocessing(patch=(8, 8, 8)), Card(name=name, threshold=0.4))


def test_a_saved_network_computes_the_same_after_loading(tmp_path: Path) -> None:
    network = build_unet(TINY).eval()
    scan = torch.randn(1, 2, 8, 8, 8)
    save(tmp_path / "a.safetensors", network, Preprocessing(patch=(8, 8, 8)), Card(name="x", threshold=0.4))

    loaded = load(tmp_path / "a.safetensors")

    torch.testing.assert_close(loaded.network(scan, scan)[0], network(scan, scan)[0])
    assert loaded.card.threshold == 0.4
    assert len(loaded.sha256) == 64


@pytest.mark.parametrize("content", [b"", b"not weights at all", b"\x80\x04\x95"])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)

    with pytest.raises(ValueError, match="path"):
        load(path)


def test_a_folder_is_an_ensemble_of_one_plan(tmp_path: Path) -> None:
    write(tmp_path / "fold_0.safetensors")
    write(tmp_path / "fold_1.safetensors")

    assert len(load_all(tmp_path)) == 2


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="saw none"):
        load_all(tmp_path)


class Attack:
    """What a hostile checkpoint holds: a call that the unpickler would make."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


def test_a_hostile_checkpoint_is_refused_and_nothing_runs(tmp_path: Path) -> None:
    trace = tmp_path / "was_here"
    torch.save({"network_weights": {}, "trainer_name": Attack(trace)}, tmp_path / "checkpoint_final.pth")

    with pytest.raises(ValueError, match="tensors and plain values alone"):
        load_checkpoint(tmp_path / "checkpoint_final.pth")

    assert not trace.exists()


def test_aliases_that_disagree_are_refused() -> None:
    name = "backbone.encoder.stages.0.0.convs.0."
    weights = {name + "conv.weight": torch.zeros(1), name + "all_modules.0.weight": torch.ones(1)}

    with pytest.raises(ValueError, match="two names"):
        rename(weights)
