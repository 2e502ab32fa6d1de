"""`msdelta series`: which series a comparison would use, and why; nothing is run."""

import contextlib
from pathlib import Path

from rich.console import Console
from rich.table import Table

from service.contracts.series_decision import Outcome, SequenceVerdict, SeriesDecision, SeriesView, StudyDecision
from service.contracts.settings import Settings
from worker.commands.compare import as_folder
from worker.series_decision import decide
from worker.series_rules_file import load_rules


def show_series(studies: list[Path], *, rules: Path | None, as_json: bool, settings: Settings) -> bool:
    """Prints the decision for one or two studies (folder or zip each); True where series were selected.

    Raises:
        MsDeltaError: a study or the file of rules cannot be read at all.
    """
    chosen_rules = load_rules(rules or settings.series_rules)
    with contextlib.ExitStack() as stack:
        folders = [stack.enter_context(as_folder(path, settings)) for path in studies]
        decision = decide(folders[-1], folders[0] if len(folders) == 2 else None, rules=chosen_rules)
    console = Console()
    if as_json:
        console.file.write(decision.model_dump_json(indent=2) + "\n")
    else:
        print_decision(decision, console)
    return decision.outcome is Outcome.SELECTED


def print_decision(decision: SeriesDecision, console: Console) -> None:
    """A table per study, the reasons of what was chosen, and how alike the chosen series are."""
    for study in decision.studies:
        console.print(_table(study))
        for series in study.series:
            if series.chosen_as is not None:
                verdict = series.t1 if series.chosen_as == "T1" else series.flair
                _say(console, f"{series.chosen_as}: {_name(series)}: {'; '.join(verdict.reasons)}")
        for flaw in study.left_out:
            _say(console, f"left out: {flaw}")
    for likeness in decision.likeness:
        _say(console, f"{likeness.sequence} alike to {likeness.score:.0%}: {'; '.join(likeness.reasons)}")
    _say(console, f"Rules {decision.rules_version} ({decision.rules_digest})")
    _say(console, f"{decision.outcome.value}{': ' if decision.message else ''}{decision.message}")


def _table(study: StudyDecision) -> Table:
    table = Table(title=f"{study.time_point.replace('_', '-')} ({study.kind})")
    table.add_column("series", justify="right")
    for name in ("images", "TE", "TR", "TI", "slices mm", "covers mm"):
        table.add_column(name, justify="right")
    for name in ("kind", "as T1", "as FLAIR", "used as"):
        table.add_column(name, overflow="fold")
    for series in study.series:
        table.add_row(
            _name(series),
            str(series.images),
            _number(series.echo_time_ms, 1),
            _number(series.repetition_time_ms, 0),
            _number(series.inversion_time_ms, 0),
            _number(series.slice_spacing_mm, 1),
            _number(series.coverage_mm, 0),
            " ".join(word for word in (series.acquisition, series.plane, "+C" * series.after_contrast) if word),
            _verdict(series.t1),
            _verdict(series.flair),
            series.chosen_as or "",
            style="bold" if series.chosen_as else None,
        )
    return table


def _verdict(verdict: SequenceVerdict) -> str:
    return f"{verdict.score:.1f}" if verdict.score is not None else verdict.against or ""


def _name(series: SeriesView) -> str:
    number = "-" if series.number is None else str(series.number)
    return number if series.part == 0 else f"{number}.{series.part}"


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _say(console: Console, line: str) -> None:
    console.print(line, soft_wrap=True, markup=False, highlight=False)
