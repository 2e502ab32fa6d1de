"""`msdelta score` as a researcher runs it."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

Box = tuple[tuple[int, int, int], tuple[int, int, int]]
ONE: Box = ((2, 2, 2), (4, 4, 4))
TWO: Box = ((10, 10, 10), (3, 3, 3))
SPECK: Box = ((15, 2, 2), (1, 1, 1))


def score(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "worker.cli", "score", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def mask(folder: Path, name: str, *boxes: Box, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> None:
    array = np.zeros((18, 18, 18), np.uint8)
    for start, size in boxes:
        array[tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))] = 1
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    folder.mkdir(exist_ok=True)
    sitk.WriteImage(image, str(folder / f"{name}.nii.gz"))


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Two patients: a new lesion in the first, no lesion at all in the second. One method is right but for a speck."""
    truth, right, wrong = tmp_path / "truth", tmp_path / "right", tmp_path / "wrong"
    mask(truth, "p_0", ONE)
    mask(truth, "p_1", ONE, TWO)
    mask(truth, "q_0")
    mask(right, "p_0", ONE)
    mask(right, "p_1", ONE, TWO, SPECK)
    mask(right, "q_0")
    mask(wrong, "p_0", ONE)
    mask(wrong, "p_1", ONE)
    mask(wrong, "q_0", TWO)
    (tmp_path / "patients.json").write_text(json.dumps({"p": ["p_0", "p_1"], "q": ["q_0"]}))
    return truth, right, wrong


def test_the_papers_numbers_over_patients(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    truth, right, wrong = folders

    done = score(truth, right, "--against", wrong, "-pat", tmp_path / "patients.json", "-o", tmp_path / "out")

    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert [summary["prediction"]["from_3_mm3"][m]["mean"] for m in ("dice", "hd95_mm", "lesion_f1")] == [1, 0, 1]
    # unfiltered, p_1 holds a speck: Dice 182/183, precision 2/3; the mean over p's two scans, then over patients
    assert summary["prediction"]["all"]["dice"]["mean"] == pytest.approx(((1 + 182 / 183) / 2 + 1) / 2)
    assert summary["prediction"]["all"]["lesion_f1"]["mean"] == pytest.approx(((1 + 0.8) / 2 + 1) / 2)
    assert summary["against"]["from_3_mm3"]["dice"]["mean"] == pytest.approx(((1 + 128 / 155) / 2 + 0) / 2)
    assert summary["against"]["from_3_mm3"]["scans_without_hd95"] == 1
    assert summary["prediction_minus_against"]["from_3_mm3"]["dice"]["patients"] == 2
    assert summary["prediction_minus_against"]["from_3_mm3"]["hd95_mm"]["patients"] == 1
    new = [summary[method]["change"]["new"] for method in ("prediction", "against")]
    assert [(row["true"], row["found"], row["false"]) for row in new] == [(1, 1, 0), (1, 0, 0)]
    assert summary["prediction"]["change"]["pairs"] == 1
    with (tmp_path / "out" / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2 * 3
    assert [row["hd95_mm"] for row in rows if row["masks"] == "against" and row["scan"] == "q_0"] == ["", ""]


def test_without_patients_each_scan_is_one(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    truth, right, _ = folders

    done = score(truth, right, "-o", tmp_path / "out")

    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert summary["prediction"]["all"]["lesion_f1"]["mean"] == pytest.approx((1 + 0.8 + 1) / 3)
    assert "change" not in summary["prediction"]


def test_a_missing_or_misplaced_mask_is_no_mean(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    truth, right, wrong = folders
    (right / "p_1.nii.gz").unlink()
    mask(wrong, "p_1", ONE, spacing=(1.0, 1.0, 1.2))

    for prediction in (right, wrong):
        done = score(truth, prediction, "-o", tmp_path / "out")
        assert done.returncode == 2
        assert "error: unusable_scans: 1 of 3 masks" in done.stderr
        assert "p_1" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_list_that_leaves_scans_out_is_refused(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    truth, right, _ = folders
    (tmp_path / "patients.json").write_text('{"p": ["p_0"]}')

    done = score(truth, right, "-pat", tmp_path / "patients.json")
    empty = score(tmp_path, right)

    assert "error: invalid_option: patients: expected every scan" in done.stderr
    assert "error: empty_study" in empty.stderr
