"""`msdelta benchmark`: every method trained under one budget and scored on the same patients.

    OUT/{method}/{part}/            the training, and done.json when its patients are segmented
    OUT/{method}/masks/ scores.json all parts together
    OUT/results.json benchmark.md   the table

A part is a fold of a labelled folder, or the painted pairs of a patient who is held out; that patient's real scan is
scored apart, in OUT/{method}/real. What is done is kept.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from model.blocks import Triple
from model.held_out_pairs import write_held_out_pairs
from model.labelled_folder import LabelledPatient
from model.training_settings import TrainingSettings, check_patch
from model.zoo import METHODS, Method, plan
from service.contracts.input_errors import InvalidOption
from worker.commands.baselines import BASELINES
from worker.commands.benchmark_table import Effort, Result, as_markdown
from worker.commands.evaluate import (
    PredictionOptions,
    patients_to_score,
    predict_with_baseline,
    predict_with_weights,
    score_masks,
)
from worker.commands.train import Fold, train_method

PLAN, RESULTS, TABLE = "plan.json", "results.json", "benchmark.md"
HELD_OUT = "held_out"
DONE, SCORES = "done.json", "scores.json"
CACHE = "cache"


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkRequest:
    """One run of the command."""

    methods: Sequence[str]
    settings: TrainingSettings
    """Of every training but for method and folder; `out` is the benchmark's folder."""
    data: Path | None
    """Labelled scans; None: painted pairs, those of the patient in `settings.hold_out` to score on."""
    folds: int
    fold: int | None
    """One fold of them; None: all, so that each patient is scored once."""
    pairs: int
    """Painted pairs to score on."""
    pair_size: Triple = (128, 160, 128)
    """Voxels (1 mm) of each: nearly a whole brain, which a method without tiles needs."""
    prediction: PredictionOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One training and the patients to score it on."""

    name: str
    folders: Sequence[Path]
    fold: Fold | None
    patients: Sequence[LabelledPatient]
    real: Sequence[LabelledPatient] = ()
    """The real scan of the patient whose painted pairs are scored."""


def run_benchmark(request: BenchmarkRequest) -> None:
    """Trains and scores what is not done yet, and writes the table after each method.

    Raises:
        InvalidOption: an unknown method, data that cannot be used, or a folder with another benchmark.
        UnusableScans: some scans have no mask.
    """
    unknown = [name for name in request.methods if name not in (*METHODS, *BASELINES)]
    if unknown:
        raise InvalidOption(f"methods: expected some of {', '.join((*METHODS, *BASELINES))}, saw {len(unknown)} others")
    _check_patches(request)
    request.settings.out.mkdir(parents=True, exist_ok=True)
    equal = _plan(request)
    parts = _parts(request)
    results: list[Result] = []
    for method in (*BASELINES, *METHODS):
        if method not in request.methods and not (request.settings.out / method / SCORES).exists():
            continue  # neither wanted now nor done before
        results.append(_result(method, request, parts))
        rows = [asdict(result) for result in results]
        _write(request.settings.out / RESULTS, json.dumps({"plan": equal, "methods": rows}, indent=1))
        _write(request.settings.out / TABLE, as_markdown(results, equal))
    Console().print(f"{request.settings.out / TABLE}", soft_wrap=True)


def _check_patches(request: BenchmarkRequest) -> None:
    """Refuses a patch that does not fit one of the methods before hours go into the others."""
    for method in (one for one in METHODS if one in request.methods):
        try:
            check_patch(plan(request.settings.plan, method), request.settings.patch)
        except ValueError as error:
            raise InvalidOption(f"{method}: {error}") from error


def _plan(request: BenchmarkRequest) -> dict[str, Any]:
    """What is equal for all methods, as text; a benchmark that goes on must have the same."""
    settings = request.settings
    budget = f"{settings.minutes:g} minutes" if settings.minutes else f"{settings.iterations} iterations"
    where = f"fold {request.fold} of {request.folds}" if request.fold is not None else f"all {request.folds} folds"
    size = " x ".join(map(str, request.pair_size))
    painted = f"{request.pairs} pairs of {', '.join(settings.hold_out)}, {size} mm"
    equal = {
        "data": "synthetic pairs" if request.data is None else "labelled scans",
        "scored on": painted if request.data is None else where,
        "budget of a training": budget,
        "size": settings.plan,
        "patch": " x ".join(map(str, settings.patch)),
        "batch": str(settings.batch),
        "recipe": settings.recipe,
        "seed": str(settings.seed),
        "mirroring": "yes" if request.prediction.mirroring else "no",
    }
    path = settings.out / PLAN
    if path.exists() and json.loads(path.read_text()) != equal:
        raise InvalidOption(f"out: expected a new folder; {PLAN} in this one is of another benchmark")
    _write(path, json.dumps(equal, indent=1))
    return equal


def _parts(request: BenchmarkRequest) -> list[Part]:
    if request.data is not None:
        folds = [request.fold] if request.fold is not None else range(request.folds)
        chosen = [Fold(number=number, count=request.folds) for number in folds]
        return [
            Part(
                name=f"fold_{fold.number}",
                folders=[request.data],
                fold=fold,
                patients=patients_to_score(request.data, fold),
            )
            for fold in chosen
        ]
    settings = request.settings
    if settings.data is None:
        raise InvalidOption("data: expected labelled scans or a folder for synthetic pairs, saw neither")
    if len(settings.hold_out) != 1:
        raise InvalidOption("hold_out: expected one patient of the synthetic pool, to score on")
    try:
        folder = write_held_out_pairs(
            settings.data,
            settings.out / CACHE / "pool",
            settings.out / HELD_OUT,
            patient=settings.hold_out[0],
            pairs=request.pairs,
            size=request.pair_size,
        )
    except ValueError as error:
        raise InvalidOption(str(error)) from error
    listed = patients_to_score(folder, None)
    real = [patient for patient in listed if patient.name in settings.hold_out]
    painted = [patient for patient in listed if patient not in real]
    return [Part(name=HELD_OUT, folders=[], fold=None, patients=painted, real=real)]


def _result(method: str, request: BenchmarkRequest, parts: Sequence[Part]) -> Result:
    folder = request.settings.out / method
    if method in BASELINES:
        efforts = []
        if not (folder / DONE).exists():
            for part in parts:
                predict_with_baseline(method, [*part.patients, *part.real], folder / "masks")
            _write(folder / DONE, "{}")
    else:
        efforts = [_trained(next(one for one in METHODS if one == method), request, part) for part in parts]
    scores = _scores([patient for part in parts for patient in part.patients], folder / "masks", folder)
    real = [patient for part in parts for patient in part.real]
    of_real = _scores(real, folder / "masks", folder / "real") if real else None
    return Result(method=method, efforts=tuple(efforts), scores=scores, real=of_real)


def _scores(patients: Sequence[LabelledPatient], masks: Path, out: Path) -> dict[str, Any]:
    """Scores them, unless that is done."""
    if not (out / SCORES).exists():
        score_masks(patients, masks, out)
    scores: dict[str, Any] = json.loads((out / SCORES).read_text())["prediction"]
    return scores


def _trained(method: Method, request: BenchmarkRequest, part: Part) -> Effort:
    """Trains and segments one part, unless that is done."""
    folder = request.settings.out / method / part.name
    path = folder / DONE
    if path.exists():
        return Effort(**json.loads(path.read_text()))
    settings = replace(request.settings, method=method, out=folder, cache=request.settings.out / CACHE)
    state = train_method(settings, part.folders, part.fold)
    weights = folder / f"{method}.safetensors"
    masks = request.settings.out / method / "masks"
    predict_with_weights(weights, [*part.patients, *part.real], masks, request.prediction)
    parameters = sum(parameter.numel() for parameter in state.network.parameters())
    effort = Effort(iterations=state.iteration, seconds=round(state.elapsed_s, 1), parameters=parameters)
    _write(path, json.dumps(asdict(effort)))
    return effort


def _write(path: Path, text: str) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_text(text)
    part.replace(path)
