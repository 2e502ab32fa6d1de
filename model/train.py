"""Training: `msdelta train METHOD`, or `python -m model.train --out RUN` on synthetic pairs alone.

A run that is stopped goes on from its checkpoint with the next example of its seed. Under `torchrun` each process takes
its share of the examples and the first one writes.
"""

import argparse
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from model.checkpoint import Card, Preprocessing, load, save
from model.dataset import PairStream, Place, RealPairs, Source, SyntheticPairs
from model.kept_memory import freed_memory_kept
from model.losses import DeepSupervision
from model.network import PairNetwork
from model.processes import agreed, ranks
from model.recipes import RECIPES
from model.training_log import TrainingLog
from model.training_pool import check_pool
from model.training_settings import (
    KEPT_APART,
    TrainingScans,
    TrainingSettings,
    check_patch,
    kept_apart,
    length,
    over,
    record,
    settings_as_text,
)
from model.training_state import STATE, TrainingState, averaged, fresh, keep, restore
from model.training_step import Step, iterate
from model.validation import validation_dice
from model.zoo import build, plan

log = logging.getLogger("model.train")

MIRRORED: tuple[int, ...] = (0, 1, 2)
"""Axes along which labelled scans are mirrored in training, as nnU-Net does: what prediction may average over."""
MIRRORED_SYNTHETIC: tuple[int, ...] = (2,)
"""Painted heads are mirrored left to right only."""

Report = Callable[[int, float, float], None]
"""Is told the iteration, its loss and the part of the run that is done; may raise to stop."""


def train(
    settings: TrainingSettings,
    scans: TrainingScans | None = None,
    *,
    resume: Path | None = None,
    report: Report | None = None,
) -> TrainingState:
    """Trains until `settings.iterations`; `{method}.safetensors` is written with every checkpoint.

    Args:
        settings: the run.
        scans: labelled scans, beside or instead of synthetic pairs.
        resume: a checkpoint to begin from where `settings.out` has none of its own.
        report: is told of every iteration.

    Raises:
        ValueError: nothing to train on, a patch that does not fit the network, a checkpoint or weights of another
            network, or gradients that are not finite.
    """
    torch.set_flush_denormal(True)  # denormals slow CPU training several-fold
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    scans = scans or TrainingScans()
    settings.out.mkdir(parents=True, exist_ok=True)
    state = begun(settings, scans, resume)
    rank, count = ranks()
    step: nn.Module = Step(state.network, DeepSupervision(lesion_balance=settings.lesion_balance))
    if count > 1:
        step = DistributedDataParallel(step, find_unused_parameters=True)
    if not over(settings, state):
        with TrainingLog(settings.out, state.iteration) if rank == 0 else _Silent() as rows, freed_memory_kept():
            _run(settings, state, step, scans, rows, report or _quiet)
    elif rank == 0:
        _export(settings, scans, averaged(state), settings.out / f"{settings.method}.safetensors", state.iteration)
    return state


def write_run(settings: TrainingSettings, scans: TrainingScans, state: TrainingState) -> None:
    """The checkpoint, and the averaged weights as every command takes them."""
    keep(state, settings.out / STATE, settings_as_text(settings, scans))
    _export(settings, scans, averaged(state), settings.out / f"{settings.method}.safetensors", state.iteration)


def _export(settings: TrainingSettings, scans: TrainingScans, network: PairNetwork, path: Path, iteration: int) -> None:
    """Writes weights that every command takes, with a line on how they came about."""
    card = Card(name=settings.method, record=record(settings, scans, iteration))
    mirrored = MIRRORED_SYNTHETIC if settings.data is not None else MIRRORED
    save(path, network, Preprocessing(patch=settings.patch, mirror_axes=mirrored), card)


def _run(
    settings: TrainingSettings,
    state: TrainingState,
    step: nn.Module,
    scans: TrainingScans,
    rows: "TrainingLog | _Silent",
    report: Report,
) -> None:
    rank, _ = ranks()
    batches = _batches(settings, scans, state.iteration)
    started = time.perf_counter() - state.elapsed_s
    for batch in batches:
        value, rate = iterate(settings, state, step, batch)
        state.elapsed_s = time.perf_counter() - started
        last = agreed(over(settings, state))
        dice = None
        if scans.validation and rank == 0 and (last or state.iteration % settings.validate_every == 0):
            dice = _validate(settings, state, scans)
            started = time.perf_counter() - state.elapsed_s  # validation is no training time
        rows.row(state.iteration, loss=value, learning_rate=rate, elapsed_s=state.elapsed_s, validation_dice=dice)
        if state.iteration % 20 == 0:
            log.info("iteration %d  loss %.4f  %.1f s", state.iteration, value, state.elapsed_s)
        if rank == 0 and (last or state.iteration % settings.save_every == 0):
            write_run(settings, scans, state)
        report(state.iteration, value, state.iteration / length(settings, state))
        if last:
            return


