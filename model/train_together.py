r"""Several networks learn from one stream of synthetic pairs, sample for sample, on one GPU.

A GPU learns from a sample faster than a core makes it. So one stream feeds them all: one network to use, and others to
compare with it and with each other, which see the same samples in the same order.

    python -m model.train_together --data DATA --out RUN --minutes 25 --device cuda --loaders 15 --batch 2 \
        --weights model/weights/compact.safetensors --apart patient19 \
        --beside difference-weighting --beside single --beside longitudinal-concat

    batch   0   1   2   3 ...    even: nothing of the patient who is kept apart; odd: from everybody
    main    *   *   *   *        and an older one, mirrored, where it would have to wait for the next
    beside  *       *            or none of them, where they have had their part of the time

`--beside METHOD@PATIENT` keeps a patient of its own apart. With several of them a batch is without one of these, then
without the next: leave-one-patient-out, as many networks as patients, beside the one that sees them all.

    batch   0   1   2   3 ...    even: nothing of patient07; odd: nothing of patient19
    main    *   *   *   *        the older batches are learnt from by the three in turn
    @07     *       *
    @19         *       *
"""

import argparse
import logging
import time
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from model.dataset import Example, Place, Source
from model.losses import DeepSupervision
from model.train import begun, loader_of, painted_pairs, write_run
from model.training_log import TrainingLog
from model.training_settings import TrainingScans, TrainingSettings, over
from model.training_state import TrainingState
from model.training_step import Step, iterate
from model.zoo import METHODS, Method, Plan

log = logging.getLogger("model.train")

KEPT = 64
"""Batches that wait to be learnt from once more, mirrored, when the stream keeps the GPU waiting."""
IDLE_S = 0.02
"""Such a wait: longer than a batch that is ready takes to hand over."""
POSITION = "position.txt"
"""Batches that the run has had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """One network to use, and those beside it."""

    main: TrainingSettings
    beside: tuple[TrainingSettings, ...] = ()
    """With the data, patch, batch and seed of `main`; they learn from the batches that leave out their `hold_out`."""
    part: float = 0.6
    """Of the time, at most, that those beside have."""

    @property
    def turns(self) -> tuple[TrainingSettings, ...]:
        """Whose batches take turns: one run of each `hold_out`, and `main` where there are fewer than two."""
        apart = {one.hold_out: one for one in reversed(self.beside)}
        first = tuple(apart[hold_out] for hold_out in dict.fromkeys(one.hold_out for one in self.beside))
        return first if len(first) > 1 else (*first, self.main)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns(Source):
    """The examples of one source after those of another, a batch each."""

    sources: Sequence[Source]
    batch: int

    def example(self, number: int) -> Example:
        """Of the source whose turn it is."""
        return self.sources[number // self.batch % len(self.sources)].example(number)


class _Learner:
    """One run: its state, and what it writes."""

    def __init__(self, settings: TrainingSettings) -> None:
        settings.out.mkdir(parents=True, exist_ok=True)
        self.settings = settings
        self.scans = TrainingScans()
        self.state: TrainingState = begun(settings, self.scans)
        self.rows = TrainingLog(settings.out, self.state.iteration)
        self.used_s = 0.0
        self._step = Step(self.state.network, DeepSupervision(lesion_balance=settings.lesion_balance))

    def learn(self, batch: Sequence[Tensor], elapsed_s: float) -> None:
        """One iteration; `elapsed_s`: of the whole run."""
        started = time.perf_counter()
        self.state.elapsed_s = elapsed_s
        loss, rate = iterate(self.settings, self.state, self._step, batch)
        self.rows.row(self.state.iteration, loss=loss, learning_rate=rate, elapsed_s=elapsed_s, validation_dice=None)
        self.used_s += time.perf_counter() - started

    def write(self) -> None:
        """The checkpoint and the weights."""
        write_run(self.settings, self.scans, self.state)


class _Party:
    """Those who learn from the same batches."""

    def __init__(self, learners: Sequence[_Learner]) -> None:
        self.learners = learners
        self.older: deque[list[Tensor]] = deque(maxlen=KEPT)

    def learn(self, batch: Sequence[Tensor], elapsed_s: float) -> None:
        """One iteration of each."""
        for one in self.learners:
            one.learn(batch, elapsed_s)

    def learn_again(self, elapsed_s: float) -> None:
        """From the oldest of the batches that were kept, if there is one."""
        if self.older:
            self.learn(mirrored(self.older.popleft()), elapsed_s)


def train_together(runs: Together) -> tuple[TrainingState, ...]:
    """Trains all of them until `main` has had its iterations or its time; the states, `main` first.

    A run that is stopped goes on from the last `save_every` batches.

    Raises:
        ValueError: no pool, or settings that do not agree.
    """
    main = runs.main
    _check(runs)
    torch.manual_seed(main.seed)
    torch.set_num_threads(main.threads)
    torch.backends.cudnn.benchmark = True  # every batch has the same shape
    learners = [_Learner(settings) for settings in (main, *runs.beside)]
    with ExitStack() as logs:
        for one in learners:
            logs.enter_context(one.rows)
        _run(runs, learners)
    return tuple(one.state for one in learners)


def _run(runs: Together, learners: Sequence[_Learner]) -> None:
    main, (first, *beside) = runs.main, learners
    alone = _Party([first])
    turns = [_Party([one for one in beside if one.settings.hold_out == turn.hold_out]) for turn in runs.turns]
    waiting = deque([alone, *(party for party in turns if party.learners)])
    where = main.out / POSITION
    position = int(where.read_text()) if where.exists() else 0
    before = elapsed = first.state.elapsed_s
    started = time.perf_counter()
    batches = iter(_batches(runs, position))
    waited = 0.0
    while not over(main, first.state):
        in_time = sum(one.used_s for one in beside) <= runs.part * (elapsed - before)
        if waited > IDLE_S:
            waiting.rotate(-1)
            if waiting[0] is alone or in_time:
                waiting[0].learn_again(before + time.perf_counter() - started)
        asked = time.perf_counter()
        painted = next(batches)
        waited = time.perf_counter() - asked
        batch = [tensor.to(main.device) for tensor in painted]
        elapsed = before + time.perf_counter() - started
        for party in (alone, turns[position % len(turns)]) if in_time else (alone,):
            party.learn(batch, elapsed)
            if main.loaders:  # else it painted this one itself, which is no waiting
                party.older.append(batch)
        position += 1
        if position % main.save_every == 0 or over(main, first.state):
            for one in learners:
                one.write()
            where.write_text(str(position))
            log.info("%d batches, %s updates, %.0f s", position, [one.state.iteration for one in learners], elapsed)


def mirrored(batch: Sequence[Tensor]) -> list[Tensor]:
    """The same pairs, left and right exchanged."""
    return [torch.flip(tensor, (-1,)) for tensor in batch]


def _check(runs: Together) -> None:
    main = runs.main
    alike = {(one.data, one.kept_in, one.patch, one.batch, one.seed, one.marked_scans) for one in (main, *runs.beside)}
    if len(alike) > 1:
        raise ValueError("beside: expected the data, patch, batch and seed of the main run")
    if len({one.out for one in (main, *runs.beside)}) < 1 + len(runs.beside):
        raise ValueError("beside: expected a folder for each run")


def _batches(runs: Together, position: int) -> DataLoader[tuple[Tensor, ...]]:
    main = runs.main
    turns = Turns(sources=[painted_pairs(turn) for turn in runs.turns], batch=main.batch)
    first = main.seed * 1_000_000 // main.batch // len(runs.turns) * len(runs.turns) + position
    return loader_of([turns], [1.0], Place(first=first, size=main.batch), main)


def main() -> None:
    """Trains what the command line asks for."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    train_together(runs_of())


