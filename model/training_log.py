"""What a run writes as it goes: a CSV row per iteration, and TensorBoard where it is installed."""

import csv
import importlib.util
from pathlib import Path
from types import TracebackType
from typing import Any

COLUMNS = ("iteration", "loss", "learning_rate", "elapsed_s", "validation_dice")
SCALARS = ("loss", "learning_rate", "validation_dice")


class TrainingLog:
    """Appends to `log.csv` and to event files for TensorBoard in the run's folder.

    Rows after `iteration`, which the last checkpoint does not hold, are dropped; they will come again.
    """

    def __init__(self, folder: Path, iteration: int) -> None:
        self._path = folder / "log.csv"
        if self._path.exists():
            _cut(self._path, iteration)
        self._events: Any = None
        if importlib.util.find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 (an extra; slow to import)

            self._events = SummaryWriter(str(folder / "tensorboard"), purge_step=iteration + 1)

    def __enter__(self) -> "TrainingLog":  # noqa: PYI034 (Self is not for method decorators, which check types under pytest)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._events is not None:
            self._events.close()

    def row(
        self, iteration: int, *, loss: float, learning_rate: float, elapsed_s: float, validation_dice: float | None
    ) -> None:
        """One iteration; `validation_dice` where the network was validated after it."""
        new = not self._path.exists()
        dice = "" if validation_dice is None else f"{validation_dice:.4f}"
        with self._path.open("a", newline="") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(COLUMNS)
            writer.writerow((iteration, f"{loss:.4f}", f"{learning_rate:.6f}", f"{elapsed_s:.1f}", dice))
        if self._events is not None:
            values = dict(zip(SCALARS, (loss, learning_rate, validation_dice), strict=True))
            for name, value in values.items():
                if value is not None:
                    self._events.add_scalar(name, value, iteration)


def _cut(path: Path, iteration: int) -> None:
    """The rows up to an iteration, under today's columns."""
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        if COLUMNS[0] not in (reader.fieldnames or ()):  # of a time without header
            path.rename(path.with_name("log.old.csv"))
            return
        rows = [row for row in reader if int(row[COLUMNS[0]]) <= iteration]
    part = path.with_name(f"{path.name}.part")
    with part.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    part.replace(path)
