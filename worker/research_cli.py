"""The commands of researchers: train a method, evaluate it, compare all of them, segment the anatomy."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from service.contracts.input_errors import InvalidOption
from worker.commands.options import Device

if TYPE_CHECKING:
    from model import zoo

research_cli = typer.Typer()

PATCHES: dict[Literal["compact", "full"], tuple[int, int, int]] = {"compact": (80, 96, 80), "full": (128, 160, 128)}
NNUNETS = 250_000
"""Iterations of nnU-Net's schedule: 1000 epochs of 250."""
UNLIMITED = 10**9

Method = Annotated[
    str,
    typer.Argument(
        help="difference-weighting, longitudinal-concat, single, swin-unetr, denner, szeskin or wu (arXiv 2409.13416)"
    ),
]
Synthetic = Annotated[
    Path | None, typer.Option(help="folder with label maps, lesion masks and scans to paint pairs from")
]
Size = Annotated[Literal["compact", "full"], typer.Option(help="full: the paper's size")]
Patch = Annotated[tuple[int, int, int] | None, typer.Option(help="voxels (1 mm); default 80 96 80, full 128 160 128")]
RecipeName = Annotated[Literal["adamw", "nnunet"], typer.Option(help="optimiser and schedule")]
Batch = Annotated[int, typer.Option(min=1, help="examples per process and iteration")]
Minutes = Annotated[float | None, typer.Option(min=0.01, help="time of a training, instead of iterations")]
Loaders = Annotated[int, typer.Option(min=0, help="processes that make examples")]
Threads = Annotated[int, typer.Option(min=1, help="of the training process")]
Seed = Annotated[int, typer.Option(min=0)]
MarkedScans = Annotated[
    Path | None, typer.Option(help="synthetic pairs: more scans to paint into, by python -m model.mark_scans")
]
LesionBalance = Annotated[
    float, typer.Option(min=0.0, help="weight of a term of the loss in which every lesion counts the same")
]
Iterations = Annotated[int | None, typer.Option(min=1, help="default 250000, or as many as the minutes allow")]
FoldNumber = Annotated[int | None, typer.Option("--fold", "-f", min=0, help="patients of this fold are kept apart")]
Folds = Annotated[int, typer.Option(min=2, help="how many folds the patients are divided into")]


@research_cli.command()
def train(
    method: Method,
    out: Annotated[Path, typer.Option("--out", "-o", help="folder of the run; a run that stopped goes on from it")],
    data: Annotated[
        list[Path] | None, typer.Option(help="labelled scans, nnU-Net or BIDS layout; may be given several times")
    ] = None,
    synthetic: Synthetic = None,
    synthetic_share: Annotated[float, typer.Option(min=0.0, max=1.0, help="part of the examples")] = 0.5,
    hold_out: Annotated[
        list[str] | None, typer.Option(help="patient not trained on, of the scans or the synthetic pairs")
    ] = None,
    marked_scans: MarkedScans = None,
    plan: Size = "compact",
    patch: Patch = None,
    recipe: RecipeName = "nnunet",
    iterations: Iterations = None,
    minutes: Minutes = None,
    batch: Batch = 2,
    learning_rate: Annotated[float | None, typer.Option(help="default: the recipe's")] = None,
    lesion_balance: LesionBalance = 0.0,
    fold: FoldNumber = None,
    folds: Folds = 5,
    resume: Annotated[Path | None, typer.Option(help="checkpoint of another run to begin from")] = None,
    weights: Annotated[
        Path | None, typer.Option(help="weights of the same method and size to begin with: fine-tuning")
    ] = None,
    seed: Seed = 1,
    threads: Threads = 1,
    loaders: Loaders = 2,
    device: Device = "auto",
) -> None:
    """Trains a method of the paper's table; under torchrun on several GPUs."""
    from model.training_settings import TrainingSettings  # noqa: PLC0415 (torch takes seconds to load)
    from worker.commands.train import Fold, train_method  # noqa: PLC0415

    settings = TrainingSettings(
        out=out,
        data=synthetic,
        method=checked_method(method),
        plan=plan,
        recipe=recipe,
        patch=patch or PATCHES[plan],
        iterations=iterations or (UNLIMITED if minutes else NNUNETS),
        minutes=minutes,
        batch=batch,
        learning_rate=learning_rate,
        lesion_balance=lesion_balance,
        synthetic_share=synthetic_share,
        hold_out=tuple(hold_out or ()),
        marked_scans=marked_scans,
        weights=weights,
        seed=seed,
        threads=threads,
        loaders=loaders,
        device=device,
    )
    apart = None if fold is None else Fold(number=fold, count=folds)
    train_method(settings, data or (), apart, resume=resume)
    if int(os.environ.get("RANK", "0")) == 0:  # of torchrun
        typer.echo(f"weights: {out / f'{method}.safetensors'}")


