"""The command line: `msdelta COMMAND`."""

import importlib.metadata
import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from service.contracts.api_keys import ApiKeys, Scope
from service.contracts.database import ready_database
from service.contracts.errors import MsDeltaError
from service.contracts.input_errors import BadInput, InvalidCheckpoint
from service.contracts.settings import Settings
from worker.commands import options as ask
from worker.course_cli import course_cli
from worker.deliveries_cli import deliveries_cli
from worker.research_cli import research_cli
from worker.site_cli import site_cli

cli = typer.Typer(
    help="Which MS lesions are new, grown, shrunk or gone between two brain MRI studies. "
    "For research use. Not a medical device.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
keys_cli = typer.Typer(help="API keys: create, list, revoke.", no_args_is_help=True)
cli.add_typer(keys_cli, name="keys")
cli.add_typer(deliveries_cli, name="deliveries")
cli.add_typer(course_cli)
cli.add_typer(research_cli)
cli.add_typer(site_cli)

STATUS_BAD_INPUT = 2
STATUS_FAILED = 1


@cli.command()
def compare(
    studies: Annotated[
        list[Path],
        typer.Argument(metavar="[BASELINE] FOLLOW_UP", help="folder or zip: DICOM, or NIfTI named T1, FLAIR"),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="folder for masks, table and report")],
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
    dicom_seg: Annotated[str, typer.Option(help="lesions from DICOM: binary or labelmap")] = "binary",
    language: ask.Language = "en",
    earlier: Annotated[
        Path | None, typer.Option(help="result of the baseline: its lesions keep their tracking UIDs")
    ] = None,
    weights: ask.Weights = None,
    device: ask.Device = "auto",
) -> None:
    """Compares two studies, or segments one, in this process."""
    options = ask.compare_options(locals())
    from worker.commands.compare import compare_studies  # noqa: PLC0415 (keeps --help quick)

    if len(studies) > 2:
        raise typer.BadParameter("expected one or two studies")
    settings = Settings().model_copy(update={"weights": weights, "device": device})
    compare_studies(studies, out, options, settings=settings, as_json=as_json, earlier=earlier)


@cli.command()
def series(
    studies: Annotated[list[Path], typer.Argument(metavar="[BASELINE] FOLLOW_UP", help="folder or zip each")],
    rules: Annotated[Path | None, typer.Option(help="YAML: what differs from the shipped rules of choice")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the decision as JSON")] = False,
) -> None:
    """Shows which T1 and FLAIR a comparison would use, and why; exit status 0 when both were found."""
    from worker.commands.series import show_series  # noqa: PLC0415

    if len(studies) > 2:
        raise typer.BadParameter("expected one or two studies")
    if not show_series(studies, rules=rules, as_json=as_json, settings=Settings()):
        raise typer.Exit(STATUS_FAILED)


@cli.command()
def predict(
    model: Annotated[Path, typer.Option("--model", "-m", help="LongiSeg or nnU-Net model folder, or safetensors")],
    scans: Annotated[Path, typer.Option("--input", "-i", help="folder with SCAN_0000.nii.gz, SCAN_0001.nii.gz ...")],
    out: Annotated[Path, typer.Option("--out", "-o", help="folder for the masks")],
    patients: Annotated[
        Path | None, typer.Option("--patients", "-pat", help="JSON: the scans of each patient in order of time")
    ] = None,
    fold: Annotated[
        list[str] | None, typer.Option("--fold", "-f", help="may be given several times; default all")
    ] = None,
    prior_for_first: Annotated[
        Literal["self", "follow-up"], typer.Option(help="prior of a first scan: itself (tool) or follow-up (paper)")
    ] = "self",
    crop: Annotated[
        Literal["union", "none"] | None, typer.Option(help="nonzero box of both scans (paper); default as the tool")
    ] = None,
    mirroring: Annotated[bool, typer.Option(help="average over mirrored inputs")] = True,
    resume: Annotated[bool, typer.Option("--continue", help="leave out scans that have their mask")] = False,
    device: ask.Device = "auto",
) -> None:
    """Segments a folder of aligned scans as the reference tool does: same files, same preprocessing, same masks."""
    from worker.commands.predict import PredictRequest, predict_scans  # noqa: PLC0415

    predict_scans(
        PredictRequest(
            model=model,
            scans=scans,
            out=out,
            patients=patients,
            folds=fold or (),
            prior_for_first=prior_for_first,
            crop=crop,
            mirroring=mirroring,
            device=device,
            resume=resume,
        )
    )


@cli.command("score")
def score_masks(
    truth: Annotated[Path, typer.Argument(help="folder of true masks, SCAN.nii.gz")],
    prediction: Annotated[Path, typer.Argument(help="folder of masks of the same names")],
    patients: Annotated[
        Path | None, typer.Option("--patients", "-pat", help="JSON: the scans of each patient; change is scored too")
    ] = None,
    against: Annotated[Path | None, typer.Option(help="another method's masks: paired comparison")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="folder for scores.csv and scores.json")] = None,
) -> None:
    """Scores masks as the paper does: Dice, HD95, lesion F1, over patients; with patients also the change."""
    from worker.commands.score import ScoreRequest, score_folders  # noqa: PLC0415

    score_folders(ScoreRequest(truth=truth, prediction=prediction, against=against, patients=patients, out=out))


