"""The command that follows a patient over several visits."""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from service.contracts.input_errors import InvalidOption
from service.contracts.settings import Settings
from worker.commands.options import compare_options

course_cli = typer.Typer()


@course_cli.command()
def course(
    visits: Annotated[
        list[Path], typer.Argument(metavar="VISIT VISIT [VISIT ...]", help="folder or zip each, in the order of time")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="folder for masks, ledger and report")],
    acquired: Annotated[
        list[str] | None,
        typer.Option(help="YYYY-MM-DD of each visit, in their order; default the dates of DICOM, NIfTI has none"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the report as JSON")] = False,
    probabilities: Annotated[bool, typer.Option(help="also write lesion probabilities")] = False,
    mirroring: Annotated[bool, typer.Option(help="average over mirrored inputs: 2 to 8 times the work")] = False,
    threshold: Annotated[float | None, typer.Option(min=0.0, max=1.0, help="lesion probability of a voxel")] = None,
    lesion_threshold: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="lesion probability of a lesion's surest voxel")
    ] = None,
    mask_only_changes: Annotated[
        str, typer.Option(help="masks differ, FLAIR does not: settle (one answer for all visits) or keep")
    ] = "settle",
    missing_t1: Annotated[
        str, typer.Option(help="a study without T1: refuse, or flair_only (needs MSDELTA_ALLOW_FLAIR_ONLY=1)")
    ] = "refuse",
    registration_backend: Annotated[str, typer.Option(help="simpleitk or flirt (needs FSLDIR)")] = "simpleitk",
    rules_profile: Annotated[
        str, typer.Option(help="of the measurement rules: default, growth_20_percent, or a site's own")
    ] = "default",
    certainty: Annotated[bool, typer.Option(help="ask the network for a second opinion of each scan")] = True,
    prior_for_first: Annotated[str, typer.Option(help="prior of the earlier of two: follow-up or self")] = "follow-up",
    crop: Annotated[str, typer.Option(help="union or none")] = "union",
    weights: Annotated[Path | None, typer.Option(help="safetensors file, or a folder: an ensemble")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N")] = "auto",
) -> None:
    """Follows every lesion of a patient over two visits or more: one ledger, in which a lesion keeps its number."""
    from worker.commands.course import follow_visits  # noqa: PLC0415 (keeps --help quick)

    if len(visits) < 2:
        raise typer.BadParameter("expected two visits or more")
    options = compare_options(
        {
            "probabilities": probabilities,
            "mirroring": mirroring,
            "threshold": threshold,
            "lesion_threshold": lesion_threshold,
            "mask_only_changes": mask_only_changes,
            "rules_profile": rules_profile,
            "certainty": certainty,
            "missing_t1": missing_t1,
            "registration_backend": registration_backend,
            "prior_for_first": prior_for_first,
            "crop": crop,
        }
    )
    settings = Settings().model_copy(update={"weights": weights, "device": device})
    days = _days(acquired or [], len(visits))
    follow_visits(list(zip(visits, days, strict=True)), out, options, settings=settings, as_json=as_json)


def _days(texts: list[str], count: int) -> list[date | None]:
    if not texts:
        return [None] * count
    if len(texts) != count:
        raise InvalidOption(f"acquired: expected none or {count}, one for each visit, saw {len(texts)}")
    try:
        return [date.fromisoformat(text) for text in texts]
    except ValueError:
        raise InvalidOption("acquired: expected dates as YYYY-MM-DD, saw another form") from None
