"""The loss of a run over its iterations as a picture: `python -m model.training_curve RUN/log.csv --out PNG`."""

import argparse
import csv
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from numpy.typing import NDArray

WINDOW = 50
"""Iterations in the running mean: the loss of one batch says little."""

Values = Float[NDArray[Any], " _n"]


def draw_curve(log: Path, path: Path) -> None:
    """Writes the picture: each iteration's loss, its running mean, and the learning rate.

    Raises:
        ValueError: the log has no iteration.
    """
    iterations, loss, rate = read_log(log)
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axis = figure.subplots()
    axis.plot(iterations, loss, ".", color="0.8", markersize=2, label="loss of a batch")
    width = min(WINDOW, len(loss))
    axis.plot(iterations[width - 1 :], running_mean(loss, width), color="#c02020", label=f"mean of {width}")
    axis.set(xlabel="iteration", ylabel="loss", ylim=(0, float(np.percentile(loss, 99)) * 1.05))
    of_rate = axis.twinx()
    of_rate.plot(iterations, rate, color="#2050c0", linewidth=0.8, label="learning rate")
    of_rate.set(ylabel="learning rate", ylim=(0, None))
    figure.legend(loc="outside upper center", ncols=3, fontsize=8)
    figure.savefig(path, dpi=100)


def read_log(log: Path) -> tuple[Values, Values, Values]:
    """Iterations, losses and rates of a run's log.csv.

    Raises:
        ValueError: the log has no iteration.
    """
    with log.open(newline="") as file:
        rows = [
            (float(row["iteration"]), float(row["loss"]), float(row["learning_rate"])) for row in csv.DictReader(file)
        ]
    if not rows:
        raise ValueError("log: expected iterations, saw none")
    iterations, loss, rate = np.array(rows, np.float64).T
    return iterations, loss, rate


def running_mean(values: Values, width: int) -> Values:
    """Mean of each `width` values in a row; `width - 1` fewer than the values."""
    return np.convolve(values, np.full(width, 1 / width), mode="valid")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    draw_curve(args.log, args.out)


if __name__ == "__main__":
    main()
