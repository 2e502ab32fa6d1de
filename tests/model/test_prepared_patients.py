"""Labelled scans as the network sees them."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from model.checkpoint import Preprocessing
from model.labelled_folder import read_labelled_folder
from model.prepared_patients import prepare_patients
from model.reference_mode import nonzero_box, preprocess, read_scan
from tests.fixtures.labelled_patients import PATIENTS, lesions, write_image, write_nnunet

PREPROCESSING = Preprocessing(patch=(16, 16, 16))


def test_scans_are_prepared_as_prediction_prepares_them(tmp_path: Path) -> None:
    patient = read_labelled_folder(write_nnunet(tmp_path / "data", ["p1"]))[0]

    made = prepare_patients([patient], tmp_path / "cache", PREPROCESSING)[0]

    scans = [read_scan(scan.images) for scan in patient.scans]
    for one, scan in zip(made.scans, scans, strict=True):
        np.testing.assert_array_equal(one, preprocess(scan, PREPROCESSING, nonzero_box(scans)))


def test_lesions_stay_where_they_are_in_the_image(tmp_path: Path) -> None:
    made = prepare_patients(read_labelled_folder(write_nnunet(tmp_path / "data")), tmp_path / "cache", PREPROCESSING)

    for patient in made:
        for scan, mask, centres in zip(patient.scans, patient.lesions, PATIENTS[patient.name], strict=True):
            np.testing.assert_array_equal(mask, lesions(centres)[2:-2, 2:-2, 2:-2])  # the margin is cropped
            assert scan[1][mask == 1].mean() - scan[1][mask == 0].mean() > 2
            assert scan[0][mask == 1].mean() - scan[0][mask == 0].mean() < -1


def test_another_spacing_is_brought_to_one_millimetre(tmp_path: Path) -> None:
    folder = write_nnunet(tmp_path / "data", ["p1"])
    for path in folder.rglob("*.nii.gz"):
        scan = path.name.split("_")[1][0]
        mask = lesions(PATIENTS["p1"][int(scan)])[::2]
        array = mask.astype(np.uint8) if path.parent.name == "labelsTr" else (1.0 + mask).astype(np.float32)
        write_image(path, array, spacing=(1.0, 1.0, 2.0))

    made = prepare_patients(read_labelled_folder(folder), tmp_path / "cache", PREPROCESSING)[0]

    assert made.scans[0].shape == (2, 24, 24, 24)
    assert made.lesions[1].sum() == pytest.approx(lesions(PATIENTS["p1"][1]).sum(), rel=0.15)


def test_a_second_run_reads_the_cache_and_a_changed_file_is_prepared_again(tmp_path: Path) -> None:
    patients = read_labelled_folder(write_nnunet(tmp_path / "data", ["p1"]))
    first = prepare_patients(patients, tmp_path / "cache", PREPROCESSING)[0]
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*") if path.is_file()}

    again = prepare_patients(patients, tmp_path / "cache", PREPROCESSING)[0]

    assert {path: path.stat().st_mtime_ns for path in made} == made
    for one, other in zip((*first.scans, *first.lesions), (*again.scans, *again.lesions), strict=True):
        np.testing.assert_array_equal(one, other)
    write_image(patients[0].scans[0].label, np.zeros((24, 24, 24), np.uint8))
    assert not prepare_patients(patients, tmp_path / "cache", PREPROCESSING)[0].lesions[0].any()


def test_visits_on_different_grids_are_refused(tmp_path: Path) -> None:
    patients = read_labelled_folder(write_nnunet(tmp_path / "data", ["p1"]))
    for path in (*patients[0].scans[1].images, patients[0].scans[1].label):
        write_image(path, np.ones((24, 24, 20), np.float32))

    with pytest.raises(ValueError, match="p1 lie on different grids"):
        prepare_patients(patients, tmp_path / "cache", PREPROCESSING)


def test_visits_at_different_places_are_refused(tmp_path: Path) -> None:
    """Same size and spacing, but the second visit was never brought to the first."""
    import SimpleITK as sitk

    patients = read_labelled_folder(write_nnunet(tmp_path / "data", ["p1"]))
    for path in (*patients[0].scans[1].images, patients[0].scans[1].label):
        image = sitk.ReadImage(str(path))
        image.SetOrigin([value + 5 for value in image.GetOrigin()])
        sitk.WriteImage(image, str(path))

    with pytest.raises(ValueError, match="p1 lie on different grids"):
        prepare_patients(patients, tmp_path / "cache", PREPROCESSING)


def test_a_mask_of_another_shape_is_refused(tmp_path: Path) -> None:
    patients = read_labelled_folder(write_nnunet(tmp_path / "data", ["p1"]))
    write_image(patients[0].scans[0].label, np.zeros((24, 24, 20), np.uint8))

    with pytest.raises(ValueError, match="mask of p1_0"):
        prepare_patients(patients, tmp_path / "cache", PREPROCESSING)


def test_a_map_of_tissues_is_no_lesion_mask(tmp_path: Path) -> None:
    patients = read_labelled_folder(write_nnunet(tmp_path / "data", ["p1"]))
    write_image(patients[0].scans[0].label, np.ones((24, 24, 24), np.uint8))

    with pytest.raises(ValueError, match="covers most of the image"):
        prepare_patients(patients, tmp_path / "cache", PREPROCESSING)


def test_another_process_opens_the_arrays_where_they_lie(tmp_path: Path) -> None:
    patients = read_labelled_folder(write_nnunet(tmp_path / "data", ["p1"]))
    made = prepare_patients(patients, tmp_path / "cache", PREPROCESSING)[0]

    sent = pickle.dumps(made)

    assert len(sent) < 1000
    again = pickle.loads(sent)  # noqa: S301 (made two lines above)
    for one, other in zip((*made.scans, *made.lesions), (*again.scans, *again.lesions), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("which", ["image", "mask"])
def test_an_unreadable_file_is_a_line_of_ours_without_its_path(tmp_path: Path, which: str) -> None:
    patients = read_labelled_folder(write_nnunet(tmp_path / "data", ["p1"]))
    path = patients[0].scans[0].images[0] if which == "image" else patients[0].scans[0].label
    path.write_bytes(b"nothing")

    with pytest.raises(ValueError, match=f"{which}.*p1_0 cannot be read") as refused:
        prepare_patients(patients, tmp_path / "cache", PREPROCESSING)
    assert str(tmp_path) not in str(refused.value)