def runs_of(words: Sequence[str] | None = None) -> Together:
    """The runs that a command line asks for; None: this process's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--method", default="difference-weighting")
    parser.add_argument("--weights", type=Path, help="that the main run begins with")
    parser.add_argument("--learning-rate", type=float, help="of the main run")
    parser.add_argument("--plan", choices=["compact", "full"], default="compact", help="of the main run")
    parser.add_argument("--hold-out", action="append", default=[], metavar="PATIENT", help="of the main run")
    parser.add_argument("--lesion-balance", type=float, default=0.0, help="of every run")
    parser.add_argument("--beside", action="append", default=[], metavar="METHOD[:PLAN][@PATIENT]")
    parser.add_argument("--part", type=float, default=0.6)
    parser.add_argument("--apart", action="append", default=[], metavar="PATIENT")
    parser.add_argument("--marked-scans", type=Path)
    parser.add_argument("--patch", type=int, nargs=3, default=(80, 96, 80))
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--iterations", type=int, default=1_000_000)
    parser.add_argument("--ema-decay", type=float, default=0.99)
    parser.add_argument("--save-every", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--loaders", type=int, default=1)
    parser.add_argument("--device", default="cuda")
    arguments = parser.parse_args(words)
    out: Path = arguments.out
    shared = TrainingSettings(
        out=out / "main",
        data=arguments.data,
        method=arguments.method,
        marked_scans=arguments.marked_scans,
        patch=tuple(arguments.patch),
        batch=arguments.batch,
        minutes=arguments.minutes,
        iterations=arguments.iterations,
        ema_decay=arguments.ema_decay,
        lesion_balance=arguments.lesion_balance,
        save_every=arguments.save_every,
        seed=arguments.seed,
        loaders=arguments.loaders,
        device=arguments.device,
        cache=out.parent,
    )
    beside = [_beside(words, shared, tuple(arguments.apart)) for words in arguments.beside]
    main_run = replace(
        shared,
        plan=arguments.plan,
        hold_out=tuple(arguments.hold_out),
        weights=arguments.weights,
        learning_rate=arguments.learning_rate,
    )
    return Together(main=main_run, beside=tuple(beside), part=arguments.part)


def _beside(words: str, shared: TrainingSettings, apart: tuple[str, ...]) -> TrainingSettings:
    """METHOD[:PLAN][@PATIENT]."""
    name, _, patient = words.partition("@")
    method, _, plan = name.partition(":")
    return replace(
        shared,
        out=shared.out.parent / words.replace(":", "-").replace("@", "-without-"),
        method=_method(method),
        plan=_plan(plan),
        hold_out=(patient,) if patient else apart,
    )


def _method(name: str) -> Method:
    if name not in METHODS:
        raise ValueError(f"beside: expected one of {', '.join(METHODS)}, saw {name}")
    return name


def _plan(name: str) -> Plan:
    if name not in {"", "compact", "full"}:
        raise ValueError(f"beside: expected compact or full, saw {name}")
    return "full" if name == "full" else "compact"


if __name__ == "__main__":
    main()
