"""What a training step changes, and how it is kept: whole or not at all."""

import logging
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError  # what torch raises; nothing is unpickled that is no tensor
from typing import Any, cast

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from model.network import PairNetwork
from model.recipes import Recipe

log = logging.getLogger("model.train")

STATE = "state.pt"
AVERAGED = "module."
"""Prefix of the averaged weights' names."""


@dataclass(slots=True, kw_only=True)
class TrainingState:
    """The network, its moving average, the optimiser, and how far they are."""

    network: PairNetwork
    average: AveragedModel
    optimizer: torch.optim.Optimizer
    iteration: int = 0
    best: float = -1.0
    """Highest validation Dice so far."""
    elapsed_s: float = 0.0
    """Time that the iterations took, over all parts of a run that was stopped."""
    unusable: int = 0
    """Iterations in a row whose gradient could not be used."""


def fresh(network: PairNetwork, recipe: Recipe, *, learning_rate: float | None, ema_decay: float) -> TrainingState:
    """The state before the first step."""
    network.channels_last()
    optimizer = recipe.optimizer(network.parameters(), learning_rate=learning_rate)
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(ema_decay))  # type: ignore[no-untyped-call]
    return TrainingState(network=network, average=average, optimizer=optimizer)


def restore(state: TrainingState, path: Path) -> dict[str, str]:
    """Continues from a checkpoint; the settings that it was begun with.

    Raises:
        ValueError: the checkpoint is of another network or recipe.
    """
    try:
        stored = torch.load(path, weights_only=True, map_location=next(state.network.parameters()).device)
        groups = stored["optimizer"]["param_groups"]
    except (OSError, RuntimeError, KeyError, TypeError, UnpicklingError, EOFError) as error:
        raise ValueError("resume: expected a checkpoint, state.pt") from error
    if set(groups[0]) != set(state.optimizer.param_groups[0]):
        raise ValueError("resume: the checkpoint is of another recipe")
    try:
        state.network.load_state_dict(stored["network"])
        state.average.load_state_dict(stored["average"])
        state.optimizer.load_state_dict(stored["optimizer"])
    except (RuntimeError, ValueError, KeyError) as error:
        raise ValueError("resume: the checkpoint is of another method, plan or recipe") from error
    state.iteration = int(stored["iteration"])
    state.best = float(stored.get("best", -1.0))
    state.elapsed_s = float(stored.get("elapsed_s", 0.0))
    log.info("resumed at iteration %d", state.iteration)
    return dict(stored["settings"])


def keep(state: TrainingState, path: Path, settings: dict[str, str]) -> None:
    """Writes the checkpoint; a run that is stopped meanwhile leaves the one before it."""
    values: dict[str, Any] = {
        "network": state.network.state_dict(),
        "average": state.average.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "iteration": state.iteration,
        "best": state.best,
        "elapsed_s": state.elapsed_s,
        "settings": settings,
    }
    part = path.with_name(f"{path.name}.part")
    torch.save(values, part)
    part.replace(path)


def averaged(state: TrainingState) -> PairNetwork:
    """The network with the moving average of its weights."""
    return cast("PairNetwork", state.average.module)
