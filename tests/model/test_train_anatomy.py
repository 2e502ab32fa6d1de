"""The anatomy network's training on one small head."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from model.checkpoint import load
from model.train_anatomy import AnatomyRun, anatomy_config, save_anatomy, train_anatomy
from model.training_state import STATE
from model.unet import UNetConfig


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AnatomyRun:
    """A head of three shells, and a network of two stages."""
    config = anatomy_config()
    short = {name: getattr(config, name)[:2] for name in ("features", "kernels", "strides", "encoder_convs")}
    tiny = UNetConfig.model_validate({**config.model_dump(), **short, "features": (8, 16), "decoder_convs": (1,)})
    monkeypatch.setattr("model.train_anatomy.anatomy_config", lambda: tiny)
    radius = np.sqrt(((np.indices((64, 64, 64)) - 32) ** 2).sum(axis=0))
    codes = np.select([radius < 8, radius < 18, radius < 24, radius < 28], [4, 2, 3, 507], 0).astype(np.int16)
    labels = tmp_path / "labels"
    labels.mkdir()
    nib.save(nib.nifti1.Nifti1Image(codes, np.eye(4)), labels / "head.nii.gz")
    return AnatomyRun(labels=labels, out=tmp_path / "run", patch=(32, 32, 32), iterations=12, save_every=6)


@pytest.mark.slow
def test_the_loss_falls_and_the_weights_can_be_used(run: AnatomyRun, tmp_path: Path):
    network = train_anatomy(run)
    rows = (run.out / "log.csv").read_text().splitlines()[1:]
    losses = [float(row.split(",")[1]) for row in rows]
    assert len(losses) == 12
    assert np.mean(losses[-4:]) < np.mean(losses[:4])
    assert (run.out / STATE).exists()
    save_anatomy(network, run, tmp_path / "anatomy.safetensors")
    written = load(tmp_path / "anatomy.safetensors")
    assert written.preprocessing.channels == ("any",)
    assert written.preprocessing.spacing_mm == (2.0, 2.0, 2.0)
