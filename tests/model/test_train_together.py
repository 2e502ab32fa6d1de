"""Several networks on one stream: who learns from what, and that a stopped run goes on where it was."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model.checkpoint import load
from model.dataset import Example
from model.train import painted_pairs
from model.train_together import POSITION, Together, Turns, mirrored, runs_of, train_together
from model.training_settings import TrainingSettings
from model.training_state import STATE
from model.unet import UNetConfig
from model.zoo import Method, Plan
from tests.fixtures.synthetic_pool import write_pool
from tests.fixtures.tiny_unet import TINY


def tiny(_plan: Plan, method: Method = "difference-weighting") -> UNetConfig:
    """Of `single` and `difference-weighting`, which are variants by their own names."""
    return TINY.model_copy(update={"variant": method})


@pytest.fixture(autouse=True)
def small_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.train.plan", tiny)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pool(tmp_path_factory.mktemp("pool"))


@pytest.fixture
def runs(pool: Path, tmp_path: Path) -> Together:
    main = TrainingSettings(
        out=tmp_path / "main", data=pool, patch=(24, 24, 24), iterations=6, batch=2, loaders=0, save_every=3
    )
    methods: tuple[Method, ...] = ("difference-weighting", "single")
    beside = [replace(main, out=tmp_path / m, method=m, hold_out=("patient19",)) for m in methods]
    return Together(main=main, beside=tuple(beside), part=1.0)


class Numbered:
    """Says who was asked for which example."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked: list[int] = []

    def example(self, number: int) -> Example:
        self.asked.append(number)
        one = torch.zeros(())
        return one, one, one, one


def test_two_sources_take_turns_a_batch_each():
    apart, everybody = Numbered("apart"), Numbered("everybody")
    turns = Turns(sources=[apart, everybody], batch=2)
    for number in range(8):
        turns.example(number)
    assert (apart.asked, everybody.asked) == ([0, 1, 4, 5], [2, 3, 6, 7])


def test_both_sources_share_what_they_are_painted_into(runs: Together):
    apart, everybody = (painted_pairs(one).pool for one in (runs.beside[0], runs.main))
    assert {one.name for one in everybody.anatomies} - {one.name for one in apart.anatomies} == {"patient19"}
    assert all(any(one is other for other in everybody.anatomies) for one in apart.anatomies)


def test_those_beside_learn_from_every_second_batch_and_all_are_written(runs: Together):
    main, *beside = train_together(runs)
    assert main.iteration == 6
    assert [one.iteration for one in beside] == [3, 3]
    for one in (runs.main, *runs.beside):
        model = load(one.out / f"{one.method}.safetensors")
        assert model.config == tiny("compact", one.method)
        assert ("without patient19" in model.card.record) == (one is not runs.main)


def test_each_patient_apart_has_a_turn_and_a_network_of_its_own(runs: Together, tmp_path: Path):
    methods = runs.beside
    others = [replace(one, out=tmp_path / f"other {one.method}", hold_out=("patient07",)) for one in methods]
    together = replace(runs, beside=(*methods, others[0]))
    assert [turn.hold_out for turn in together.turns] == [("patient19",), ("patient07",)]
    pools = [painted_pairs(turn).pool for turn in together.turns]
    assert [{"patient07", "patient19"} - {one.name for one in pool.anatomies} for pool in pools] == [
        {"patient19"},
        {"patient07"},
    ]
    assert [turn.hold_out for turn in runs.turns] == [("patient19",), ()]
    main, *beside = train_together(together)
    assert [one.iteration for one in (main, *beside)] == [6, 3, 3, 3]
    assert "without patient07" in load(others[0].out / f"{others[0].method}.safetensors").card.record


def test_while_they_wait_all_learn_again_from_what_they_learnt_from(runs: Together, monkeypatch: pytest.MonkeyPatch):
    learnt: dict[int, list[tuple[int, bool]]] = {}

    def update(_state: object, step: torch.nn.Module, batch: Sequence[torch.Tensor]) -> float:
        number = round(float(batch[0].abs().max()))
        learnt.setdefault(id(step), []).append((number, bool(batch[0][..., 0].any())))
        return 0.5

    def painted(number: int) -> list[torch.Tensor]:
        scan = torch.zeros(2, 2, 24, 24, 24)
        scan[..., 0] = number
        return [scan, scan, scan[:, :1].long(), scan[:, :1].long()]

    monkeypatch.setattr("model.train_together.IDLE_S", -1.0)
    monkeypatch.setattr("model.train_together._batches", lambda *_: map(painted, range(1, 99)))
    monkeypatch.setattr("model.training_step.update", update)
    settings = [replace(one, loaders=1, iterations=16) for one in (runs.main, *runs.beside)]
    other = replace(settings[2], hold_out=("patient07",))
    train_together(Together(main=settings[0], beside=(settings[1], other), part=9.0))
    main, first, second = learnt.values()
    assert [number for number, new in main if new] == list(range(1, 13))
    assert [number for number, new in first if new] == [1, 3, 5, 7, 9, 11]
    assert [number for number, new in second if new] == [2, 4, 6, 8, 10, 12]
    for one in (main, first, second):
        again = [number for number, new in one if not new]
        assert len(again) in {3, 4}
        assert again == [number for number, new in one if new][: len(again)]