def _validate(settings: TrainingSettings, state: TrainingState, scans: TrainingScans) -> float:
    """Dice of the averaged weights; the best ones are written apart."""
    found = validation_dice(averaged(state), scans.validation, patch=settings.patch, bf16=True)
    if found > state.best:
        state.best = found
        best = settings.out / f"{settings.method}-best.safetensors"
        _export(settings, scans, averaged(state), best, state.iteration)
    return found


def begun(settings: TrainingSettings, scans: TrainingScans, resume: Path | None = None) -> TrainingState:
    """A run's state: its own checkpoint, else `resume`, else its weights, else fresh.

    Raises:
        ValueError: a patch that does not fit the network, a checkpoint or weights of another network.
    """
    config = plan(settings.plan, settings.method)
    check_patch(config, settings.patch)
    own = settings.out / STATE
    path = own if own.exists() else resume
    network = build(config)
    if settings.weights is not None and path is None:
        _begin_with(network, settings.weights)
    network = network.to(settings.device)
    recipe = RECIPES[settings.recipe]
    state = fresh(network, recipe, learning_rate=settings.learning_rate, ema_decay=settings.ema_decay)
    if path is not None:
        begun_with = restore(state, path)
        kept = begun_with.get(KEPT_APART)
        if path == own and kept is not None and kept != kept_apart(scans):
            raise ValueError("out: the run was begun with other patients kept apart; it has seen these")
    return state


def _begin_with(network: PairNetwork, path: Path) -> None:
    try:
        model = load(path)
    except ValueError as error:
        raise ValueError(f"weights: {error}") from error
    if model.config != network.config:
        raise ValueError("weights: expected weights of the same method and size")
    network.load_state_dict(model.network.state_dict())


def _batches(settings: TrainingSettings, scans: TrainingScans, iteration: int) -> DataLoader[tuple[Tensor, ...]]:
    rank, count = ranks()
    sources, shares = _sources(settings, scans)
    first = settings.seed * 1_000_000 // settings.batch + iteration * count
    return loader_of(sources, shares, Place(first=first, size=settings.batch, rank=rank, ranks=count), settings)


def loader_of(
    sources: Sequence[Source], shares: Sequence[float], place: Place, settings: TrainingSettings
) -> DataLoader[tuple[Tensor, ...]]:
    """Batches of a place, made by as many processes as the settings say."""
    return DataLoader(
        PairStream(sources, shares, place, territories=settings.lesion_balance > 0),
        batch_size=settings.batch,
        num_workers=settings.loaders,
        prefetch_factor=6 if settings.loaders else None,
        multiprocessing_context="spawn" if settings.loaders else None,
        pin_memory=settings.loaders > 0 and settings.device.startswith("cuda"),
    )


def painted_pairs(settings: TrainingSettings) -> SyntheticPairs:
    """The synthetic pairs of a run.

    Raises:
        ValueError: no folder to make them from, or nothing to make them of in it.
    """
    if settings.data is None:
        raise ValueError("data: expected a folder that synthetic pairs are made from")
    check_pool(settings.data, settings.hold_out, settings.marked_scans)
    return SyntheticPairs(
        data=settings.data,
        cache=settings.kept_in / "pool",
        patch=settings.patch,
        hold_out=settings.hold_out,
        marked_scans=settings.marked_scans,
    )


def _sources(settings: TrainingSettings, scans: TrainingScans) -> tuple[list[Source], list[float]]:
    sources: list[Source] = []
    shares = []
    if settings.data is not None:
        sources.append(painted_pairs(settings))
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


def _quiet(_iteration: int, _loss: float, _done: float) -> None:
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
    parser.add_argument("--marked-scans", type=Path)
    parser.add_argument("--lesion-balance", type=float, default=0.0)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--loaders", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    values = vars(parser.parse_args())
    train(TrainingSettings(**{**values, "hold_out": tuple(values["hold_out"])}))


if __name__ == "__main__":
    main()
