from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from model.calling import Thresholds
from model.checkpoint import load
from model.export_weights import export
from model.losses import DeepSupervision
from model.train import TrainingSettings, TrainingState, fresh, resume, save_state, step
from model.unet import UNetConfig, build

SHAPE = (48, 48, 48)
"""With 32 the coarsest stage is 2x2x2, where this version of oneDNN gives NaN as bf16 weight gradient."""


@pytest.fixture
def settings(tmp_path: Path) -> TrainingSettings:
    torch.manual_seed(0)
    return TrainingSettings(data=tmp_path, out=tmp_path, patch=SHAPE, learning_rate=1e-3)


def one_sample(shape: tuple[int, int, int] = SHAPE) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Noise of which the current scan has a bright cube on FLAIR, and the prior has not."""
    generator = torch.Generator().manual_seed(1)
    current, prior = (0.3 * torch.randn(1, 2, *shape, generator=generator) for _ in range(2))
    target = torch.zeros(1, 1, *shape, dtype=torch.int64)
    target[..., 10:18, 12:20, 8:16] = 1
    current[:, 1:] += 2 * target
    return current, prior, target


def small_state() -> TrainingState:
    """Two stages of few features: the whole machinery of a step, a tenth of its cost."""
    config = UNetConfig(
        variant="difference-weighting",
        features=(8, 16),
        kernels=((3, 3, 3),) * 2,
        strides=((1, 1, 1), (2, 2, 2)),
        encoder_convs=(2, 2),
        decoder_convs=(2,),
    )
    network = build(config)
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    return TrainingState(network=network, average=average, optimizer=optimizer)


def test_one_sample_is_overfitted_in_seconds():
    torch.manual_seed(0)
    torch.set_flush_denormal(True)
    state, loss, sample = small_state(), DeepSupervision(), one_sample((24, 24, 24))
    values = [step(state, loss, sample) for _ in range(80)]
    assert values[-1] < 0.2 * values[0]
    state.network.eval()
    with torch.inference_mode():
        found = state.network(sample[0], sample[1])[0].argmax(1, keepdim=True)
    dice = 2 * (found * sample[2]).sum() / (found.sum() + sample[2].sum())
    assert dice > 0.9


def test_a_resumed_run_takes_the_same_step_as_one_that_never_stopped(settings: TrainingSettings):
    loss, sample = DeepSupervision(), one_sample()
    going = fresh(settings)
    for _ in range(2):
        step(going, loss, sample)
        going.iteration += 1
    save_state(going, settings)
    stopped = resume(settings)
    assert stopped.iteration == 2
    assert step(going, loss, sample) == step(stopped, loss, sample)
    for a, b in zip(going.network.parameters(), stopped.network.parameters(), strict=True):
        assert torch.equal(a, b)
    for a, b in zip(going.average.parameters(), stopped.average.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_exported_file_holds_the_average_not_the_last_weights(settings: TrainingSettings, tmp_path: Path):
    state, loss, sample = fresh(settings), DeepSupervision(), one_sample()
    for _ in range(2):
        step(state, loss, sample)
    save_state(state, settings)
    out = tmp_path / "weights.safetensors"
    export(tmp_path, out, name="made", thresholds=Thresholds(voxel=0.4, lesion=0.9))
    with safe_open(out, framework="pt") as file:
        for name, value in state.average.module.state_dict().items():
            assert torch.equal(file.get_tensor(name), value)
    model = load(out)
    assert (model.card.threshold, model.card.lesion_threshold) == (0.4, 0.9)
    assert model.preprocessing.patch == SHAPE


def test_a_run_without_checkpoint_cannot_be_exported(tmp_path: Path):
    with pytest.raises(ValueError, match="run"):
        export(tmp_path, tmp_path / "w.safetensors", name="made", thresholds=Thresholds(voxel=0.5))