def test_those_beside_who_have_had_their_time_wait(runs: Together):
    main, *beside = train_together(replace(runs, part=0.0))
    assert main.iteration == 6
    assert [one.iteration for one in beside] == [1, 1]  # they begin before any time has been used


def test_a_stopped_run_ends_as_one_that_was_not(runs: Together, tmp_path: Path):
    whole = train_together(runs)
    others = [replace(one, out=tmp_path / "again" / one.out.name) for one in (runs.main, *runs.beside)]
    again = replace(runs, main=others[0], beside=tuple(others[1:]))
    train_together(replace(again, main=replace(others[0], iterations=4)))
    for folder in (one.out for one in others):  # its rates were those of a shorter run: only the place is looked at
        assert (folder / STATE).exists()
    resumed = train_together(again)
    assert [one.iteration for one in resumed] == [one.iteration for one in whole]


@pytest.mark.parametrize(("idle_s", "batches"), [(-1.0, 4), (60.0, 6)])
def test_where_main_would_wait_it_learns_from_an_older_batch_mirrored(
    runs: Together, monkeypatch: pytest.MonkeyPatch, idle_s: float, batches: int
):
    scan, target = torch.randn(2, 2, 24, 24, 24), torch.zeros(2, 1, 24, 24, 24, dtype=torch.int64)
    target[:, :, :12, :12, :6] = 1
    learnt: list[torch.Tensor] = []
    monkeypatch.setattr("model.train_together.IDLE_S", idle_s)
    monkeypatch.setattr("model.train_together._batches", lambda *_: [[scan, scan + 0.1, target, target]] * 9)
    monkeypatch.setattr("model.training_step.update", lambda _state, _step, batch: learnt.append(batch[2]) or 0.5)
    alone = Together(main=replace(runs.main, loaders=1))
    train_together(alone)
    assert len(learnt) in {6, 7}
    assert (alone.main.out / POSITION).read_text() == str(batches)
    again = [bool(one[0, 0, 0, 0, -1]) for one in learnt]  # left and right exchanged
    assert sum(not one for one in again) == batches


def test_mirroring_exchanges_left_and_right_of_scans_and_targets():
    batch = [torch.arange(2.0 * 3).reshape(1, 1, 1, 2, 3) + n for n in range(4)]
    for before, after in zip(batch, mirrored(batch), strict=True):
        assert torch.equal(after[..., 0], before[..., 2])


def test_settings_that_do_not_agree_are_refused(runs: Together, tmp_path: Path):
    other = replace(runs.beside[0], out=tmp_path / "other", seed=5)
    with pytest.raises(ValueError, match="patch, batch and seed"):
        train_together(replace(runs, beside=(other,)))
    with pytest.raises(ValueError, match="expected compact or full, saw small"):
        runs_of(["--data", "DATA", "--out", "RUN", "--minutes", "9", "--beside", "single:small"])
    with pytest.raises(ValueError, match="saw unet"):
        runs_of(["--data", "DATA", "--out", "RUN", "--minutes", "9", "--beside", "unet@patient07"])
    with pytest.raises(ValueError, match="a folder for each run"):
        train_together(replace(runs, beside=(replace(runs.beside[0], out=runs.main.out),)))
    with pytest.raises(ValueError, match="data"):
        train_together(replace(runs, main=replace(runs.main, data=None)))


def test_the_command_line_says_what_every_run_shares_and_what_the_main_run_has_for_itself():
    words = (
        "--data DATA --out RUN --minutes 9 --lesion-balance 0.03 --beside single --beside wu:full --apart patient19"
        " --beside single@patient07"
        " --plan full --hold-out patient07"
    )
    runs = runs_of(words.split())
    assert [one.lesion_balance for one in (runs.main, *runs.beside)] == [0.03] * 4
    assert runs.main.plan == "full"
    assert [(one.method, one.plan, one.out.name) for one in runs.beside] == [
        ("single", "compact", "single"),
        ("wu", "full", "wu-full"),
        ("single", "compact", "single-without-patient07"),
    ]
    assert runs.main.hold_out == ("patient07",)
    assert [one.hold_out for one in runs.beside] == [("patient19",), ("patient19",), ("patient07",)]
