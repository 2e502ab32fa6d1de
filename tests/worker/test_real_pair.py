"""The whole way on a real clinical pair: raw 2D FLAIR of two protocols."""

from datetime import date
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from model.volume import Volume
from service.contracts.report import LesionRow, LesionStatus
from tests.fixtures.compare_command import compare
from worker.dicom_sequences import SIEMENS_FLAIR_2D, SIEMENS_MPRAGE
from worker.dicom_writer import MrHeader, write_mr_series
from worker.study_reader import StudyFolder, read_pair

pytestmark = [pytest.mark.slow, pytest.mark.shared_data]


@pytest.fixture(scope="module")
def source(shared_folder: Path) -> Path:
    return shared_folder / "data" / "open_ms_data" / "longitudinal" / "patient01"


@pytest.fixture(scope="module")
def kinds(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kinds")
    _write_both_kinds(source, folder)
    return folder


def test_what_is_read_is_the_same_from_nifti_and_from_dicom(kinds: Path) -> None:
    """Equal images are compared equally: that is shown elsewhere, and takes no second job here."""
    pairs = [
        read_pair(*(StudyFolder(folder=kinds / kind / visit) for visit in ("study1", "study2")))
        for kind in ("nifti", "dicom")
    ]

    for nifti, dicom in zip(*pairs, strict=True):
        assert nifti.t1 is not None
        assert dicom.t1 is not None
        for one, other in ((nifti.flair.volume, dicom.flair.volume), (nifti.t1.volume, dicom.t1.volume)):
            np.testing.assert_array_equal(other.array, one.array)
            np.testing.assert_allclose(other.affine, one.affine, rtol=0, atol=1e-9)


def test_the_largest_growth_of_a_real_pair_lies_where_readers_marked_change(
    source: Path, kinds: Path, tmp_path: Path
) -> None:
    result = compare(tmp_path, kinds / "dicom" / "study1", kinds / "dicom" / "study2", more=("--no-certainty",))

    assert result.report.comparable
    marks = sitk.ReadImage(source / "gt.nii.gz")
    to_common = sitk.ReadTransform(source / "study2_FLAIR_to_common_space.txt").GetInverse()
    largest = max(result.report.lesions, key=_growth)
    assert largest.status in (LesionStatus.NEW, LesionStatus.ENLARGING)
    assert _growth(largest) > 500
    x, y, z = marks.TransformPhysicalPointToIndex(to_common.TransformPoint(largest.centroid_mm))
    assert sitk.GetArrayViewFromImage(marks)[z - 1 : z + 2, y - 3 : y + 4, x - 3 : x + 4].any()
    for name, visit in (("baseline", "study1"), ("follow_up", "study2"), ("change", "study2")):
        flair = nib.load(source / f"{visit}_FLAIR.nii.gz")
        file = "change.nii.gz" if name == "change" else f"{name}_lesions.nii.gz"
        written = nib.load(result.out / file)
        assert written.shape == flair.shape
        np.testing.assert_allclose(written.affine, flair.affine, atol=1e-3)


def _growth(row: LesionRow) -> float:
    return row.follow_up_volume_mm3 - (row.baseline_volume_mm3 or 0.0)


def _write_both_kinds(source: Path, folder: Path) -> None:
    """The pair as links to its NIfTI files, and as DICOM written from them."""
    sequences = {"FLAIR": (SIEMENS_FLAIR_2D, 1), "T1W": (SIEMENS_MPRAGE, 2)}
    for visit, day in (("study1", date(2020, 1, 1)), ("study2", date(2021, 1, 1))):
        for sequence, (physics, number) in sequences.items():
            path = source / f"{visit}_{sequence}.nii.gz"
            target = folder / "nifti" / visit
            target.mkdir(parents=True, exist_ok=True)
            (target / f"{sequence}.nii.gz").symlink_to(path)
            image = nib.load(path)
            volume = Volume(
                array=np.asarray(image.dataobj, np.float32), affine=np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine
            )
            header = MrHeader(sequence=physics, study_date=day, series_number=number)
            write_mr_series(volume, folder / "dicom" / visit / sequence, header=header)
