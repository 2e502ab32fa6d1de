"""`msdelta train` and `evaluate` on a folder of small heads, from the command line."""

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from typer.testing import CliRunner

from model.checkpoint import load
from model.labelled_folder import read_labelled_folder
from model.training_settings import TrainingSettings
from service.contracts.input_errors import InvalidOption
from tests.fixtures.labelled_patients import write_nnunet
from worker.cli import cli
from worker.commands.evaluate import patients_to_score, score_masks
from worker.commands.train import Fold, train_method
from worker.research_cli import checked_method

BRAIN = (slice(2, 30), slice(2, 30), slice(2, 30))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four patients, two visits each; lesions are bright on FLAIR, and the second visit has one more."""
    root = tmp_path_factory.mktemp("labelled")
    at = np.indices((32, 32, 32))
    patients = {}
    for number in range(4):
        rng = np.random.default_rng(number)
        centres = rng.integers(8, 24, (3, 3))
        patients[f"p{number}"] = [f"p{number}_v{visit}" for visit in range(2)]
        for visit, name in enumerate(patients[f"p{number}"]):
            balls = [((at - c[:, None, None, None]) ** 2).sum(axis=0) < 14 for c in centres[: visit + 2]]
            mask = np.any(balls, axis=0)
            for channel, contrast in enumerate((-1.0, 4.0)):
                image = np.zeros(mask.shape, np.float32)
                image[BRAIN] = (10 + rng.standard_normal(mask.shape) + contrast * mask)[BRAIN]
                _write(root / "imagesTr" / f"{name}_000{channel}.nii.gz", image)
            _write(root / "labelsTr" / f"{name}.nii.gz", mask.astype(np.uint8))
    (root / "patientsTr.json").write_text(json.dumps(patients))
    return root


def msdelta(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "worker.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_method_is_trained_and_evaluated_on_the_patients_it_did_not_see(folder: Path, tmp_path: Path):
    options = ["--data", folder, "--out", tmp_path / "run", "--fold", 1, "--folds", 4, "--patch", 48, 48, 48]
    trained = msdelta(
        *("train", "single", *options, "--iterations", 12, "--batch", 1, "--recipe", "adamw", "--loaders", 0)
    )
    assert trained.returncode == 0, trained.stderr
    weights = load(tmp_path / "run" / "single.safetensors")
    expected = "adamw on labelled scans of 3 patients (1 kept apart), 12 of 12 iterations, seed 1"
    assert weights.card.record == expected
    scored = msdelta(
        *("evaluate", "single", "--run", tmp_path / "run", "--data", folder, "--out", tmp_path / "scores"),
        *("--fold", 1, "--folds", 4),
    )
    assert scored.returncode == 0, scored.stderr
    with (tmp_path / "scores" / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    apart = json.loads((tmp_path / "scores" / "patients.json").read_text())
    assert len(apart) == 1
    assert {row["scan"] for row in rows} == set(next(iter(apart.values())))
    summary = json.loads((tmp_path / "scores" / "scores.json").read_text())
    assert summary["prediction"]


def test_what_the_labels_call_unknown_counts_on_neither_side(folder: Path, tmp_path: Path):
    """Truth: a lesion. Predicted: the same, and as much again where the labels say that nobody can tell."""
    truth = np.zeros((32, 32, 32), np.uint8)
    truth[6:10, 6:10, 6:10], truth[18:22, 6:10, 6:10] = 1, 2
    data = tmp_path / "data"
    for channel in range(2):
        _write(data / "imagesTr" / f"a_000{channel}.nii.gz", np.ones(truth.shape, np.float32))
    _write(data / "labelsTr" / "a.nii.gz", truth)
    _write(tmp_path / "masks" / "a.nii.gz", (truth > 0).astype(np.uint8))

    def dice(ignored: bool) -> float:
        labels = {"background": 0, "lesion": 1, **({"ignore": 2} if ignored else {"other": 2})}
        (data / "dataset.json").write_text(json.dumps({"labels": labels}))
        out = tmp_path / str(ignored)
        score_masks(read_labelled_folder(data), tmp_path / "masks", out)
        with (out / "scores.csv").open() as file:
            return float(next(csv.DictReader(file))["dice"])

    assert dice(ignored=True) == 1.0
    _write(tmp_path / "masks" / "a.nii.gz", (truth == 1).astype(np.uint8))
    assert dice(ignored=True) == 1.0
    assert dice(ignored=False) == pytest.approx(2 / 3)


@pytest.mark.slow
def test_two_processes_train_one_network(folder: Path, tmp_path: Path):
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "worker.cli"),
        *("train", "denner", "--data", str(folder), "--out", str(tmp_path / "run"), "--patch", "48", "48", "48"),
        *("--iterations", "2", "--batch", "1", "--loaders", "0", "--device", "cpu"),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    rows = (tmp_path / "run" / "log.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["iteration", "1", "2"]
    assert (tmp_path / "run" / "denner.safetensors").exists()


def test_a_folder_of_no_layout_is_a_named_error(tmp_path: Path):
    ended = msdelta("train", "single", "--data", tmp_path, "--out", tmp_path / "run", "--iterations", 1)
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: invalid_option: data: expected imagesTr/")
    assert str(tmp_path) not in ended.stderr


def test_a_method_that_is_none_is_a_named_error():
    with pytest.raises(InvalidOption, match="expected one of difference-weighting"):
        checked_method("unet")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--fold", 0), "fold: expected labelled scans"),
        (
            ("--data", "FOLDER", "--patch", 50, 48, 48),
            "patch: expected multiples of 16 16 16 and above 2 of them, saw 50 48 48",
        ),
        (("--data", "FOLDER", "--fold", 0, "--folds", 9), "folds: 9 folds need as many patients, saw 4"),
        (("--data", "FOLDER", "--hold-out", "nobody"), "hold_out: expected names of patients, saw 1"),
        (("--synthetic", "FOLDER"), "synthetic: expected open_ms_data"),
        ((), "data: expected labelled scans or a folder"),
    ],
)
def test_what_cannot_be_trained_on_is_a_named_error_before_any_training(
    folder: Path, tmp_path: Path, options: tuple[object, ...], message: str
):
    runner = CliRunner()
    given = [str(folder) if option == "FOLDER" else str(option) for option in options]
    if "--patch" not in given:
        given += ["--patch", "48", "48", "48"]
    ended = runner.invoke(cli, ["train", "single", "--out", str(tmp_path / "run"), "--iterations", "1", *given])
    assert isinstance(ended.exception, InvalidOption)
    assert message in ended.exception.message
    assert not list(tmp_path.rglob("*.safetensors"))


def test_each_folder_has_its_own_folds_and_no_patient_is_on_both_sides(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """`evaluate` is given one folder; the fold must be the one that training on two folders kept apart."""
    seen = []
    monkeypatch.setattr("worker.commands.train.train", lambda _settings, scans, **_: seen.append(scans))
    other = write_nnunet(tmp_path / "other")
    settings = TrainingSettings(out=tmp_path / "run", method="denner", patch=(48, 48, 48))
    train_method(settings, [folder, other], Fold(number=1, count=2))
    apart = {patient.folder for patient in seen[0].validation}
    assert not apart & {patient.folder for patient in seen[0].training}
    assert len(seen[0].validation) == len(seen[0].training) == 4
    for one in (folder, other):
        wanted = {patient.name for patient in patients_to_score(one, Fold(number=1, count=2))}
        train_method(replace(settings, out=tmp_path / "run"), [one], Fold(number=1, count=2))
        assert {patient.name for patient in seen[-1].validation} == wanted
        assert {patient.folder for patient in seen[-1].validation} <= apart


def test_a_patient_held_out_by_name_validates_and_is_not_trained_on(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    seen = []
    monkeypatch.setattr("worker.commands.train.train", lambda _settings, scans, **_: seen.append(scans))
    settings = TrainingSettings(out=tmp_path / "run", method="denner", patch=(48, 48, 48), hold_out=("p2",))
    train_method(settings, [folder], None)
    assert [patient.name for patient in seen[0].validation] == ["p2"]
    assert [patient.name for patient in seen[0].training] == ["p0", "p1", "p3"]
    assert [patient.name for patient in patients_to_score(folder, None, ["p2"])] == ["p2"]


def test_a_run_goes_on_with_the_patients_it_kept_apart_only(folder: Path, tmp_path: Path):
    settings = TrainingSettings(
        out=tmp_path / "run", method="denner", patch=(33, 33, 33), iterations=1, loaders=0, recipe="adamw"
    )
    train_method(settings, [folder], Fold(number=0, count=4))
    with pytest.raises(InvalidOption, match="other patients kept apart"):
        train_method(replace(settings, iterations=2), [folder], Fold(number=1, count=4))


def _write(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(sitk.GetImageFromArray(array), str(path))
