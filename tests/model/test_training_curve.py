"""The loss of a run as a picture."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from model.training_curve import draw_curve, read_log, running_mean
from model.training_log import TrainingLog


def test_the_mean_runs_over_so_many_values() -> None:
    assert running_mean(np.array([1.0, 2.0, 6.0, 4.0]), 2).tolist() == [1.5, 4.0, 5.0]


def test_a_runs_own_log_is_read_and_drawn(tmp_path: Path) -> None:
    with TrainingLog(tmp_path, 0) as log:
        for n in range(1, 61):
            log.row(n, loss=1 / n, learning_rate=0.01, elapsed_s=float(n), validation_dice=None)

    iterations, loss, rate = read_log(tmp_path / "log.csv")
    assert iterations.tolist() == list(range(1, 61))
    assert loss == pytest.approx([1 / n for n in range(1, 61)], abs=1e-4)
    assert set(rate) == {0.01}

    draw_curve(tmp_path / "log.csv", tmp_path / "curve.png")
    red, green, blue = (imread(tmp_path / "curve.png")[..., channel].astype(float) for channel in range(3))
    assert ((red > green + 0.4) & (red > blue + 0.4)).sum() > 10


def test_an_empty_log_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("iteration,loss,learning_rate\n")
    with pytest.raises(ValueError, match="saw none"):
        read_log(tmp_path / "log.csv")
