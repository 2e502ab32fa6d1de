"""Labelled folders of both layouts, folds of their patients, and the arrays made of them."""

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from model.checkpoint import Preprocessing
from model.kfold import split
from model.labelled_folder import read_labelled_folder
from model.network import UNKNOWN
from model.prepared_patients import prepare_patients

PREPROCESSING = Preprocessing(patch=(16, 16, 16))


def write(path: Path, array: np.ndarray, *, spacing=(1.0, 1.0, 1.0)) -> None:
    image = sitk.GetImageFromArray(array.astype(np.float32))
    image.SetSpacing(spacing)
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))


def images(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """T1, FLAIR and mask; a brain of ones to twos within zeros, the mask a cube."""
    rng = np.random.default_rng(seed)
    t1, flair = np.zeros((2, 14, 16, 18), np.float32)
    for image in (t1, flair):
        image[2:12, 3:13, 4:14] = rng.uniform(1, 2, (10, 10, 10))
    mask = np.zeros_like(t1)
    mask[4:8, 5:9, 6:10] = 1
    return t1, flair, mask


@pytest.fixture
def nnunet(tmp_path: Path) -> Path:
    """Three patients of two scans; FLAIR is the first channel."""
    for patient in range(3):
        for visit in range(2):
            t1, flair, mask = images(10 * patient + visit)
            name = f"p{patient}_v{visit}"
            write(tmp_path / "imagesTr" / f"{name}_0000.nii.gz", flair)
            write(tmp_path / "imagesTr" / f"{name}_0001.nii.gz", t1)
            write(tmp_path / "labelsTr" / f"{name}.nii.gz", mask)
    dataset = {"channel_names": {"0": "FLAIR", "1": "T1w"}, "file_ending": ".nii.gz"}
    (tmp_path / "dataset.json").write_text(json.dumps(dataset))
    listed = {f"p{p}": [f"p{p}_v0", f"p{p}_v1"] for p in range(3)}
    (tmp_path / "patientsTr.json").write_text(json.dumps(listed))
    return tmp_path


@pytest.fixture
def bids(tmp_path: Path) -> Path:
    for subject in ("sub-01", "sub-02"):
        for session in ("ses-1", "ses-2"):
            t1, flair, mask = images(3)
            anat = tmp_path / subject / session / "anat"
            name = f"{subject}_{session}"
            write(anat / f"{name}_T1w.nii.gz", t1)
            write(anat / f"{name}_FLAIR.nii.gz", flair)
            derived = tmp_path / "derivatives" / "raters" / subject / session / "anat"
            write(derived / f"{name}_label-lesion_mask.nii.gz", mask)
    return tmp_path


def test_channels_are_found_by_their_names(nnunet: Path):
    patients = read_labelled_folder(nnunet)
    assert [p.name for p in patients] == ["p0", "p1", "p2"]
    t1, flair = patients[0].scans[1].images
    assert (t1.name, flair.name) == ("p0_v1_0001.nii.gz", "p0_v1_0000.nii.gz")


def test_without_a_list_every_scan_is_a_patient(nnunet: Path):
    (nnunet / "patientsTr.json").unlink()
    assert [len(p.scans) for p in read_labelled_folder(nnunet)] == [1] * 6


def test_a_bids_folder_gives_sessions_in_order_with_the_mask_of_its_derivatives(bids: Path):
    patients = read_labelled_folder(bids)
    assert [[scan.name for scan in p.scans] for p in patients] == [
        ["sub-01_ses-1", "sub-01_ses-2"],
        ["sub-02_ses-1", "sub-02_ses-2"],
    ]
    assert "derivatives" in patients[0].scans[0].label.parts


def test_what_is_missing_is_named_without_its_folder(nnunet: Path, bids: Path):
    (nnunet / "labelsTr" / "p1_v0.nii.gz").unlink()
    with pytest.raises(ValueError, match=r"labelsTr/p1_v0.nii.gz is missing$"):
        read_labelled_folder(nnunet)
    (nnunet / "imagesTr").rename(nnunet / "other")
    next((bids / "derivatives").rglob("sub-01_ses-2*")).unlink()
    with pytest.raises(ValueError, match="sub-01_ses-2 has a FLAIR image and no lesion mask"):
        read_labelled_folder(bids)


def test_other_channels_and_other_folders_are_refused(nnunet: Path, tmp_path_factory: pytest.TempPathFactory):
    (nnunet / "dataset.json").write_text(json.dumps({"channel_names": {"0": "CT", "1": "PET"}}))
    with pytest.raises(ValueError, match=r"saw \['CT', 'PET'\]"):
        read_labelled_folder(nnunet)
    with pytest.raises(ValueError, match="saw neither"):
        read_labelled_folder(tmp_path_factory.mktemp("empty"))


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_description_that_is_none_is_refused(nnunet: Path, text: str):
    (nnunet / "dataset.json").write_text(text)
    with pytest.raises(ValueError, match=r"dataset\.json"):
        read_labelled_folder(nnunet)


def test_a_brain_mask_is_no_lesion_mask(bids: Path):
    for path in list(bids.rglob("*label-lesion_mask.nii.gz")):
        path.rename(path.with_name(path.name.replace("label-lesion", "label-brain")))
    with pytest.raises(ValueError, match="no lesion mask"):
        read_labelled_folder(bids)


def test_a_lesion_mask_goes_before_a_map_of_tissues(bids: Path):
    for path in list(bids.rglob("*label-lesion_mask.nii.gz")):
        path.with_name("a_dseg.nii.gz").touch()
    assert "lesion_mask" in read_labelled_folder(bids)[0].scans[0].label.name


def test_the_masks_of_two_raters_are_ambiguous(bids: Path):
    for path in list(bids.rglob("*label-lesion_mask.nii.gz")):
        path.with_name("second_rater_label-lesion_mask.nii.gz").touch()
    with pytest.raises(ValueError, match="sub-01_ses-1: expected one lesion mask, saw 2"):
        read_labelled_folder(bids)


def test_arrays_are_cropped_scored_and_the_same_from_the_cache(nnunet: Path, tmp_path: Path):
    patients = read_labelled_folder(nnunet)
    made = prepare_patients(patients, tmp_path / "cache", PREPROCESSING)
    again = prepare_patients(patients, tmp_path / "cache", PREPROCESSING)
    first = made[0]
    assert first.scans[0].shape == (2, 10, 10, 10)
    assert first.scans[0].mean(axis=(1, 2, 3)) == pytest.approx([0, 0], abs=1e-4)
    assert first.lesions[0].sum() == 64
    for a, b in zip(made, again, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a.scans, b.scans, strict=True))
        assert all(np.array_equal(x, y) for x, y in zip(a.lesions, b.lesions, strict=True))


