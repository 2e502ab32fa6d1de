"""The command that follows a patient over several visits."""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from service.contracts.input_errors import InvalidOption
from service.contracts.settings import Settings
from worker.commands import options as ask

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
    as_json: ask.AsJson = False,
    probabilities: ask.Probabilities = False,
    mirroring: ask.Mirroring = False,
    threshold: ask.Threshold = None,
    lesion_threshold: ask.LesionThreshold = None,
    mask_only_changes: ask.MaskOnlyChanges = "settle",
    missing_t1: ask.MissingT1 = "refuse",
    registration_backend: ask.RegistrationBackend = "simpleitk",
    alignment: ask.Alignment = "rigid",
    common_space: ask.CommonSpace = "half-way",
    rules_profile: ask.RulesProfile = "default",
    certainty: ask.Certainty = True,
    prior_for_first: ask.PriorForFirst = "follow-up",
    crop: ask.Crop = "union",
    language: ask.Language = "en",
    weights: ask.Weights = None,
    device: ask.Device = "auto",
) -> None:
    """Follows every lesion of a patient over two visits or more: one ledger, in which a lesion keeps its number."""
    options = ask.compare_options(locals())
    from worker.commands.course import follow_visits  # noqa: PLC0415 (keeps --help quick)

    if len(visits) < 2:
        raise typer.BadParameter("expected two visits or more")
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
