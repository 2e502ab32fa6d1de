"""The whole way on images: the phantom with its known truth."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from model.phantom import PhantomTruth
from model.statuses import OPPOSITE, Status
from service.contracts.report import CHANGE_LABELS, Report
from tests.fixtures.coarse_phantom import write_coarse_pair
from tests.fixtures.compare_command import Result, compare, near

pytestmark = pytest.mark.slow

ARTIFACTS = {
    "follow_up_lesions.nii.gz",
    "follow_up_lesion_ids.nii.gz",
    "baseline_lesions.nii.gz",
    "change.nii.gz",
    "lesions.csv",
    "report.fhir.json",
    "report.json",
    "report.html",
    "report.pdf",
}


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, PhantomTruth]:
    folder = tmp_path_factory.mktemp("phantom")
    return folder, write_coarse_pair(folder, kind="nifti")


@pytest.fixture(scope="module")
def phantom_result(phantom: tuple[Path, PhantomTruth], tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder, _ = phantom
    out = tmp_path_factory.mktemp("out")
    return compare(out, folder / "baseline", folder / "follow_up", more=("--probabilities", "--no-certainty"))


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


def test_swapping_the_studies_mirrors_the_table(
    phantom: tuple[Path, PhantomTruth], phantom_result: Result, tmp_path: Path
) -> None:
    swapped = compare(tmp_path, phantom[0] / "follow_up", phantom[0] / "baseline", more=("--no-certainty",)).report
    straight = phantom_result.report
    assert straight.counts is not None
    assert swapped.counts is not None

    def facts(report: Report, *, turned: bool) -> list[tuple[object, ...]]:
        order = slice(None, None, -1 if turned else 1)
        return sorted(
            (
                OPPOSITE[Status(row.status)] if turned else Status(row.status),
                *(row.baseline_volume_mm3, row.follow_up_volume_mm3)[order],
                *(row.baseline_components, row.follow_up_components)[order],
                *(row.baseline_centroid_mm, row.centroid_mm)[order],
            )
            for row in report.lesions
            if row.status is not None
        )

    for one, other in zip(facts(straight, turned=False), facts(swapped, turned=True), strict=True):
        assert one[:5] == other[:5]
        np.testing.assert_allclose(one[5:], other[5:], atol=0.011)  # rounded to a hundredth
    assert (swapped.volumes_ml.baseline, swapped.volumes_ml.follow_up) == (
        straight.volumes_ml.follow_up,
        straight.volumes_ml.baseline,
    )


def test_a_single_study_gives_its_mask_and_no_change(phantom: tuple[Path, PhantomTruth], tmp_path: Path) -> None:
    result = compare(tmp_path, phantom[0] / "follow_up")

    report = result.report
    assert {path.name for path in tmp_path.iterdir()} == {
        "follow_up_lesions.nii.gz",
        "follow_up_lesion_ids.nii.gz",
        "lesions.csv",
        "report.fhir.json",
        "report.json",
        "report.html",
        "report.pdf",
    }
    assert (report.mode, report.comparable, report.counts) == ("single_time_point", False, None)
    assert [reason.code for reason in report.reasons if reason.code == "no_baseline"] == ["no_baseline"]
    assert report.lesions
    assert all(row.status is None for row in report.lesions)


@pytest.mark.parametrize(
    ("option", "value"),
    [("--threshold", "1"), ("--lesion-threshold", "1"), ("--crop", "half"), ("--prior-for-first", "x")],
)
def test_an_option_out_of_its_range_is_a_named_error(tmp_path: Path, option: str, value: str) -> None:
    command = [sys.executable, "-m", "worker.cli", "compare", str(tmp_path), "-o", str(tmp_path / "out"), option, value]

    done = subprocess.run(command, capture_output=True, text=True)

    name = option.removeprefix("--").replace("-", "_")
    assert (done.returncode, done.stderr.startswith(f"error: invalid_option: {name}: ")) == (2, True)


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
