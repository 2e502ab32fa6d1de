"""A whole job gives every lesion its place in the patient, in every object, however the scan was stored.

The studies are FLAIR alone.
"""

import io
from datetime import date
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pypdf
import pytest
from scipy import ndimage

from model.volume import world_from_voxel
from service.contracts.options import CompareOptions
from service.contracts.report import Report
from tests.fixtures.bright_brain import CENTRE_MM, LESIONS, scan_of, tools
from tests.fixtures.multi_frame import write_kind
from tests.fixtures.stored_planes import STORED, Stored
from worker.dicom_sequences import SIEMENS_FLAIR_3D
from worker.dicom_writer import MrHeader
from worker.outcome import CaseRequest
from worker.pipeline import run_case
from worker.reports.dicom_sr_places import places_in
from worker.reports.overlay import rgb


def result_of(folder: Path, how: Stored, kind: str) -> Report:
    header = MrHeader(
        sequence=SIEMENS_FLAIR_3D, study_date=date(2024, 4, 9), series_number=3, patient_position=how.position
    )
    write_kind(kind, scan_of(how), folder / "study", header=header)
    options = CompareOptions(missing_t1="flair_only")
    request = CaseRequest(baseline=None, follow_up=folder / "study", out=folder / "out", options=options)
    return run_case(request, tools=tools(), progress=lambda stage, part: None)


def centres_in_seg(path: Path) -> list[np.ndarray]:
    seg = hd.seg.segread(path)
    volume = seg.get_volume(combine_segments=True)
    return [
        world_from_voxel(volume.affine, np.argwhere(volume.array == n).astype(float)).mean(axis=0)
        for n in seg.segment_numbers
    ]


def centres_in_sr(path: Path) -> list[np.ndarray]:
    content = hd.sr.MeasurementReport.from_sequence([hd.sr.srread(path)])
    groups = content.get_volumetric_roi_measurement_groups()
    return [point for group in groups for point in places_in(group[0])]


def centres_in_overlay(paths: list[Path]) -> list[np.ndarray]:
    """Of what the outlines enclose, lesions apart by where they are."""
    points = []
    for path in paths:
        image = pydicom.dcmread(path)
        enclosed = ndimage.binary_fill_holes((image.pixel_array == rgb("lesion")).all(axis=-1))
        rows, columns = np.nonzero(enclosed)
        along_row, down_column = np.reshape(np.asarray(image.ImageOrientationPatient, float), (2, 3))
        down, across = map(float, image.PixelSpacing)
        corner = np.asarray(image.ImagePositionPatient, float)
        points.append(corner + np.outer(columns * across, along_row) + np.outer(rows * down, down_column))
    every = np.concatenate(points)
    nearest = np.argmin([np.linalg.norm(every - CENTRE_MM - centre, axis=1) for centre in LESIONS], axis=0)
    return [every[nearest == n].mean(axis=0) for n in range(len(LESIONS))]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), [*((name, "classic") for name in STORED), ("oblique", "enhanced")])
def test_every_object_has_every_lesion_within_a_millimetre_of_its_place_in_the_patient(tmp_path, name, kind):
    report = result_of(tmp_path, STORED[name], kind)
    out = tmp_path / "out"

    found = {
        "report": [np.array(row.centroid_mm) for row in report.lesions],
        "segmentation": centres_in_seg(out / "follow_up_lesions.dcm"),
        "structured report": centres_in_sr(out / "report.dcm"),
        "overlay": centres_in_overlay(sorted(out.glob("overlay_*.dcm"))),
    }
    for what, centres in found.items():
        assert len(centres) == len(LESIONS), what
        for lesion in LESIONS:
            apart = min(np.linalg.norm(centre - CENTRE_MM - lesion) for centre in centres)
            assert apart < 1.0, (what, lesion)
    document = pydicom.dcmread(out / "report_pdf.dcm").EncapsulatedDocument
    text = " ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(document)).pages)
    for row in report.lesions:
        assert " ".join(f"{mm:.1f}" for mm in row.centroid_mm) in text
    assert [reason.code for reason in report.reasons if reason.code == "no_t1"] == ["no_t1"]
