"""Patches that fit a network, the line on its training, and the end of a run."""

from pathlib import Path

import pytest
import torch

from model.losses import DeepSupervision
from model.network import Batch
from model.prepared_patients import PreparedPatient
from model.recipes import RECIPES
from model.training_settings import TrainingScans, TrainingSettings, check_patch, length, over, record
from model.training_state import TrainingState, fresh
from model.zoo import METHODS, Method, build, plan

OUT = Path("run")


def patients(count: int) -> list[PreparedPatient]:
    return [PreparedPatient(name=f"p{n}", scans=(), lesions=()) for n in range(count)]


def state(iteration: int, elapsed_s: float) -> TrainingState:
    made = fresh(build(plan("compact", "szeskin")), RECIPES["adamw"], learning_rate=None, ema_decay=0.9)
    made.iteration, made.elapsed_s = iteration, elapsed_s
    return made


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("size", "patch"), [("compact", (80, 96, 80)), ("full", (128, 160, 128))])
def test_the_default_patches_fit_every_method(method: Method, size: str, patch: tuple[int, int, int]) -> None:
    check_patch(plan(size, method), patch)
    check_patch(plan(size, method), (96, 96, 96) if size == "compact" else (128, 128, 128))


@pytest.mark.parametrize(
    ("method", "patch", "message"),
    [
        ("single", (80, 90, 80), "multiples of 16 16 16 and above 2 of them, saw 80 90 80"),
        ("wu", (32, 48, 48), "saw 32 48 48"),
        ("swin-unetr", (32, 80, 80), "more than 32 32 32"),
        ("denner", (32, 48, 48), "more than 32 32 32"),
    ],
)
def test_a_patch_that_does_not_fit_is_refused(method: Method, patch: tuple[int, int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_patch(plan("compact", method), patch)


@pytest.mark.parametrize("method", ["denner", "szeskin", "swin-unetr"])
def test_the_smallest_patch_with_an_empty_margin_gives_a_usable_gradient(method: Method) -> None:
    torch.manual_seed(1)
    torch.set_flush_denormal(True)
    network, size = build(plan("compact", method)).train(), (33, 33, 33)
    check_patch(network.config, size)
    inside = torch.zeros(size)
    inside[8:-8, 8:-8, 8:-8] = 1
    current, prior = (torch.randn(1, 2, *size) * inside for _ in range(2))
    target = (torch.rand(1, 1, *size) > 0.9).long() * inside.long()
    batch = Batch(current=current, prior=prior, target=target, prior_target=target)
    for _ in range(3):  # whether a kernel reads what nobody wrote is the allocator's chance
        network.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = network.loss(batch, DeepSupervision())
        _leave_nans_in_free_memory()
        loss.backward()
        assert torch.nn.utils.clip_grad_norm_(network.parameters(), 12.0) < 100


def _leave_nans_in_free_memory() -> None:
    left = [torch.full((10**power,), torch.nan) for power in range(3, 8) for _ in range(6)]
    del left


def test_the_record_says_what_was_trained_on() -> None:
    settings = TrainingSettings(out=OUT, data=OUT, recipe="nnunet", iterations=9, synthetic_share=0.25, seed=4)
    scans = TrainingScans(training=patients(3), validation=patients(1))

    assert record(settings, scans, 9) == (
        "nnunet on labelled scans of 3 patients (1 kept apart) and synthetic pairs (25%), 9 of 9 iterations, seed 4"
    )


def test_the_record_names_the_loss_and_the_scans_that_are_not_the_usual() -> None:
    settings = TrainingSettings(out=OUT, data=OUT, iterations=9, lesion_balance=0.05, marked_scans=OUT, seed=4)

    assert record(settings, TrainingScans(), 9) == (
        "adamw with lesion balance 0.05 on synthetic pairs and scans marked by weights, 9 of 9 iterations, seed 4"
    )


def test_a_run_in_minutes_ends_by_the_clock_and_knows_its_length_by_its_speed() -> None:
    settings = TrainingSettings(out=OUT, iterations=10**9, minutes=2.0)

    assert length(settings, state(30, 60.0)) == 60
    assert not over(settings, state(30, 119.0))
    assert over(settings, state(30, 120.0))
    assert over(TrainingSettings(out=OUT, iterations=30), state(30, 1.0))
