"""The page of real scans on which weights err."""

from pathlib import Path

import numpy as np
from matplotlib.image import imread

from model.scan_page import APART, SLICES, Disagreement, draw_disagreements, worst_slices


def test_the_worst_slices_come_first_and_lie_apart() -> None:
    difference = np.zeros((60, 8, 8), bool)
    difference[10, :4] = difference[12, :3] = difference[40, :2] = True

    assert worst_slices(difference) == [10, 40]
    assert worst_slices(np.ones((60, 8, 8), bool)) == [n * APART for n in range(SLICES)]
    assert worst_slices(np.zeros((60, 8, 8), bool)) == []


def test_readers_and_prediction_are_outlined_in_their_colours(tmp_path: Path) -> None:
    flair = np.random.default_rng(0).uniform(0.5, 1, (40, 48, 48)).astype(np.float32)
    readers, prediction = np.zeros((2, *flair.shape), bool)
    readers[20, 10:20, 10:20] = True
    prediction[20, 30:40, 30:40] = True
    out = tmp_path / "page.png"

    draw_disagreements([Disagreement(title="made", flair=flair, readers=readers, prediction=prediction)], out)

    red, green, blue = (imread(out)[..., channel].astype(float) for channel in range(3))
    assert ((green > red + 0.4) & (green > blue + 0.3)).sum() > 50
    assert ((red > green + 0.4) & (red > blue + 0.4)).sum() > 50
