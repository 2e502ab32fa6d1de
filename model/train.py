"""Training: `msdelta train METHOD`, or `python -m model.train --out RUN` on synthetic pairs alone.

A run that is stopped goes on from its checkpoint with the next example of its seed. Under `torchrun` each process takes
its share of the examples and the first one writes.
"""

import argparse
import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from model.blocks import Triple
from model.checkpoint import Card, Preprocessing, save
from model.dataset import PairStream, Place, RealPairs, Source, SyntheticPairs
from model.losses import DeepSupervision
from model.network import Batch, PairNetwork, Segmentation
from model.prepared_patients import PreparedPatient
from model.recipes import CLIP, RECIPES, RecipeName
from model.training_log import TrainingLog
from model.training_state import STATE, TrainingState, averaged, fresh, keep, restore
from model.validation import validation_dice
from model.zoo import Method, Plan, build, plan

log = logging.getLogger("model.train")

Report = Callable[[int, float], None]
"""Is told the iteration and its loss; may raise to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """One run; what is here is written into the checkpoint."""

    out: Path
    data: Path | None = None
    """Folder that synthetic pairs are made from; None: labelled scans alone."""
    method: Method = "difference-weighting"
    plan: Plan = "compact"
    recipe: RecipeName = "adamw"
    patch: Triple = (80, 96, 80)
    iterations: int = 2000
    batch: int = 1
    learning_rate: float | None = None
    """None: the recipe's."""
    ema_decay: float = 0.99
    synthetic_share: float = 0.5
    """Part of the examples that are synthetic where there are labelled scans as well."""
    hold_out: tuple[str, ...] = ()
    """Patients of the synthetic pool that are left out of it."""
    seed: int = 1
    threads: int = 1
    loaders: int = 1
    device: str = "cpu"
    save_every: int = 100
    validate_every: int = 250


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingScans:
    """Labelled scans, patients apart."""

    training: Sequence[PreparedPatient] = ()
    validation: Sequence[PreparedPatient] = ()


class Step(nn.Module):
    """The loss as a forward pass, which is what DistributedDataParallel can share."""

    def __init__(self, network: PairNetwork, segmentation: Segmentation) -> None:
        super().__init__()
        self.network, self.segmentation = network, segmentation

    def forward(self, current: Tensor, prior: Tensor, target: Tensor, prior_target: Tensor) -> Tensor:
        batch = Batch(current=current, prior=prior, target=target, prior_target=prior_target)
        return self.network.loss(batch, self.segmentation)


def train(
    settings: TrainingSettings,
    scans: TrainingScans | None = None,
    *,
    resume: Path | None = None,
    report: Report | None = None,
) -> TrainingState:
    """Trains until `settings.iterations` and writes `{method}.safetensors`.

    Args:
        settings: the run.
        scans: labelled scans, beside or instead of synthetic pairs.
        resume: a checkpoint to begin from where `settings.out` has none of its own.
        report: is told of every iteration.

    Raises:
        ValueError: nothing to train on, or a checkpoint of another network.
    """
    torch.set_flush_denormal(True)  # denormals slow CPU training several-fold
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    scans = scans or TrainingScans()
    settings.out.mkdir(parents=True, exist_ok=True)
    state = _state(settings, resume)
    rank, ranks = _ranks()
    step: nn.Module = Step(state.network, DeepSupervision())
    if ranks > 1:
        step = DistributedDataParallel(step, find_unused_parameters=True)
    if state.iteration < settings.iterations:
        with TrainingLog(settings.out) if rank == 0 else _Silent() as rows:
            _run(settings, state, step, scans, rows, report or _quiet)
    if rank == 0:
        export(settings, averaged(state), settings.out / f"{settings.method}.safetensors", state.iteration)
    return state


def export(settings: TrainingSettings, network: PairNetwork, path: Path, iteration: int) -> None:
    """Writes weights that every command takes, with a line on how they came about."""
    made_of = "labelled scans" if settings.data is None else "synthetic pairs"
    record = f"{settings.recipe} on {made_of}, {iteration} of {settings.iterations} iterations, seed {settings.seed}"
    save(path, network, Preprocessing(patch=settings.patch), Card(name=settings.method, record=record))


