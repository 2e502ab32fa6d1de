"""Which scan is segmented given which, and a folder that holds a scan that cannot be used."""

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from model.folder_prediction import Case, FolderOptions, cases, predict_folder, scans_in
from model.patient_list import read_patients
from tests.fixtures.reference_scans import bright_voxels, cube, write

SELF = FolderOptions(mirroring=False)
FOLLOW_UP = FolderOptions(prior_for_first="follow-up", mirroring=False)


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).touch()
    return folder


def no_progress(_: int, __: float) -> None:
    pass


def test_a_scan_is_its_files_without_channel_and_ending(tmp_path: Path) -> None:
    touch(tmp_path, "b_1_0000.nii.gz", "a_0001.nii.gz", "a_0000.nii.gz", "a_000.nii.gz", "notes.txt", "c_0000.nrrd")

    assert scans_in(tmp_path, ".nii.gz") == ["a", "b_1"]


@pytest.mark.parametrize(("options", "first"), [(SELF, None), (FOLLOW_UP, "b")])
def test_each_scan_has_the_one_before_it_as_its_prior(
    tmp_path: Path, options: FolderOptions, first: str | None
) -> None:
    touch(tmp_path, *(f"{name}_0000.nii.gz" for name in "abcx"))

    found = cases(tmp_path, {"p": ["a", "b", "c"], "q": ["x"]}, options)

    assert [(case.name, case.prior) for case in found] == [("a", first), ("b", "a"), ("c", "b"), ("x", None)]


def test_only_scans_that_are_listed_and_there_are_segmented(tmp_path: Path) -> None:
    """The scan before a missing one is the prior, as in the reference."""
    touch(tmp_path, *(f"{name}_0000.nii.gz" for name in "acz"))

    found = cases(tmp_path, {"p": ["a", "b", "c"], "q": ["y"]}, SELF)

    assert [(case.name, case.prior) for case in found] == [("a", None), ("c", "a")]


def test_a_method_without_prior_gets_none(tmp_path: Path) -> None:
    touch(tmp_path, "a_0000.nii.gz", "b_0000.nii.gz")

    found = cases(tmp_path, {"p": ["a", "b"]}, FOLLOW_UP, with_prior=False)

    assert found == [Case(name="a", prior=None), Case(name="b", prior=None)]


def test_without_a_list_every_scan_stands_alone(tmp_path: Path) -> None:
    touch(tmp_path, "a_0000.nii.gz", "b_0000.nii.gz")

    assert cases(tmp_path, None, SELF) == [Case(name="a", prior=None), Case(name="b", prior=None)]


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "JSON"), ("[]", "object"), ('{"p": "a"}', "list"), ('{"p": [1]}', "names"), ('{"p": ["a", "a"]}', "twice")],
)
def test_a_list_of_patients_that_is_none_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "patients.json"
    path.write_text(text)

    with pytest.raises(ValueError, match=message):
        read_patients(path)


def test_a_scan_that_cannot_be_used_does_not_stop_the_others(tmp_path: Path) -> None:
    scans, out = tmp_path / "in", tmp_path / "out"
    good = write(scans, cube(), name="good")
    write(scans, cube(), name="other", spacing=(1.0, 1.0, 2.0))
    (scans / "broken_0000.nii.gz").write_bytes(b"nothing")
    (tmp_path / "patients.json").write_text(json.dumps({"p": ["broken", "other", "good"]}))
    wanted = cases(scans, read_patients(tmp_path / "patients.json"), SELF)

    outcomes = predict_folder([bright_voxels()], scans, out, wanted, SELF, progress=no_progress)

    problems = [outcome.problem for outcome in outcomes]
    assert problems == ["an image is missing or cannot be read"] * 2 + ["prior: expected the grid of the current scan"]
    assert not list(out.iterdir())

    alone = predict_folder([bright_voxels()], scans, out, [Case(name="good", prior=None)], SELF, progress=no_progress)

    assert alone[0].problem is None
    mask = sitk.GetArrayFromImage(sitk.ReadImage(str(out / "good.nii.gz")))
    np.testing.assert_array_equal(mask == 1, sitk.GetArrayFromImage(sitk.ReadImage(str(good[0]))) > 50)
    assert [path.name for path in out.iterdir()] == ["good.nii.gz"]
