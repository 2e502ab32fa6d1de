"""The objects of a result by what they are, not by what their files are called."""

from pathlib import Path

import pytest

from tests.fixtures.result_objects import write_result
from worker.reports.dicom_objects import result_objects


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_result(tmp_path_factory.mktemp("result") / "1", overlays=2)


def test_every_object_is_found_with_its_kind_segmentations_first(result: Path) -> None:
    assert [(one.kind, one.path.name) for one in result_objects(result)] == [
        ("seg", "follow_up_lesions.dcm"),
        ("sr", "report.dcm"),
        ("pdf", "report_pdf.dcm"),
        ("overlay", "overlay_000.dcm"),
        ("overlay", "overlay_001.dcm"),
    ]


def test_names_say_nothing_and_damaged_files_and_images_are_left_out(result: Path, tmp_path: Path) -> None:
    (tmp_path / "report.dcm").write_bytes((result / "follow_up_lesions.dcm").read_bytes())
    (tmp_path / "a.txt").write_bytes((result / "report.dcm").read_bytes())
    (tmp_path / "image.dcm").write_bytes(next((result / "flair").iterdir()).read_bytes())
    (tmp_path / "cut.dcm").write_bytes((result / "report.dcm").read_bytes()[:140])
    (tmp_path / "empty.dcm").write_bytes(b"")

    assert [(one.kind, one.path.name) for one in result_objects(tmp_path)] == [("seg", "report.dcm"), ("sr", "a.txt")]
