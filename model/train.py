"""Training: `python -m model.train --out RUN` (resumes from RUN when it holds a checkpoint).

The schedule is given as iterations; a run that is stopped continues with the next sample of its seed.
"""

import argparse
import csv
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from model.dataset import SyntheticPairs
from model.losses import DeepSupervision
from model.unet import LongitudinalUNet, Variant, build
from model.zoo import Plan, plan

log = logging.getLogger("model.train")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """One run; what is here is written into the checkpoint."""

    data: Path
    out: Path
    method: Variant = "difference-weighting"
    plan: Plan = "compact"
    patch: tuple[int, int, int] = (80, 96, 80)
    iterations: int = 2000
    batch: int = 1
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    ema_decay: float = 0.99
    seed: int = 1
    threads: int = 1
    loaders: int = 1
    device: str = "cpu"
    save_every: int = 100


@dataclass(slots=True, kw_only=True)
class TrainingState:
    """What a step changes, all of which a checkpoint holds."""

    network: LongitudinalUNet
    average: AveragedModel
    optimizer: torch.optim.Optimizer
    iteration: int = 0


def train(settings: TrainingSettings) -> TrainingState:
    """Trains until `settings.iterations`, from the last checkpoint in `settings.out` if there is one."""
    torch.set_flush_denormal(True)  # denormals slow CPU training several-fold
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    settings.out.mkdir(parents=True, exist_ok=True)
    state = resume(settings)
    loss = DeepSupervision()
    started = time.perf_counter()
    for current, prior, target in _batches(settings, state.iteration):
        _set_rate(state, settings)
        value = step(state, loss, (current, prior, target))
        state.iteration += 1
        _log_row(settings, state, value, time.perf_counter() - started)
        if state.iteration % settings.save_every == 0 or state.iteration >= settings.iterations:
            save_state(state, settings)
        if state.iteration >= settings.iterations:
            return state
    return state


def step(state: TrainingState, loss: nn.Module, batch: tuple[Tensor, Tensor, Tensor]) -> float:
    """One update; the loss before it."""
    current, prior, target = batch
    device = next(state.network.parameters()).device
    current = current.to(device, memory_format=torch.channels_last_3d)
    prior = prior.to(device, memory_format=torch.channels_last_3d)
    state.network.train()
    with torch.autocast(device.type, dtype=torch.bfloat16):
        logits = state.network(current, prior)
    value: Tensor = loss(logits, target.to(device))
    state.optimizer.zero_grad(set_to_none=True)
    value.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(state.network.parameters(), 12.0)
    state.optimizer.step()
    state.average.update_parameters(state.network)
    return value.item()


def fresh(settings: TrainingSettings) -> TrainingState:
    """Networks and optimizer before the first step."""
    network = build(plan(settings.plan, settings.method)).to(settings.device)
    network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, betas=(0.9, 0.98)
    )
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(settings.ema_decay))  # type: ignore[no-untyped-call]
    return TrainingState(network=network, average=average, optimizer=optimizer)


def resume(settings: TrainingSettings) -> TrainingState:
    """The state of `settings.out`, or a fresh one."""
    state = fresh(settings)
    path = settings.out / "state.pt"
    if path.exists():
        stored = torch.load(path, weights_only=True, map_location=settings.device)
        state.network.load_state_dict(stored["network"])
        state.average.load_state_dict(stored["average"])
        state.optimizer.load_state_dict(stored["optimizer"])
        state.iteration = stored["iteration"]
        log.info("resumed at iteration %d", state.iteration)
    return state


def save_state(state: TrainingState, settings: TrainingSettings) -> None:
    """Writes `state.pt` whole or not at all."""
    values: dict[str, Any] = {
        "network": state.network.state_dict(),
        "average": state.average.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "iteration": state.iteration,
        "settings": {key: str(value) for key, value in asdict(settings).items()},
    }
    part = settings.out / "state.pt.part"
    torch.save(values, part)
    part.replace(settings.out / "state.pt")


def _batches(settings: TrainingSettings, iteration: int) -> DataLoader[tuple[Tensor, Tensor, Tensor]]:
    dataset = SyntheticPairs(
        data=settings.data,
        cache=settings.out.parent / "pool",
        patch=settings.patch,
        seed=settings.seed * 1_000_000,
        start=iteration * settings.batch,
    )
    return DataLoader(
        dataset,
        batch_size=settings.batch,
        num_workers=settings.loaders,
        prefetch_factor=6 if settings.loaders else None,
        multiprocessing_context="spawn" if settings.loaders else None,
    )


def _set_rate(state: TrainingState, settings: TrainingSettings) -> None:
    """Linear warm-up over 50 steps, then polynomial decay (0.9)."""
    left = max(0.0, 1.0 - state.iteration / settings.iterations)
    warm = min(1.0, (state.iteration + 1) / 50)
    for group in state.optimizer.param_groups:
        group["lr"] = settings.learning_rate * warm * left**0.9


def _log_row(settings: TrainingSettings, state: TrainingState, value: float, elapsed_s: float) -> None:
    path = settings.out / "log.csv"
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(("iteration", "loss", "learning_rate", "elapsed_s"))
        rate = state.optimizer.param_groups[0]["lr"]
        writer.writerow((state.iteration, f"{value:.4f}", f"{rate:.6f}", f"{elapsed_s:.1f}"))
    if state.iteration % 20 == 0:
        log.info("iteration %d  loss %.4f  %.1f s", state.iteration, value, elapsed_s)


def main() -> None:
    """Reads the command line and trains."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--method", default="difference-weighting")
    parser.add_argument("--plan", default="compact")
    parser.add_argument("--iterations", type=int, default=2000)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--loaders", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    train(TrainingSettings(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