def _run(
    settings: TrainingSettings,
    state: TrainingState,
    step: nn.Module,
    scans: TrainingScans,
    rows: "TrainingLog | _Silent",
    report: Report,
) -> None:
    recipe, started = RECIPES[settings.recipe], time.perf_counter()
    rank, _ = _ranks()
    for batch in _batches(settings, scans, state.iteration):
        rate = recipe.rate(state.iteration, settings.iterations, learning_rate=settings.learning_rate)
        for group in state.optimizer.param_groups:
            group["lr"] = rate
        value = _update(state, step, batch)
        state.iteration += 1
        last = state.iteration >= settings.iterations
        dice = None
        if scans.validation and rank == 0 and (last or state.iteration % settings.validate_every == 0):
            dice = _validate(settings, state, scans.validation)
        elapsed = time.perf_counter() - started
        rows.row(state.iteration, loss=value, learning_rate=rate, elapsed_s=elapsed, validation_dice=dice)
        if state.iteration % 20 == 0:
            log.info("iteration %d  loss %.4f  %.1f s", state.iteration, value, elapsed)
        if rank == 0 and (last or state.iteration % settings.save_every == 0):
            keep(state, settings.out / STATE, {key: str(value) for key, value in asdict(settings).items()})
        report(state.iteration, value)
        if last:
            return


def _update(state: TrainingState, step: nn.Module, batch: Sequence[Tensor]) -> float:
    """One update; the loss before it."""
    device = next(state.network.parameters()).device
    scans = [tensor.to(device, memory_format=torch.channels_last_3d) for tensor in batch[:2]]
    targets = [tensor.to(device) for tensor in batch[2:]]
    state.network.train()
    with torch.autocast(device.type, dtype=torch.bfloat16):
        value: Tensor = step(*scans, *targets)
    state.optimizer.zero_grad(set_to_none=True)
    value.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(state.network.parameters(), CLIP)
    state.optimizer.step()
    state.average.update_parameters(state.network)
    return value.item()


def _validate(settings: TrainingSettings, state: TrainingState, patients: Sequence[PreparedPatient]) -> float:
    """Dice of the averaged weights; the best ones are written apart."""
    found = validation_dice(averaged(state), patients, patch=settings.patch, bf16=True)
    if found > state.best:
        state.best = found
        best = settings.out / f"{settings.method}-best.safetensors"
        export(settings, averaged(state), best, state.iteration)
    return found


def _state(settings: TrainingSettings, resume: Path | None) -> TrainingState:
    network = build(plan(settings.plan, settings.method)).to(settings.device)
    recipe = RECIPES[settings.recipe]
    state = fresh(network, recipe, learning_rate=settings.learning_rate, ema_decay=settings.ema_decay)
    own = settings.out / STATE
    path = own if own.exists() else resume
    if path is not None:
        restore(state, path)
    return state


def _batches(settings: TrainingSettings, scans: TrainingScans, iteration: int) -> DataLoader[tuple[Tensor, ...]]:
    rank, ranks = _ranks()
    sources, shares = _sources(settings, scans)
    first = settings.seed * 1_000_000 // settings.batch + iteration * ranks
    return DataLoader(
        PairStream(sources, shares, Place(first=first, size=settings.batch, rank=rank, ranks=ranks)),
        batch_size=settings.batch,
        num_workers=settings.loaders,
        prefetch_factor=6 if settings.loaders else None,
        multiprocessing_context="spawn" if settings.loaders else None,
    )


def _sources(settings: TrainingSettings, scans: TrainingScans) -> tuple[list[Source], list[float]]:
    sources: list[Source] = []
    shares = []
    if settings.data is not None:
        pool = settings.out.parent / "pool"
        sources.append(SyntheticPairs(data=settings.data, cache=pool, patch=settings.patch, hold_out=settings.hold_out))
        shares.append(settings.synthetic_share if scans.training else 1.0)
    if scans.training:
        recipe = RECIPES[settings.recipe]
        sources.append(
            RealPairs(patients=scans.training, patch=settings.patch, batch=settings.batch, foreground=recipe.foreground)
        )
        shares.append(1.0 - settings.synthetic_share if settings.data is not None else 1.0)
    if not sources:
        raise ValueError("data: expected labelled scans or a folder for synthetic pairs, saw neither")
    return sources, shares


def _ranks() -> tuple[int, int]:
    """Number of the process, and how many there are."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def join_processes(device: str) -> str:
    """Under `torchrun` joins the other processes; the device of this one."""
    if "LOCAL_RANK" not in os.environ:
        return device
    distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    return f"cuda:{os.environ['LOCAL_RANK']}" if device == "cuda" else device


def _quiet(_iteration: int, _loss: float) -> None:
    return


class _Silent:
    """What the other processes write."""

    def __enter__(self) -> "_Silent":  # noqa: PYI034 (as in TrainingLog)
        return self

    def __exit__(self, *_: object) -> None:
        return

    def row(self, *_: object, **__: object) -> None:
        return


def main() -> None:
    """Trains on synthetic pairs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--method", default="difference-weighting")
    parser.add_argument("--plan", default="compact")
    parser.add_argument("--iterations", type=int, default=2000)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--hold-out", action="append", default=[])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--loaders", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    values = vars(parser.parse_args())
    train(TrainingSettings(**{**values, "hold_out": tuple(values["hold_out"])}))


if __name__ == "__main__":
    main()
