"""The commands of researchers: train a method, evaluate it, segment the anatomy."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from service.contracts.errors import InvalidOption

if TYPE_CHECKING:
    from model import zoo

research_cli = typer.Typer()

Method = Annotated[
    str,
    typer.Argument(
        help="difference-weighting, longitudinal-concat, single, swin-unetr, denner, szeskin or wu (arXiv 2409.13416)"
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N")]
FoldNumber = Annotated[int | None, typer.Option("--fold", "-f", min=0, help="patients of this fold are kept apart")]
Folds = Annotated[int, typer.Option(min=2, help="how many folds the patients are divided into")]


@research_cli.command()
def train(
    method: Method,
    out: Annotated[Path, typer.Option("--out", "-o", help="folder of the run; a run that stopped goes on from it")],
    data: Annotated[
        list[Path] | None, typer.Option(help="labelled scans, nnU-Net or BIDS layout; may be given several times")
    ] = None,
    synthetic: Annotated[
        Path | None, typer.Option(help="folder with label maps, lesion masks and scans to paint pairs from")
    ] = None,
    synthetic_share: Annotated[float, typer.Option(min=0.0, max=1.0, help="part of the examples")] = 0.5,
    hold_out: Annotated[list[str] | None, typer.Option(help="patient left out of the synthetic pairs")] = None,
    plan: Annotated[Literal["compact", "full"], typer.Option(help="full: the paper's size")] = "compact",
    patch: Annotated[tuple[int, int, int], typer.Option(help="voxels (1 mm); full: 128 160 128")] = (80, 96, 80),
    recipe: Annotated[Literal["adamw", "nnunet"], typer.Option(help="optimiser and schedule")] = "nnunet",
    iterations: Annotated[int, typer.Option(min=1)] = 250_000,
    batch: Annotated[int, typer.Option(min=1, help="examples per process and iteration")] = 2,
    learning_rate: Annotated[float | None, typer.Option(help="default: the recipe's")] = None,
    fold: FoldNumber = None,
    folds: Folds = 5,
    resume: Annotated[Path | None, typer.Option(help="checkpoint of another run to begin from")] = None,
    seed: Annotated[int, typer.Option()] = 1,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    loaders: Annotated[int, typer.Option(min=0, help="processes that make examples")] = 2,
    device: Device = "auto",
) -> None:
    """Trains a method of the paper's table; under torchrun on several GPUs."""
    from model.train import TrainingSettings  # noqa: PLC0415 (torch takes seconds to load)
    from worker.commands.train import Fold, train_method  # noqa: PLC0415

    settings = TrainingSettings(
        out=out,
        data=synthetic,
        method=checked_method(method),
        plan=plan,
        recipe=recipe,
        patch=patch,
        iterations=iterations,
        batch=batch,
        learning_rate=learning_rate,
        synthetic_share=synthetic_share,
        hold_out=tuple(hold_out or ()),
        seed=seed,
        threads=threads,
        loaders=loaders,
        device=device,
    )
    apart = None if fold is None else Fold(number=fold, count=folds)
    typer.echo(f"weights: {train_method(settings, data or (), apart, resume=resume)}")


@research_cli.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="method, weights file or model folder")],
    data: Annotated[Path, typer.Option(help="labelled scans, nnU-Net or BIDS layout")],
    out: Annotated[Path, typer.Option("--out", "-o", help="folder for masks and scores")],
    run: Annotated[Path | None, typer.Option(help="folder that the method was trained into")] = None,
    fold: FoldNumber = None,
    folds: Folds = 5,
    prior_for_first: Annotated[Literal["self", "follow-up"], typer.Option(help="prior of a first scan")] = "follow-up",
    mirroring: Annotated[bool, typer.Option(help="average over mirrored inputs")] = False,
    device: Device = "auto",
) -> None:
    """Segments labelled scans, those of a fold alone if one is given, and scores the masks as the paper does."""
    from worker.commands.evaluate import EvaluateRequest, evaluate_model  # noqa: PLC0415
    from worker.commands.train import Fold  # noqa: PLC0415

    evaluate_model(
        EvaluateRequest(
            model=model,
            run=run,
            data=data,
            out=out,
            fold=None if fold is None else Fold(number=fold, count=folds),
            prior_for_first=prior_for_first,
            mirroring=mirroring,
            device=device,
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
