"""`msdelta compare`: the pipeline in this process, no server."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from service.contracts.archives import Limits, unpack_zip
from service.contracts.blobs import COMMIT_FILE
from service.contracts.input_errors import EmptyStudy
from service.contracts.options import CompareOptions, check_allowed
from service.contracts.report import LesionStatus, Report
from service.contracts.settings import Settings
from worker.commands.progress_bar import shown_progress
from worker.reports.language import words
from worker.reports.rule_sizes import sizes


def compare_studies(
    studies: list[Path],
    out: Path,
    options: CompareOptions,
    *,
    settings: Settings,
    as_json: bool,
    earlier: Path | None = None,
) -> None:
    """Compares one or two studies (folder or zip each) and writes the artifacts to `out`.

    Where `earlier` holds the result of the baseline, its lesions keep their tracking UIDs.

    Raises:
        MsDeltaError: what went wrong, by its code.
    """
    # torch and SimpleITK take seconds to load: not for `msdelta --help`
    from worker.outcome import CaseRequest  # noqa: PLC0415
    from worker.pipeline import run_case  # noqa: PLC0415
    from worker.pipeline_tools import tools_of  # noqa: PLC0415

    check_allowed(options, settings)
    with contextlib.ExitStack() as stack:
        folders = [stack.enter_context(as_folder(path, settings)) for path in studies]
        tools = tools_of(settings)
        out.mkdir(parents=True, exist_ok=True)
        (out / COMMIT_FILE).unlink(missing_ok=True)  # a report lies there only when this run has made it
        request = CaseRequest(
            baseline=folders[0] if len(folders) == 2 else None,
            follow_up=folders[-1],
            out=out,
            options=options,
            earlier=earlier,
        )
        progress = stack.enter_context(shown_progress())
        report = run_case(request, tools=tools, progress=progress)
    console = Console()
    if as_json:
        console.file.write(report.model_dump_json(indent=2) + "\n")
    else:
        print_report(report, console)
        console.print(f"Results in {out}; open {out / 'report.html'}", soft_wrap=True)


def print_report(report: Report, console: Console) -> None:
    """The counts as a table, the volumes, and the reasons for care."""
    for reason in report.reasons:
        console.print(f"{reason.flag.value}: {reason.message}", soft_wrap=True, markup=False)
    if report.counts is not None and report.counts_from_3_mm3 is not None:
        table = Table(title="Lesions by change")
        table.add_column("status")
        size = sizes(report, words("en"))
        table.add_column(f"from {size['counted']} mm3", justify="right")
        table.add_column(f"from {size['smallest']} mm3", justify="right")
        for status in LesionStatus:
            counted, all_of = (getattr(c, status.value) for c in (report.counts, report.counts_from_3_mm3))
            table.add_row(status.value, str(counted), str(all_of))
        console.print(table)
    baseline = "" if report.volumes_ml.baseline is None else f"baseline {report.volumes_ml.baseline:.2f} ml, "
    console.print(f"Lesion volume: {baseline}follow-up {report.volumes_ml.follow_up:.2f} ml")
    console.print(report.notice)


@contextlib.contextmanager
def as_folder(path: Path, settings: Settings) -> Iterator[Path]:
    """The folder itself, or a zip unpacked to a temporary one."""
    if path.is_dir():
        yield path
        return
    if not path.is_file():
        raise EmptyStudy("expected a folder or a zip file, saw neither")
    with tempfile.TemporaryDirectory(prefix="msdelta-") as folder:
        limits = Limits(max_bytes=settings.max_unpacked_bytes, max_files=settings.max_files)
        unpack_zip(path, Path(folder), limits)
        yield Path(folder)
