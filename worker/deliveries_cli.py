"""`msdelta deliveries`: what was not delivered, sending it again, and asking a destination whether it answers."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from service.contracts.database import ready_database
from service.contracts.deliveries import Delivery, DeliveryKind, DeliveryState
from service.contracts.delivery_store import DeliveryStore
from service.contracts.input_errors import InvalidOption
from service.contracts.settings import Settings

deliveries_cli = typer.Typer(help="Deliveries of results: list, replay, test a destination.", no_args_is_help=True)


@deliveries_cli.command("list")
def list_deliveries(
    state: Annotated[DeliveryState | None, typer.Option(help="those in this state alone")] = None,
    limit: Annotated[int, typer.Option(min=1, help="no more than so many")] = 200,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a line")] = False,
) -> None:
    """Lists deliveries, those due last first; addresses are not shown."""
    for one in _store().find(state=state, limit=limit):
        typer.echo(json.dumps(_shown(one)) if as_json else _line(one))


@deliveries_cli.command("replay")
def replay(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="of deliveries")] = None,
    dead: Annotated[bool, typer.Option("--dead", help="every dead delivery")] = False,
    job: Annotated[str | None, typer.Option("--job", help="every delivery of this job")] = None,
    to: Annotated[str | None, typer.Option("--to", help="with --job: send its result to this destination")] = None,
) -> None:
    """Sends again, now and with all attempts; what is being sent at this moment stays as it is."""
    store = _store()
    if to is not None:
        if job is None:
            raise InvalidOption("--to: expected --job with it")
        typer.echo(f"noted: delivery {_send_to(store, job, to)}")
        return
    chosen = [store.get(one).id for one in ids or ()]
    if dead:
        chosen += [one.id for one in store.find(state=DeliveryState.DEAD)]
    if job is not None:
        chosen += [one.id for one in store.find(job_id=job)]
    if not ids and not dead and job is None:
        raise InvalidOption("expected ids of deliveries, --dead or --job")
    typer.echo(f"deliveries due now: {store.replay(chosen)}")


@deliveries_cli.command("test")
def test(name: Annotated[str, typer.Argument(help="of a destination in the site file")]) -> None:
    """Asks a destination whether it answers: C-ECHO, or a QIDO-RS search. Sends nothing."""
    from worker.delivery.destinations import destination_of, probe  # noqa: PLC0415 (keeps --help quick)

    typer.echo(f"{name}: {probe(destination_of(Settings(), name))}")


def _send_to(store: DeliveryStore, job: str, to: str) -> str:
    from worker.delivery.destinations import destination_of  # noqa: PLC0415 (keeps --help quick)

    destination_of(Settings(), to)
    there = [one for one in store.find(job_id=job) if (one.kind, one.target) == (DeliveryKind.DICOM, to)]
    if there:
        store.replay([one.id for one in there])
        return there[0].id
    return store.send_to(job, to)


def _store() -> DeliveryStore:
    return DeliveryStore(ready_database(Settings()))


def _shown(one: Delivery) -> dict[str, object]:
    hidden = ("lease_token", "target")
    values = {name: value for name, value in asdict(one).items() if name not in hidden}
    values["destination"] = one.target if one.kind is DeliveryKind.DICOM else None
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}


def _line(one: Delivery) -> str:
    name = one.target if one.kind is DeliveryKind.DICOM else "(callback)"
    when = f"{one.last_attempt:%Y-%m-%d %H:%M}" if one.last_attempt else "-"
    tried = f"{one.attempts:4} tries, last {when:16}"
    return f"{one.id}  {one.state:9}  {name:20} {tried}  {one.error_code or '-':24} job {one.job_id}"
