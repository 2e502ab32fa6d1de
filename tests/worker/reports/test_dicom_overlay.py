"""The overlay series, read by means that share no code with the writer."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from scipy import ndimage

from model.volume import Volume
from service.contracts.errors import ResultInconsistent
from service.contracts.report import LesionStatus
from tests.fixtures.dicom_case import (
    BOXES,
    NEEDS_DCIODVFY,
    STATUSES,
    dciodvfy,
    lesion_report,
    written_scan,
)
from worker.dicom_index import index_folder
from worker.reports.dicom_overlay import check_overlay, write_overlay
from worker.reports.overlay import Scan
from worker.reports.status_marks import COLOURS

ORIENTATIONS = [
    ("axial", (0.0, 0.0, 0.0), False),
    ("sagittal", (0.0, 0.0, 0.0), False),
    ("coronal", (-4.0, 3.0, 7.0), False),
    ("axial", (-13.0, 4.0, 7.0), False),
    ("axial", (0.0, 0.0, 0.0), True),
]
"""Plane, tilt in degrees, slices stored in reversed order."""


def points_in(path: Path, status: str) -> np.ndarray:
    """Where pixels in the colour of a status lie, patient mm (PS3.3 C.7.6.2.1.1)."""
    image = pydicom.dcmread(path)
    colour = [int(COLOURS[status][n : n + 2], 16) for n in (1, 3, 5)]
    rows, columns = np.nonzero((image.pixel_array == colour).all(axis=-1))
    orientation = np.array(image.ImageOrientationPatient, float)
    down, across = (float(mm) for mm in image.PixelSpacing)
    moved = np.outer(columns * across, orientation[:3]) + np.outer(rows * down, orientation[3:])
    return np.array(image.ImagePositionPatient, float) + moved


@pytest.mark.parametrize(("plane", "tilt", "reverse"), ORIENTATIONS)
def test_every_outline_lies_where_its_lesion_is_in_the_patient(tmp_path, plane, tilt, reverse) -> None:
    scan, headers = written_scan(tmp_path / "flair", plane, tilt, reverse=reverse)

    paths = write_overlay(scan, headers, lesion_report(), tmp_path)

    assert [path.name for path in paths] == [f"overlay_{k:04d}.dcm" for k in range(1, len(headers) + 1)]
    pixel_mm = max(scan.flair.spacing[:2])
    for lesion, box in BOXES.items():
        for k in range(scan.ids.shape[2]):
            found = points_in(paths[k], STATUSES[lesion].value)
            assert bool(len(found)) == (box[2].start <= k < box[2].stop)
            if not len(found):
                continue
            middle = [(one.start + one.stop - 1) / 2 for one in box[:2]]
            centre = scan.flair.affine[:3, :3] @ [*middle, k] + scan.flair.affine[:3, 3]
            assert np.linalg.norm(found.mean(axis=0) - centre) < pixel_mm
            index = np.linalg.solve(scan.flair.affine[:3, :3], (found - scan.flair.affine[:3, 3]).T).T
            for axis in (0, 1):  # from edge to edge of its voxels, whatever the line
                reached = index[:, axis].min(), index[:, axis].max()
                assert reached == pytest.approx((box[axis].start - 0.5, box[axis].stop - 0.5), abs=0.3)
            assert np.abs(index[:, 2] - k).max() < 1e-3


def test_each_image_refers_to_its_slice_and_shares_its_space(tmp_path: Path) -> None:
    scan, headers = written_scan(tmp_path / "flair")
    paths = write_overlay(scan, headers, lesion_report(), tmp_path)

    made = [pydicom.dcmread(path) for path in paths]

    assert len({one.SOPInstanceUID for one in made}) == len(headers)
    assert {one.SeriesInstanceUID for one in made} == {made[0].SeriesInstanceUID}
    assert [one.InstanceNumber for one in made] == list(range(1, len(headers) + 1))
    for image, header in zip(made, headers, strict=True):
        assert image.SOPClassUID == "1.2.840.10008.5.1.4.1.1.7"
        assert image.SourceImageSequence[0].ReferencedSOPInstanceUID == header.SOPInstanceUID
        assert image.FrameOfReferenceUID == header.FrameOfReferenceUID
        assert image.ImageOrientationPatient == header.ImageOrientationPatient
        assert image.Rows * image.PixelSpacing[0] == pytest.approx(header.Rows * header.PixelSpacing[0])
        assert image.Columns * image.PixelSpacing[1] == pytest.approx(header.Columns * header.PixelSpacing[1])
        assert (image.BurnedInAnnotation, image.Modality, image.ImageType[0]) == ("NO", "OT", "DERIVED")
        assert image.PatientOrientation == ["L", "P"]


def test_the_same_report_gives_the_same_files(tmp_path: Path) -> None:
    scan, headers = written_scan(tmp_path / "flair")
    first = [path.read_bytes() for path in write_overlay(scan, headers, lesion_report(), tmp_path)]

    assert [path.read_bytes() for path in write_overlay(scan, headers, lesion_report(), tmp_path)] == first


def test_slices_of_an_earlier_longer_run_are_gone(tmp_path: Path) -> None:
    scan, headers = written_scan(tmp_path / "flair")
    (tmp_path / "overlay_0099.dcm").write_bytes(b"of an earlier run")

    paths = write_overlay(scan, headers, lesion_report(), tmp_path)

    assert sorted(tmp_path.glob("overlay_*.dcm")) == sorted(paths)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_outlines_that_lie_a_pixel_elsewhere_are_not_delivered(tmp_path: Path, axis: int) -> None:
    scan, headers = written_scan(tmp_path / "flair")
    report = lesion_report()
    paths = write_overlay(scan, headers, report, tmp_path)
    moved = np.roll(scan.ids, 1, axis=axis)

    with pytest.raises(ResultInconsistent, match="DICOM overlay: "):
        check_overlay(paths, replace(scan, ids=moved), headers, report)


def test_geometry_that_is_off_by_less_than_a_pixel_is_seen(tmp_path: Path) -> None:
    scan, headers = written_scan(tmp_path / "flair")
    report = lesion_report()
    paths = write_overlay(scan, headers, report, tmp_path)
    affine = scan.flair.affine.copy()
    affine[0, 3] += 0.5 * scan.flair.spacing[0]

    with pytest.raises(ResultInconsistent, match="outside the lesions of their status"):
        check_overlay(paths, replace(scan, flair=Volume(array=scan.flair.array, affine=affine)), headers, report)


def test_a_lesion_that_is_missing_or_has_another_status_is_named(tmp_path: Path) -> None:
    scan, headers = written_scan(tmp_path / "flair")
    paths = write_overlay(scan, headers, lesion_report(), tmp_path)
    more = scan.ids.copy()
    more[10:12, 30:33, 11] = 3

    with pytest.raises(ResultInconsistent, match="lesion 3 is not outlined in slice 12"):
        check_overlay(paths, replace(scan, ids=more), headers, lesion_report())
    other = lesion_report({**STATUSES, 9: STATUSES[3]})
    with pytest.raises(ResultInconsistent, match=r"outside the lesions of their status|lesion 9 is not outlined"):
        check_overlay(paths, scan, headers, other)


def test_ragged_lesions_of_many_parts_in_every_line_pass_the_check(tmp_path: Path) -> None:
    """A dashed line is no mistake: gaps must not move the centre of what is drawn."""
    scan, headers = written_scan(tmp_path / "flair")
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=scan.ids.shape), 0.9)
    parts, number = ndimage.label(noise > np.quantile(noise, 0.9), np.ones((3, 3, 3)))
    ids = np.where(parts > 0, parts % (number // 2) + 1, 0).astype(np.int32)
    statuses = {n: list(LesionStatus)[n % 6] for n in range(1, int(ids.max()) + 1)}
    assert len(statuses) > 20

    write_overlay(replace(scan, ids=ids), headers, lesion_report(statuses), tmp_path)


def test_a_scan_without_lesions_has_its_series(tmp_path: Path) -> None:
    scan, headers = written_scan(tmp_path / "flair")
    empty = Scan(flair=scan.flair, brain=scan.brain, ids=np.zeros_like(scan.ids))

    assert len(write_overlay(empty, headers, lesion_report({}), tmp_path)) == len(headers)


def test_a_study_that_comes_back_with_its_overlay_has_no_second_flair(tmp_path: Path) -> None:
    """A PACS gives a study back with what was sent to it."""
    scan, headers = written_scan(tmp_path / "study")
    before = index_folder(tmp_path / "study").series
    write_overlay(scan, headers, lesion_report(), tmp_path / "study")

    after = index_folder(tmp_path / "study").series

    assert [len(one.slices) for one in after] == [len(one.slices) for one in before] == [len(headers)]


@NEEDS_DCIODVFY
@pytest.mark.parametrize("lesions", [True, False])
def test_dciodvfy_finds_no_error(tmp_path: Path, lesions: bool) -> None:
    scan, headers = written_scan(tmp_path / "flair", tilt=(5.0, 2.0, 1.0))
    if not lesions:
        scan = replace(scan, ids=np.zeros_like(scan.ids))
    path = write_overlay(scan, headers, lesion_report(), tmp_path)[8]

    verdict = dciodvfy(path)

    assert "SCImage" in verdict
    assert "Error" not in verdict
