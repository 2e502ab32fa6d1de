"""`msdelta course`: several visits in this process, no server."""

import contextlib
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.table import Table

from service.contracts.blobs import SERIES_COMMIT_FILE
from service.contracts.options import CompareOptions, check_allowed
from service.contracts.report import LesionStatus
from service.contracts.series_report import SeriesReport
from service.contracts.settings import Settings
from worker.commands.compare import as_folder
from worker.commands.progress_bar import shown_progress
from worker.reports.language import words
from worker.reports.rule_sizes import sizes


def follow_visits(
    visits: list[tuple[Path, date | None]], out: Path, options: CompareOptions, *, settings: Settings, as_json: bool
) -> None:
    """Follows the visits (folder or zip each, and its date where known) and writes the artifacts to `out`.

    Raises:
        MsDeltaError: what went wrong, by its code.
    """
    # torch and SimpleITK take seconds to load: not for `msdelta --help`
    from worker.pipeline_tools import tools_of  # noqa: PLC0415
    from worker.study_reader import StudyFolder  # noqa: PLC0415
    from worker.visit_case import SeriesRequest  # noqa: PLC0415
    from worker.visit_pipeline import run_series  # noqa: PLC0415

    check_allowed(options, settings)
    with contextlib.ExitStack() as stack:
        folders = [stack.enter_context(as_folder(path, settings)) for path, _ in visits]
        tools = tools_of(settings)
        out.mkdir(parents=True, exist_ok=True)
        (out / SERIES_COMMIT_FILE).unlink(missing_ok=True)  # a report lies there only when this run has made it
        progress = stack.enter_context(shown_progress())
        days = [day for _, day in visits]
        studies = tuple(StudyFolder(folder=one, acquired=day) for one, day in zip(folders, days, strict=True))
        report = run_series(SeriesRequest(visits=studies, out=out, options=options), tools=tools, progress=progress)
    console = Console()
    if as_json:
        console.file.write(report.model_dump_json(indent=2) + "\n")
        return
    print_series(report, console)
    console.print(f"Results in {out}; open {out / 'series.html'}", soft_wrap=True)


def print_series(report: SeriesReport, console: Console) -> None:
    """The counts of each pair as a table, the volumes, and the reasons for care."""
    for reason in report.reasons:
        console.print(f"{reason.flag.value}: {reason.message}", soft_wrap=True, markup=False)
    table = Table(title=f"Lesions by change, from {sizes(report, words('en'))['counted']} mm3")
    table.add_column("visits")
    for status in LesionStatus:
        table.add_column(status.value, justify="right")
    for pair in report.pairs:
        if pair.counts is not None:
            numbers = pair.counts.model_dump()
            table.add_row(f"{pair.baseline} to {pair.follow_up}", *(str(numbers[s.value]) for s in LesionStatus))
    if table.row_count:
        console.print(table)
    volumes = ", ".join(f"visit {visit.visit} {visit.volume_ml:.2f} ml" for visit in report.visits)
    console.print(f"Lesion volume: {volumes}; {len(report.ledger)} lesions in the ledger", soft_wrap=True)
    console.print(report.notice)