@cli.command()
def up(
    data: Annotated[
        Path | None, typer.Option(help="data folder; default MSDELTA_DATA_FOLDER or ./msdelta-data")
    ] = None,
    host: Annotated[str | None, typer.Option(help="address to listen on")] = None,
    port: Annotated[int | None, typer.Option(help="port to listen on")] = None,
) -> None:
    """Starts Redis, the API and a worker; Ctrl-C stops them."""
    from worker.embedded import serve  # noqa: PLC0415

    given = {"data_folder": data, "host": host, "port": port}
    settings = Settings().model_copy(update={name: value for name, value in given.items() if value is not None})
    console = Console(soft_wrap=True, highlight=False)
    serve(settings, say=lambda text: console.print(text, markup=False))


@cli.command()
def worker(
    queues: Annotated[str, typer.Option(help="Celery queues, by comma")] = "gpu",
) -> None:
    """Runs a worker against the broker and job store of the settings: one process, one device."""
    arguments = [
        "worker",
        "--pool=solo",
        "--concurrency=1",
        f"--queues={queues}",
        "--without-gossip",
        "--without-mingle",
    ]
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle threads must not spin beside the registration's
    from worker.app import app  # noqa: PLC0415

    app.worker_main([*arguments, "--loglevel=WARNING"])


@cli.command()
def api(
    host: Annotated[str, typer.Option()] = "127.0.0.1",
    port: Annotated[int, typer.Option()] = 8000,
) -> None:
    """Runs the API alone (compose)."""
    import uvicorn  # noqa: PLC0415

    uvicorn.run(
        "service.app:app_from_environment", factory=True, host=host, port=port, access_log=False, log_level="warning"
    )


@cli.command("import-checkpoint")
def import_checkpoint(
    folder: Annotated[Path, typer.Argument(help="LongiSeg or nnU-Net model folder")],
    out: Annotated[Path, typer.Option("--out", "-o", help="folder for the safetensors files")] = Path("weights"),
) -> None:
    """Converts a LongiSeg or nnU-Net model folder to safetensors, one file per fold; no pickle is executed."""
    from model.longiseg import convert_longiseg  # noqa: PLC0415

    try:
        members = convert_longiseg(folder, out)
    except ValueError as error:
        raise InvalidCheckpoint(str(error)) from error
    for member in members:
        size = sum(p.numel() for p in member.network.parameters()) / 1e6
        typer.echo(f"{member.card.record}: {member.config.variant}, {size:.1f} M parameters, sha256 {member.sha256}")
    typer.echo(f"use it with: msdelta compare ... --weights {out}")


@cli.command("migrate")
def migrate_store() -> None:
    """Brings the job store's tables to this version."""
    ready_database(Settings())


@cli.command()
def version() -> None:
    """Prints the version."""
    typer.echo(importlib.metadata.version("msdelta"))


@keys_cli.command("create")
def create_key(
    name: Annotated[str, typer.Option(help="what the key is for; no patient's name")],
    scope: Annotated[list[Scope], typer.Option(help="may be given several times")],
) -> None:
    """Makes a key and prints it, once."""
    typer.echo(_keys().create(name, scope))


@keys_cli.command("list")
def list_keys() -> None:
    """Lists the keys without their secrets."""
    for key in _keys().all():
        state = "active" if key.revoked is None else f"revoked {key.revoked:%Y-%m-%d}"
        typer.echo(f"{key.id}  {key.created:%Y-%m-%d}  {','.join(sorted(key.scopes)):20} {state:20} {key.name}")


@keys_cli.command("revoke")
def revoke_key(key_id: Annotated[str, typer.Argument(help="the 12 digits after msd_")]) -> None:
    """Ends a key."""
    if not _keys().revoke(key_id):
        raise typer.BadParameter("there is no key of this id")


def main() -> None:
    """Runs the command; a named error goes to stderr as `error: CODE: MESSAGE` with a non-zero status."""
    try:
        cli()
    except MsDeltaError as error:
        sys.stderr.write(f"error: {error.code}: {error.message}\n")
        raise SystemExit(STATUS_BAD_INPUT if isinstance(error, BadInput) else STATUS_FAILED) from None


def _keys() -> ApiKeys:
    return ApiKeys(ready_database(Settings()))


if __name__ == "__main__":
    main()
