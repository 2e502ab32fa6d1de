"""The whole way on images: the phantom with its known truth, and a real clinical pair."""

import csv
import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from model.phantom import PhantomTruth
from model.volume import Volume
from service.contracts.report import CHANGE_LABELS, LesionRow, Report
from worker.dicom_sequences import SIEMENS_FLAIR_2D, SIEMENS_MPRAGE
from worker.dicom_writer import MrHeader, write_mr_series
from worker.phantom_files import write_phantom_pair

pytestmark = pytest.mark.slow

ARTIFACTS = {
    "follow_up_lesions.nii.gz",
    "baseline_lesions.nii.gz",
    "change.nii.gz",
    "lesions.csv",
    "report.json",
    "report.html",
}


@dataclass
class Result:
    out: Path
    report: Report
    output: str


def compare(out: Path, *studies: Path, more: tuple[str, ...] = ()) -> Result:
    command = [sys.executable, "-m", "worker.cli", "compare", *map(str, studies), "-o", str(out), "--json", *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr[-2000:]
    return Result(out=out, report=Report.model_validate_json((out / "report.json").read_text()), output=done.stdout)


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, PhantomTruth]:
    folder = tmp_path_factory.mktemp("phantom")
    return folder, write_phantom_pair(folder, kind="nifti")


