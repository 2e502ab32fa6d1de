"""`msdelta predict` as a researcher runs it, on the reference's folders and on our weights."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from model.checkpoint import save
from tests.fixtures.reference_scans import bright_voxels, cube, write


def predict(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "worker.cli", "predict", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


def array(path: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


@pytest.fixture
def single(tmp_path: Path) -> Path:
    model = bright_voxels()
    save(tmp_path / "weights.safetensors", model.network, model.preprocessing, model.card)
    return tmp_path / "weights.safetensors"


@pytest.mark.shared_data
@pytest.mark.slow
@pytest.mark.parametrize("fixture", ["plain3", "concat3"])
def test_the_references_folder_gives_the_references_masks(shared_folder: Path, tmp_path: Path, fixture: str) -> None:
    """With either prior of the first scan; the second has the same one both times and is segmented once."""
    folder = shared_folder / "parity" / fixture
    common = ("-m", folder / "model", "-i", folder / "in", "-pat", folder / "patients.json")
    alone, beside = tmp_path / "self", tmp_path / "follow-up"

    done = [predict(*common, "-o", alone, "--prior-for-first", "self")]
    beside.mkdir()
    shutil.copy(alone / "p1_t1.nii.gz", beside)
    done.append(predict(*common, "-o", beside, "--prior-for-first", "follow-up", "--continue"))

    assert [one.returncode for one in done] == [0, 0], [one.stderr for one in done]
    assert "1 of 2 scans segmented, 1 were there" in done[1].stdout
    for written, pairing in [
        (alone / "p1_t0", "p1_t0_given_t0"),
        (alone / "p1_t1", "p1_t1_given_t0"),
        (beside / "p1_t0", "p1_t0_given_t1"),
    ]:
        mask = sitk.ReadImage(f"{written}.nii.gz")
        expected = sitk.ReadImage(str(folder / "expected" / f"{pairing}.nii.gz"))
        np.testing.assert_array_equal(sitk.GetArrayFromImage(mask), sitk.GetArrayFromImage(expected))
        np.testing.assert_allclose(mask.GetOrigin(), expected.GetOrigin(), atol=1e-4)
        np.testing.assert_allclose(mask.GetDirection(), expected.GetDirection(), atol=1e-6)
    for out in (alone, beside):
        assert (out / "plans.json").read_bytes() == (folder / "model" / "plans.json").read_bytes()


@pytest.mark.shared_data
@pytest.mark.slow
def test_folds_are_averaged_and_can_be_chosen(shared_folder: Path, tmp_path: Path) -> None:
    """Two equal folds give the mask of one; a fold that is not there is named."""
    folder = shared_folder / "parity" / "concat3"
    model = tmp_path / "model"
    shutil.copytree(folder / "model", model)
    shutil.copytree(model / "fold_0", model / "fold_all")
    common = ("-m", model, "-i", folder / "in", "-pat", folder / "patients.json", "--no-mirroring")

    assert predict(*common, "-o", tmp_path / "both").returncode == 0
    assert predict(*common, "-o", tmp_path / "one", "-f", "all").returncode == 0
    missing = predict(*common, "-o", tmp_path / "none", "-f", "3")

    masks = [array(tmp_path / name / "p1_t1.nii.gz") for name in ("both", "one")]
    np.testing.assert_array_equal(*masks)
    shas = [json.loads((tmp_path / name / "predict.json").read_text())["sha256"] for name in ("both", "one")]
    assert [len(sha) for sha in shas] == [2, 1]
    assert (missing.returncode, missing.stderr.split(":")[:2]) == (2, ["error", " invalid_checkpoint"])


def test_what_is_done_is_left_alone_when_a_run_goes_on(single: Path, tmp_path: Path) -> None:
    scans, out = tmp_path / "in", tmp_path / "out"
    write(scans, cube(), name="a")
    write(scans, cube(), name="b")
    out.mkdir()
    (out / "a.nii.gz").write_bytes(b"made before")

    done = predict("-m", single, "-i", scans, "-o", out, "--continue", "--no-mirroring")

    assert done.returncode == 0, done.stderr
    assert (out / "a.nii.gz").read_bytes() == b"made before"
    assert array(out / "b.nii.gz").any()
    assert "1 of 2 scans segmented, 1 were there" in done.stdout


def test_a_scan_without_mask_is_an_error_that_names_no_scan(single: Path, tmp_path: Path) -> None:
    scans, out = tmp_path / "in", tmp_path / "out"
    write(scans, cube(), name="good")
    (scans / "Canary^Name_0000.nii.gz").write_bytes(b"nothing")

    done = predict("-m", single, "-i", scans, "-o", out, "--no-mirroring")

    assert done.returncode == 2
    assert "error: unusable_scans: 1 of 2" in done.stderr
    assert "Canary" not in done.stderr + done.stdout
    assert array(out / "good.nii.gz").any()
    record = {row["scan"]: row["problem"] for row in json.loads((out / "predict.json").read_text())["scans"]}
    assert record == {"good": None, "Canary^Name": "an image is missing or cannot be read"}


def test_an_empty_folder_and_a_bad_list_are_refused(single: Path, tmp_path: Path) -> None:
    (tmp_path / "patients.json").write_text("[]")

    nothing = predict("-m", single, "-i", tmp_path, "-o", tmp_path / "out")
    bad_list = predict("-m", single, "-i", tmp_path, "-o", tmp_path / "out", "-pat", tmp_path / "patients.json")

    assert (nothing.returncode, bad_list.returncode) == (2, 2)
    assert "error: empty_study" in nothing.stderr
    assert "error: invalid_option: patients" in bad_list.stderr