@research_cli.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="method, weights file or model folder; samseg needs no weights")],
    data: Annotated[Path, typer.Option(help="labelled scans, nnU-Net or BIDS layout")],
    out: Annotated[Path, typer.Option("--out", "-o", help="folder for masks and scores")],
    run: Annotated[Path | None, typer.Option(help="folder that the method was trained into")] = None,
    fold: FoldNumber = None,
    folds: Folds = 5,
    hold_out: Annotated[list[str] | None, typer.Option(help="patient that was not trained on")] = None,
    prior_for_first: Annotated[Literal["self", "follow-up"], typer.Option(help="prior of a first scan")] = "follow-up",
    mirroring: Annotated[bool, typer.Option(help="average over mirrored inputs")] = False,
    device: Device = "auto",
) -> None:
    """Segments labelled scans, those of a fold alone if one is given, and scores the masks as the paper does."""
    from worker.commands.evaluate import EvaluateRequest, PredictionOptions, evaluate_model  # noqa: PLC0415
    from worker.commands.train import Fold  # noqa: PLC0415

    evaluate_model(
        EvaluateRequest(
            model=model,
            run=run,
            data=data,
            out=out,
            fold=None if fold is None else Fold(number=fold, count=folds),
            hold_out=tuple(hold_out or ()),
            prediction=PredictionOptions(prior_for_first=prior_for_first, mirroring=mirroring, device=device),
        )
    )


@research_cli.command()
def benchmark(
    out: Annotated[Path, typer.Option("--out", "-o", help="folder; a benchmark that stopped goes on from it")],
    data: Annotated[Path | None, typer.Option(help="labelled scans, nnU-Net or BIDS layout")] = None,
    synthetic: Synthetic = None,
    hold_out: Annotated[str | None, typer.Option(help="synthetic pairs: patient to score on, not to train on")] = None,
    pairs: Annotated[int, typer.Option(min=1, help="synthetic pairs to score on")] = 24,
    methods: Annotated[list[str] | None, typer.Option(help="may be given several times; default all")] = None,
    iterations: Annotated[int | None, typer.Option(min=1, help="of every training")] = None,
    minutes: Minutes = None,
    fold: FoldNumber = None,
    folds: Folds = 5,
    plan: Size = "compact",
    patch: Patch = None,
    recipe: RecipeName = "nnunet",
    batch: Batch = 2,
    mirroring: Annotated[bool, typer.Option(help="average over mirrored inputs")] = False,
    seed: Seed = 1,
    threads: Threads = 1,
    loaders: Loaders = 2,
    device: Device = "auto",
) -> None:
    """Trains every method under one budget, scores it on patients it did not see, and writes the paper's table."""
    from model.training_settings import TrainingSettings  # noqa: PLC0415
    from model.zoo import METHODS  # noqa: PLC0415
    from worker.commands.baselines import BASELINES  # noqa: PLC0415
    from worker.commands.benchmark import BenchmarkRequest, run_benchmark  # noqa: PLC0415
    from worker.commands.evaluate import PredictionOptions  # noqa: PLC0415

    if (iterations is None) == (minutes is None):
        raise InvalidOption("iterations: expected iterations or minutes, the budget of every training")
    if (data is None) == (synthetic is None):
        raise InvalidOption("data: expected labelled scans or a folder for synthetic pairs")
    settings = TrainingSettings(
        out=out,
        data=synthetic,
        plan=plan,
        recipe=recipe,
        patch=patch or PATCHES[plan],
        iterations=iterations or UNLIMITED,
        minutes=minutes,
        batch=batch,
        hold_out=() if hold_out is None else (hold_out,),
        seed=seed,
        threads=threads,
        loaders=loaders,
        device=device,
    )
    run_benchmark(
        BenchmarkRequest(
            methods=methods or (*BASELINES, *METHODS),
            settings=settings,
            data=data,
            folds=folds,
            fold=fold,
            pairs=pairs,
            prediction=PredictionOptions(mirroring=mirroring, device=device),
        )
    )


@research_cli.command()
def anatomy(
    image: Annotated[Path, typer.Argument(help="NIfTI file of a head: T1, FLAIR or any other contrast")],
    out: Annotated[Path, typer.Option("--out", "-o", help="folder for the masks")],
    device: Device = "auto",
) -> None:
    """Writes brain mask and regions (cortex, white matter, ventricles ...) of one image, and their volumes."""
    from worker.commands.anatomy import segment_anatomy  # noqa: PLC0415

    segment_anatomy(image, out, device=device)


def checked_method(name: str) -> "zoo.Method":
    """The name, if there is such a method.

    Raises:
        InvalidOption: there is none.
    """
    from model import zoo  # noqa: PLC0415

    found: zoo.Method | None = next((method for method in zoo.METHODS if method == name), None)
    if found is None:
        raise InvalidOption(f"method: expected one of {', '.join(zoo.METHODS)}, saw another")
    return found