@pytest.fixture(scope="module")
def phantom_result(phantom: tuple[Path, PhantomTruth], tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder, _ = phantom
    out = tmp_path_factory.mktemp("out")
    return compare(out, folder / "baseline", folder / "follow_up", more=("--probabilities",))


def near(report: Report, point: tuple[float, float, float], distance_mm: float = 6.0) -> LesionRow | None:
    rows = sorted(report.lesions, key=lambda row: np.linalg.norm(np.subtract(row.centroid_mm, point)))
    return rows[0] if rows and np.linalg.norm(np.subtract(rows[0].centroid_mm, point)) <= distance_mm else None


def test_every_artifact_is_there_and_the_printed_report_is_the_written_one(phantom_result: Result) -> None:
    names = {path.name for path in phantom_result.out.iterdir()}

    assert names == ARTIFACTS | {"baseline_probability.nii.gz", "follow_up_probability.nii.gz"}
    assert json.loads(phantom_result.output) == json.loads((phantom_result.out / "report.json").read_text())


@pytest.mark.parametrize(
    ("mask", "study"), [("follow_up", "follow_up"), ("baseline", "baseline"), ("change", "follow_up")]
)
def test_each_mask_lies_on_its_own_flair(
    phantom: tuple[Path, PhantomTruth], phantom_result: Result, mask: str, study: str
) -> None:
    name = "change.nii.gz" if mask == "change" else f"{mask}_lesions.nii.gz"
    flair, written = nib.load(phantom[0] / study / "FLAIR.nii.gz"), nib.load(phantom_result.out / name)

    assert written.shape == flair.shape
    np.testing.assert_allclose(written.affine, flair.affine, atol=1e-3)
    image, reference = sitk.ReadImage(phantom_result.out / name), sitk.ReadImage(phantom[0] / study / "FLAIR.nii.gz")
    np.testing.assert_allclose(image.GetOrigin(), reference.GetOrigin(), atol=1e-3)


def test_the_change_map_covers_the_follow_up_mask_and_its_labels_are_the_tables(phantom_result: Result) -> None:
    change = np.asarray(nib.load(phantom_result.out / "change.nii.gz").dataobj)
    mask = np.asarray(nib.load(phantom_result.out / "follow_up_lesions.nii.gz").dataobj) > 0

    assert (change[mask] > 0).all()
    statuses = {CHANGE_LABELS[row.status] for row in phantom_result.report.lesions if row.status}
    assert set(np.unique(change)) - {0} <= statuses


def test_the_table_and_the_report_agree(phantom_result: Result) -> None:
    report = phantom_result.report
    with (phantom_result.out / "lesions.csv").open() as file:
        rows = list(csv.DictReader(file))

    assert [int(row["id"]) for row in rows] == [row.id for row in report.lesions]
    counted = [row["status"] for row in rows if row["counted"] == "true"]
    assert report.counts is not None
    assert {status: counted.count(status) for status in set(counted)} == {
        status: n for status, n in report.counts.model_dump().items() if n
    }
    total = sum(float(row["follow_up_volume_mm3"]) for row in rows) / 1000
    assert total == pytest.approx(report.volumes_ml.follow_up, abs=1e-3)


def test_mask_and_table_measure_nearly_the_same_volume(phantom_result: Result) -> None:
    report = phantom_result.report

    # voxels of the slices, not of the 1 mm grid, and each scan's own scale
    assert report.follow_up.lesion_mask_volume_ml == pytest.approx(report.volumes_ml.follow_up, rel=0.05)
    assert report.baseline is not None
    assert report.baseline.lesion_mask_volume_ml == pytest.approx(report.volumes_ml.baseline, rel=0.05)


def test_the_registration_finds_the_phantoms_motion(phantom: tuple[Path, PhantomTruth], phantom_result: Result) -> None:
    assert phantom_result.report.registration is not None
    found = np.array(phantom_result.report.registration.baseline_from_follow_up)
    points = np.array([[*lesion.follow_up_centroid_mm, 1.0] for lesion in phantom[1].lesions])

    apart = (points @ found.T - points @ phantom[1].baseline_from_follow_up.T)[:, :3]

    assert np.linalg.norm(apart, axis=1).max() < 0.7


def test_large_lesions_of_the_phantom_are_found_where_they_are(
    phantom: tuple[Path, PhantomTruth], phantom_result: Result
) -> None:
    large = [lesion for lesion in phantom[1].lesions if lesion.follow_up_volume_mm3 >= 300]

    found = [near(phantom_result.report, lesion.follow_up_centroid_mm) for lesion in large]

    assert sum(row is not None for row in found) >= len(large) - 1


def test_swapping_the_studies_swaps_new_and_resolved(
    phantom: tuple[Path, PhantomTruth], phantom_result: Result, tmp_path: Path
) -> None:
    swapped = compare(tmp_path, phantom[0] / "follow_up", phantom[0] / "baseline").report
    straight = phantom_result.report
    assert straight.counts is not None
    assert swapped.counts is not None

    for one, other in [("new", "resolved"), ("enlarging", "shrinking"), ("stable", "stable")]:
        assert getattr(swapped.counts, one) == pytest.approx(getattr(straight.counts, other), abs=1)
    assert swapped.volumes_ml.baseline == pytest.approx(straight.volumes_ml.follow_up, rel=0.02)


def test_a_single_study_gives_its_mask_and_no_change(phantom: tuple[Path, PhantomTruth], tmp_path: Path) -> None:
    result = compare(tmp_path, phantom[0] / "follow_up")

    report = result.report
    assert {path.name for path in tmp_path.iterdir()} == {
        "follow_up_lesions.nii.gz",
        "lesions.csv",
        "report.json",
        "report.html",
    }
    assert (report.mode, report.comparable, report.counts) == ("single_time_point", False, None)
    assert [reason.code for reason in report.reasons if reason.code == "no_baseline"] == ["no_baseline"]
    assert report.lesions
    assert all(row.status is None for row in report.lesions)


def test_bad_input_is_a_named_error_and_leaves_no_report(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()

    done = subprocess.run(
        [sys.executable, "-m", "worker.cli", "compare", str(empty), "-o", str(tmp_path / "out")],
        capture_output=True,
        text=True,
    )

    assert (done.returncode, done.stderr.splitlines()[-1].startswith("error: empty_study: ")) == (2, True)
    assert not (tmp_path / "out" / "report.json").exists()


@pytest.mark.shared_data
def test_a_real_clinical_pair_gives_the_same_as_nifti_and_as_dicom(shared_folder: Path, tmp_path: Path) -> None:
    source = shared_folder / "data" / "open_ms_data" / "longitudinal" / "patient01"
    _write_both_kinds(source, tmp_path)

    results = {
        kind: compare(tmp_path / f"out-{kind}", tmp_path / kind / "study1", tmp_path / kind / "study2")
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
