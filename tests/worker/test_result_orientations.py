"""A whole job gives every lesion its place in the patient, in every object, however the scan was stored.

The studies are FLAIR alone, of a brain without skull whose lesions are spheres; the network's place is taken by the
rule that bright tissue is lesion, so that what is tested is geometry: read, prepared, called, measured, written.
"""

import io
from datetime import date
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pypdf
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from model.checkpoint import Card, LoadedModel, Preprocessing
from model.network import PairNetwork
from model.sliding_window import WindowSettings
from model.volume import Volume, world_from_voxel
from service.contracts.options import CompareOptions
from service.contracts.report import Report
from tests.fixtures.multi_frame import write_kind
from tests.fixtures.stored_planes import STORED, Stored
from tests.fixtures.tiny_unet import TINY
from worker.brain_mask import stripped_brain
from worker.case import BrainMask
from worker.dicom_sequences import SIEMENS_FLAIR_3D
from worker.dicom_writer import MrHeader
from worker.inference import Ensemble
from worker.outcome import CaseRequest
from worker.pipeline import run_case
from worker.pipeline_tools import Tools
from worker.reports.dicom_sr_places import places_in
from worker.reports.overlay import rgb

VOXEL_MM = (1.6, 1.6, 2.5)
SHAPE = (100, 100, 64)
BRAIN_MM = (62.0, 72.0, 58.0)
"""Half axes."""
CENTRE_MM = np.array([6.0, -14.0, 23.0])
LESIONS = {(-27.0, 11.0, 14.0): 7.0, (22.0, -35.0, -9.0): 5.0, (30.0, 26.0, 21.0): 8.0, (-8.0, -20.0, 33.0): 6.0}
"""Centre from the brain's (LPS mm) and radius: no two are mirror images."""
BRIGHT = 3.0
"""Standard deviations of the brain above its mean: half-way between tissue and lesion."""


class BrightTissue(PairNetwork):
    """Lesion is where FLAIR is bright."""

    def __init__(self) -> None:
        super().__init__()
        self.config = TINY

    def encode(self, scan: Tensor) -> list[Tensor]:
        return [scan]

    def decode(self, current: list[Tensor], prior: list[Tensor]) -> list[Tensor]:
        flair = current[0][:, 1]
        return [torch.stack([torch.zeros_like(flair), 4 * (flair - BRIGHT)], dim=1)]


def brain_of(flair: Volume) -> BrainMask:
    inside = stripped_brain(flair)
    assert inside is not None
    return BrainMask(mask=flair.like(inside), skull_stripped=True, explained=1.0)


def tools() -> Tools:
    preprocessing = Preprocessing(patch=(64, 64, 64))
    member = LoadedModel(
        network=BrightTissue(),
        config=TINY,
        preprocessing=preprocessing,
        card=Card(name="bright tissue"),
        sha256="0" * 64,
    )
    window = WindowSettings(patch=preprocessing.patch, skip_empty=True)
    return Tools(ensemble=Ensemble(members=(member,), device=torch.device("cpu"), window=window), brain_masker=brain_of)


def scan_of(how: Stored) -> Volume:
    """The brain as a scanner samples it: each voxel the value at its centre, lesion edges a millimetre soft."""
    affine = np.eye(4)
    affine[:3, :3] = how.directions * np.asarray(VOXEL_MM)
    affine[:3, 3] = CENTRE_MM - affine[:3, :3] @ (np.array(SHAPE) / 2 + (3, -2, 1))
    voxels = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1).reshape(-1, 3)
    points = world_from_voxel(affine, voxels.astype(float)) - CENTRE_MM
    value = np.where(((points / BRAIN_MM) ** 2).sum(axis=1) < 1, 200.0, 0.0)
    value += np.where(value > 0, np.random.default_rng(4).normal(0, 12, len(value)), 0)
    for centre, radius in LESIONS.items():
        inside = np.clip(radius + 0.5 - np.linalg.norm(points - centre, axis=1), 0, 1)
        value = np.where(value > 0, value + 400 * inside, 0)
    return Volume(array=value.reshape(SHAPE).astype(np.float32), affine=affine)


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
        enclosed = ndimage.binary_fill_holes((image.pixel_array == rgb("lesion")).all(axis=-1), np.ones((3, 3)))
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
