"""Commands for those who run a site: studies that came by themselves, and the secrets of the compose file."""

import base64
import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from service.contracts.arrivals import Arrival, ArrivalState, ArrivalStore
from service.contracts.database import ready_database
from service.contracts.input_errors import UnsignedReport
from service.contracts.report import Flag
from service.contracts.report_signature import KEY_FILE, check_signature, key_of, new_key
from service.contracts.settings import Settings
from service.contracts.site import read_secret

site_cli = typer.Typer()
arrivals_cli = typer.Typer(help="Studies that a PACS told of or pushed: list, look again.", no_args_is_help=True)
site_cli.add_typer(arrivals_cli, name="arrivals")

SECRETS: dict[str, Callable[[], str]] = {
    "webhook.key": lambda: "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode(),
    "orthanc.password": lambda: secrets.token_urlsafe(24),
    KEY_FILE: new_key,
}
"""Files that docker-compose.yml shares between the service and its Orthanc, and the key of the reports."""


@arrivals_cli.command("list")
def list_arrivals(
    state: Annotated[ArrivalState | None, typer.Option(help="waiting, taken or dead")] = None,
    limit: Annotated[int, typer.Option(min=1)] = 50,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Lists studies that came by themselves, newest first, without anything that leads to a patient."""
    found = _store().page(owner=None, state=state, limit=limit)
    if as_json:
        typer.echo(json.dumps([_row(one) for one in found], indent=2))
        return
    table = Table("id", "pacs", "state", "created", "job", "failures", "error")
    for one in found:
        table.add_row(*(str("" if value is None else value) for value in _row(one).values()))
    Console(soft_wrap=True).print(table)


@arrivals_cli.command("again")
def look_again(
    arrival_id: Annotated[str | None, typer.Argument(help="id of an arrival")] = None,
    dead: Annotated[bool, typer.Option("--dead", help="every arrival that was given up")] = False,
) -> None:
    """Looks for a study once more, for example after the PACS was away or the site file was mended."""
    store = _store()
    if dead == (arrival_id is not None):
        raise typer.BadParameter("expected an id or --dead")
    chosen = [store.get(arrival_id)] if arrival_id else store.page(owner=None, state=ArrivalState.DEAD, limit=10_000)
    for one in chosen:
        store.announce(one.pacs, one.study_uid, owner=one.owner)
    typer.echo(f"{len(chosen)} to be looked at again")


@site_cli.command("secrets")
def make_secrets(folder: Annotated[Path, typer.Argument(help="where the files go; files that are there stay")]) -> None:
    """Makes the random secrets that docker-compose.yml shares between the service and its Orthanc."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in SECRETS.items():
        path = folder / name
        if not path.exists():
            path.write_text(make() + "\n", encoding="utf-8")
            path.chmod(0o444)  # Orthanc and the service run as different users; the volume is mounted by them alone


@site_cli.command("verify")
def verify_report(
    report: Annotated[Path, typer.Argument(help="report.json, or series.json of several visits")],
    key: Annotated[Path | None, typer.Option(help="the key file; left out: this installation's")] = None,
) -> None:
    """Says whether a report, or a refusal, is as this installation signed it."""
    found = read_secret(key).encode() if key else key_of(Settings())
    if found is None:
        raise typer.BadParameter("this installation has no key for reports: msdelta up makes one, --key names another")
    try:
        document = json.loads(report.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError):
        raise UnsignedReport("expected the JSON of a report, saw something else") from None
    check_signature(document if isinstance(document, dict) else {}, found)
    verdict = "comparable" if document.get("comparable") else "not comparable, because: "
    reds = [reason["message"] for reason in document.get("reasons", ()) if reason["flag"] == Flag.RED]
    typer.echo(f"signature fits; {verdict}{'; '.join(reds)}")


def _row(arrival: Arrival) -> dict[str, str | int | None]:
    return {
        "id": arrival.id,
        "pacs": arrival.pacs or "pushed",
        "state": arrival.state.value,
        "created": arrival.created.isoformat(timespec="seconds"),
        "job": arrival.job_id,
        "failures": arrival.failures,
        "error": arrival.error_code,
    }


def _store() -> ArrivalStore:
    return ArrivalStore(ready_database(Settings()))
