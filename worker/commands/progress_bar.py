"""The progress bar of the commands, on standard error."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from worker.case import Progress as TellProgress
from worker.case import Stage


def progress_bar() -> Progress:
    """What is done, a bar, per cent and the time."""
    columns = (TextColumn("{task.description:>10}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"))
    return Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=False)


@contextmanager
def shown_progress() -> Iterator[TellProgress]:
    """A bar of the stages of a job; the value is what they call."""
    with progress_bar() as bar:
        task = bar.add_task("starting", total=1.0)

        def show(stage: Stage, fraction: float) -> None:
            bar.update(task, description=stage.value, completed=fraction)

        yield show
        bar.update(task, description="done", completed=1.0)
