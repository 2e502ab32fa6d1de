"""Every method under one budget: what is trained, what is left alone, and the table."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import SimpleITK as sitk

from model import zoo
from model.training_settings import TrainingSettings
from service.contracts.input_errors import InvalidOption
from tests.fixtures.labelled_patients import PATIENTS, write_nnunet
from tests.fixtures.synthetic_pool import write_pool
from tests.fixtures.tiny_unet import TINY
from worker.commands.baselines import BASELINES
from worker.commands.benchmark import BenchmarkRequest, run_benchmark
from worker.commands.evaluate import PredictionOptions


def bright_on_flair(scans: Path, patients: Mapping[str, Sequence[str]], masks: Path) -> None:
    """A method whose answer is right on the made heads."""
    masks.mkdir(parents=True, exist_ok=True)
    for name in (name for names in patients.values() for name in names):
        flair = sitk.ReadImage(str(scans / f"{name}_0001.nii.gz"))
        sitk.WriteImage(flair > 140, str(masks / f"{name}.nii.gz"))


@pytest.fixture(autouse=True)
def tiny_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.train.plan", lambda *_: TINY)
    monkeypatch.setattr("worker.commands.train.plan", lambda *_: TINY)
    monkeypatch.setattr("worker.commands.benchmark.plan", lambda *_: TINY)
    monkeypatch.setitem(BASELINES, "bright", bright_on_flair)


@pytest.fixture
def request_of(tmp_path: Path) -> BenchmarkRequest:
    return BenchmarkRequest(
        methods=["bright", "difference-weighting"],
        settings=TrainingSettings(out=tmp_path / "out", patch=(20, 20, 20), iterations=2, loaders=0, recipe="adamw"),
        data=write_nnunet(tmp_path / "data"),
        folds=2,
        fold=None,
        pairs=2,
        pair_size=(32, 32, 32),
        prediction=PredictionOptions(device="cpu"),
    )


def results(request: BenchmarkRequest) -> dict[str, dict[str, object]]:
    rows = json.loads((request.settings.out / "results.json").read_text())["methods"]
    return {row["method"]: row for row in rows}


def test_each_patient_is_scored_once_by_a_network_that_did_not_see_it(request_of: BenchmarkRequest) -> None:
    run_benchmark(request_of)

    out = request_of.settings.out / "difference-weighting"
    apart = [
        (out / f"fold_{fold}" / "log.csv").exists() and json.loads((out / f"fold_{fold}" / "done.json").read_text())
        for fold in range(2)
    ]
    assert [one["iterations"] for one in apart] == [2, 2]
    assert len(list((out / "masks").glob("*.nii.gz"))) == sum(map(len, PATIENTS.values()))
    table = (request_of.settings.out / "benchmark.md").read_text()
    assert "| difference-weighting | 2 | 4 |" in table
    assert "budget of a training: 2 iterations" in table


def test_a_right_baseline_stands_in_the_table_with_the_papers_numbers(request_of: BenchmarkRequest) -> None:
    run_benchmark(replace(request_of, methods=["bright"]))

    table = (request_of.settings.out / "benchmark.md").read_text()
    assert "| bright | 100.00 | 0.00 | 100.00 | 100.00 | 0.00 | 100.00 |" in table
    new = sum(len(set(later) - set(first)) for first, later in PATIENTS.values())
    gone = sum(len(set(first) - set(later)) for first, later in PATIENTS.values())
    change = results(request_of)["bright"]["scores"]["change"]
    assert [(change[s]["true"], change[s]["found"], change[s]["false"]) for s in ("new", "resolved")] == [
        (new, new, 0),
        (gone, gone, 0),
    ]
    assert "| bright | - | - | - | - |" in table


def test_what_is_done_is_not_done_again_and_stays_in_the_table(request_of: BenchmarkRequest) -> None:
    run_benchmark(request_of)
    weights = list(request_of.settings.out.rglob("*.safetensors"))
    made = {path: path.stat().st_mtime_ns for path in weights}

    run_benchmark(replace(request_of, methods=["bright"]))

    assert len(made) == 4  # last and best of each fold
    assert {path: path.stat().st_mtime_ns for path in weights} == made
    assert set(results(request_of)) == {"bright", "difference-weighting"}


def test_another_budget_needs_another_folder(request_of: BenchmarkRequest) -> None:
    run_benchmark(replace(request_of, methods=["bright"]))

    longer = replace(request_of, settings=replace(request_of.settings, iterations=3))
    with pytest.raises(InvalidOption, match="of another benchmark"):
        run_benchmark(longer)


def test_minutes_end_a_training_before_its_iterations(request_of: BenchmarkRequest) -> None:
    settings = replace(request_of.settings, iterations=10**9, minutes=0.02, recipe="nnunet")
    run_benchmark(replace(request_of, settings=settings, methods=["difference-weighting"], fold=1))

    effort = results(request_of)["difference-weighting"]["efforts"][0]
    assert 0 < effort["iterations"] < 10_000
    assert effort["seconds"] >= 1.2
    log = (request_of.settings.out / "difference-weighting" / "fold_1" / "log.csv").read_text().splitlines()
    rates = [float(row.split(",")[2]) for row in log[1:]]
    assert rates[-1] < rates[0] / 2  # the schedule ends with the time


def test_methods_meet_on_painted_pairs_of_a_patient_who_is_held_out(
    request_of: BenchmarkRequest, tmp_path: Path
) -> None:
    settings = replace(request_of.settings, data=write_pool(tmp_path / "pool"), hold_out=("patient19",))
    run_benchmark(replace(request_of, settings=settings, data=None, methods=["difference-weighting"]))

    row = results(request_of)["difference-weighting"]
    assert row["scores"]["change"]["pairs"] == 2
    assert row["real"]["change"]["pairs"] == 1
    assert row["real"]["change"]["new"]["true"] == row["real"]["change"]["resolved"]["true"] == 0
    assert "## The real scan of the patient who is held out" in (settings.out / "benchmark.md").read_text()
    assert "synthetic pairs without patient19" in _record(settings.out)


def test_a_patch_that_does_not_fit_a_later_method_is_refused_before_the_first_is_trained(
    request_of: BenchmarkRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.commands.benchmark.plan", zoo.plan)
    settings = replace(request_of.settings, patch=(40, 40, 40))
    with pytest.raises(
        InvalidOption, match="wu: patch: expected multiples of 16 16 16 and above 2 of them, saw 40 40 40"
    ):
        run_benchmark(replace(request_of, settings=settings, methods=["swin-unetr", "wu"]))
    assert not settings.out.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"methods": ["nonet"]}, "methods: expected some of"), ({"data": None}, "data: expected labelled scans")],
)
def test_what_cannot_be_compared_is_a_named_error(
    request_of: BenchmarkRequest, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidOption, match=message):
        run_benchmark(replace(request_of, **changes))


def _record(out: Path) -> str:
    from model.checkpoint import load

    return load(next(out.rglob("difference-weighting.safetensors"))).card.record
