"""The whole way on a real clinical pair: raw 2D FLAIR of two protocols."""

from datetime import date
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from model.volume import Volume
from tests.fixtures.compare_command import Result, compare, near
from worker.dicom_sequences import SIEMENS_FLAIR_2D, SIEMENS_MPRAGE
from worker.dicom_writer import MrHeader, write_mr_series

pytestmark = [pytest.mark.slow, pytest.mark.shared_data]


def test_a_real_clinical_pair_gives_the_same_as_nifti_and_as_dicom(shared_folder: Path, tmp_path: Path) -> None:
    source = shared_folder / "data" / "open_ms_data" / "longitudinal" / "patient01"
    _write_both_kinds(source, tmp_path)

    results = {
        kind: compare(
            tmp_path / f"out-{kind}", tmp_path / kind / "study1", tmp_path / kind / "study2", more=("--no-certainty",)
        )
        for kind in ("nifti", "dicom")
    }

    nifti, dicom = results["nifti"].report, results["dicom"].report
    assert nifti.comparable
    assert dicom.volumes_ml.follow_up == pytest.approx(nifti.volumes_ml.follow_up, rel=0.02)
    assert dicom.volumes_ml.baseline == pytest.approx(nifti.volumes_ml.baseline, rel=0.02)
    # affines as decimal strings and as single floats differ in the sixth digit, and a voxel can fall on either side
    # of the threshold: below this size it can decide whether there is a lesion
    sure = [row for row in nifti.lesions if max(row.baseline_volume_mm3 or 0, row.follow_up_volume_mm3) >= 30]
    assert sure
    for row in sure:
        other = near(dicom, row.centroid_mm, distance_mm=0.5)
        assert other is not None, row
        assert other.status == row.status
    for kind, result in results.items():
        _check_on_own_flair(source, result, kind)


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


def _check_on_own_flair(source: Path, result: Result, kind: str) -> None:
    """Every mask lies on its own FLAIR, and its lesions where the table says."""
    for name, visit in (("baseline", "study1"), ("follow_up", "study2"), ("change", "study2")):
        flair = nib.load(source / f"{visit}_FLAIR.nii.gz")
        file = "change.nii.gz" if name == "change" else f"{name}_lesions.nii.gz"
        written = nib.load(result.out / file)
        assert written.shape == flair.shape, kind
        np.testing.assert_allclose(written.affine, flair.affine, atol=1e-3)