def test_a_changed_file_is_prepared_anew(nnunet: Path, tmp_path: Path):
    patients = read_labelled_folder(nnunet)
    prepare_patients(patients, tmp_path / "cache", PREPROCESSING)
    write(nnunet / "labelsTr" / "p0_v0.nii.gz", np.zeros((14, 16, 18)))
    made = prepare_patients(read_labelled_folder(nnunet), tmp_path / "cache", PREPROCESSING)
    assert not made[0].lesions[0].any()


def test_scans_on_different_grids_are_refused(nnunet: Path, tmp_path: Path):
    for number in range(2):
        write(nnunet / "imagesTr" / f"p2_v1_000{number}.nii.gz", images(1)[0], spacing=(1.0, 1.0, 2.0))
    with pytest.raises(ValueError, match="p2 lie on different grids"):
        prepare_patients(read_labelled_folder(nnunet), tmp_path / "cache", PREPROCESSING)


def test_folds_keep_every_patient_apart_once_whatever_their_order():
    names = [f"p{n}" for n in range(11)]
    apart = [split(names, fold, 4)[1] for fold in range(4)]
    assert sorted(name for part in apart for name in part) == sorted(names)
    assert max(map(len, apart)) - min(map(len, apart)) <= 1
    for fold in range(4):
        training, kept = split(names, fold, 4)
        assert not set(training) & set(kept)
        assert set(split(names[::-1], fold, 4)[1]) == set(kept)


@pytest.mark.parametrize(("fold", "folds", "names"), [(4, 4, 9), (0, 1, 9), (0, 5, 3)])
def test_a_fold_that_cannot_be_is_refused(fold: int, folds: int, names: int):
    with pytest.raises(ValueError, match="fold"):
        split([str(n) for n in range(names)], fold, folds)


def test_the_label_ignore_is_unknown_and_neither_lesion_nor_none(nnunet: Path, tmp_path: Path):
    mask = images(0)[2]
    mask[8:10, 5:9, 6:10] = 2
    write(nnunet / "labelsTr" / "p0_v0.nii.gz", mask)
    described = json.loads((nnunet / "dataset.json").read_text())
    made = prepare_patients(read_labelled_folder(nnunet), tmp_path / "cache", PREPROCESSING)
    assert set(np.unique(made[0].lesions[0])) == {0, 1}  # without a description every value is lesion

    described["labels"] = {"background": 0, "lesion": 1, "ignore": 2}
    (nnunet / "dataset.json").write_text(json.dumps(described))
    made = prepare_patients(read_labelled_folder(nnunet), tmp_path / "cache", PREPROCESSING)

    assert (made[0].lesions[0] == 1).sum() == 64
    assert (made[0].lesions[0] == UNKNOWN).sum() == 32


@pytest.mark.parametrize("labels", [{"lesion": 2, "ignore": 1}, {"lesion": 1, "ignore": "2"}])
def test_a_label_ignore_that_is_none_is_refused(nnunet: Path, labels: dict[str, object]):
    (nnunet / "dataset.json").write_text(json.dumps({"labels": labels}))
    with pytest.raises(ValueError, match="label ignore"):
        read_labelled_folder(nnunet)
