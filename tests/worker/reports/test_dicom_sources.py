"""Results refer to the frames and objects that they were made of, of any kind, whatever those leave out."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from service.contracts.pydicom_silence import no_header_text
from service.contracts.report import LesionStatus, Report
from tests.fixtures.multi_frame import KINDS, frames_of, item, state, unshared, with_frames, write_kind
from tests.fixtures.report_case import longitudinal
from tests.fixtures.small_studies import FLAIR_HEADER, small_volume
from worker.artifacts import write_dicom
from worker.dicom_enhanced_writer import write_enhanced_mr
from worker.dicom_index import index_folder
from worker.dicom_reader import Stack, assemble, read_headers
from worker.dicom_writer import write_mr_series
from worker.reports.dicom_seg import LesionImages
from worker.reports.summary import build_report

LESIONS = {1: (slice(5, 9), slice(6, 8), slice(2, 5)), 2: (slice(20, 23), slice(10, 11), slice(4, 7))}
"""Voxels of each lesion: columns, rows, slices; slice 4 has both."""


@pytest.fixture(scope="module")
def report() -> Report:
    whole = build_report(longitudinal())
    rows = [
        whole.lesions[0].model_copy(
            update={
                "id": n,
                "tracking_uid": f"1.2.3.{n}",
                "status": LesionStatus.NEW,
                "baseline_volume_mm3": 0.0,
                "follow_up_volume_mm3": 50.0,
            }
        )
        for n in LESIONS
    ]
    return whole.model_copy(update={"lesions": tuple(rows)})


def results_of(stack: Stack, report: Report, out: Path) -> tuple[Dataset, Dataset]:
    """Segmentation and structured report of two lesions on a stack."""
    ids = np.zeros(stack.volume.array.shape, np.int32)
    for lesion, box in LESIONS.items():
        ids[box] = lesion
    images = LesionImages(time_point="follow_up", ids=stack.volume.like(ids), headers=read_headers(stack.instances))
    out.mkdir(exist_ok=True)
    write_dicom(out, report, [images])
    if shutil.which("dciodvfy"):
        for name in ("follow_up_lesions.dcm", "report.dcm"):
            verdict = subprocess.run(["dciodvfy", "-new", str(out / name)], capture_output=True, text=True)
            errors = [line for line in verdict.stderr.splitlines() if "Error" in line]
            assert [line for line in errors if "</Patient" not in line] == []  # the person is stated as in the images
    return pydicom.dcmread(out / "follow_up_lesions.dcm"), pydicom.dcmread(out / "report.dcm")


def only_stack(folder: Path) -> Stack:
    (series,) = index_folder(folder).series
    return assemble(series.slices)


def every_source(seg: Dataset) -> list[tuple[Dataset, list[float]]]:
    """What each frame of a segmentation refers to, and where the frame lies."""
    return [
        (
            frame.DerivationImageSequence[0].SourceImageSequence[0],
            [float(mm) for mm in frame.PlanePositionSequence[0].ImagePositionPatient],
        )
        for frame in seg.PerFrameFunctionalGroupsSequence
    ]


def library_of(sr: Dataset) -> list[Dataset]:
    """The image entries of the report's library."""
    (library,) = (one for one in sr.ContentSequence if one.ConceptNameCodeSequence[0].CodeMeaning == "Image Library")
    entries = [entry for group in library.ContentSequence for entry in group.ContentSequence]
    return [entry for entry in entries if entry.ValueType == "IMAGE"]


@pytest.mark.parametrize("order", ["as stored", "shuffled", "every group its own"])
@pytest.mark.parametrize("kind", ["enhanced", "legacy_converted"])
def test_each_segment_frame_refers_to_the_frame_at_its_place(tmp_path, report, kind, order):
    (path,) = write_kind(kind, small_volume(tilt=(5.0, 2.0, 1.0)), tmp_path / "flair", header=FLAIR_HEADER)
    source = pydicom.dcmread(path)
    if order == "shuffled":
        frames = frames_of(source)
        source = with_frames(source, [frames[n] for n in np.random.default_rng(1).permutation(14)])
    if order == "every group its own":
        unshared(source, "PlaneOrientationSequence", "PixelMeasuresSequence")
    source.save_as(path)

    seg, sr = results_of(only_stack(path.parent), report, tmp_path / "out")

    assert len(every_source(seg)) == 6
    for reference, position in every_source(seg):
        assert reference.ReferencedSOPClassUID == source.SOPClassUID
        assert reference.ReferencedSOPInstanceUID == source.SOPInstanceUID
        frame = source.PerFrameFunctionalGroupsSequence[int(reference.ReferencedFrameNumber) - 1]
        np.testing.assert_allclose(frame.PlanePositionSequence[0].ImagePositionPatient, position, atol=1e-4)
    (referenced,) = seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    assert referenced.ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert "2.25." not in str(seg)[str(seg).index("Source Image Sequence") :].replace(seg.SOPInstanceUID, "")
    (entry,) = library_of(sr)
    assert entry.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID
    said = {one.ConceptNameCodeSequence[0].CodeMeaning for one in entry.ContentSequence}
    assert "Slice Thickness" in said
    assert not any(name.startswith("Image Position") for name in said)
    (evidence,) = (
        one
        for one in sr.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
        if one.SeriesInstanceUID == source.SeriesInstanceUID
    )
    assert [one.ReferencedSOPInstanceUID for one in evidence.ReferencedSOPSequence] == [source.SOPInstanceUID]


def test_of_two_echoes_in_one_object_the_frames_of_the_read_one_are_referred_to(tmp_path, report):
    path = write_enhanced_mr(small_volume(), tmp_path / "flair" / "IM0001.dcm", header=FLAIR_HEADER)
    frames = frames_of(pydicom.dcmread(path))
    both = with_frames(pydicom.dcmread(path), [frame for frame in frames for _ in range(2)])
    state(both, range(0, 28, 2), MREchoSequence=item(EffectiveEchoTime=12.0))
    both.save_as(path)
    short, long = index_folder(path.parent).series
    assert (short.header.echo_time, long.header.echo_time) == (12.0, 94.0)

    seg, _ = results_of(assemble(long.slices), report, tmp_path / "out")

    assert {int(one.ReferencedFrameNumber) for one, _ in every_source(seg)} == {6, 8, 10, 12, 14}


def test_a_stack_over_several_objects_refers_to_all_of_them(tmp_path, report):
    path = write_enhanced_mr(small_volume(), tmp_path / "flair" / "IM0001.dcm", header=FLAIR_HEADER)
    image = pydicom.dcmread(path)
    path.unlink()
    parts = [with_frames(image, frames_of(image)[n : n + 7]) for n in (0, 7)]
    for n, part in enumerate(parts):
        part.save_as(path.with_name(f"{n}.dcm"))

    seg, sr = results_of(only_stack(path.parent), report, tmp_path / "out")

    uids = {part.SOPInstanceUID for part in parts}
    referenced = seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    assert {one.ReferencedSOPInstanceUID for one in referenced} == uids
    assert {one.ReferencedSOPInstanceUID for one, _ in every_source(seg)} == {parts[0].SOPInstanceUID}
    assert {entry.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for entry in library_of(sr)} == uids


def _rounded_differently(image, n):
    image.ImageOrientationPatient = [1, 1e-5 * n, 0, -1e-5 * n, 1, 0]


def _without(*names):
    def damage(image, n):
        for name in names:
            delattr(image, name)

    return damage


def _empty_thickness(image, n):
    image.SliceThickness = None


PERSON = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex")
STUDY = ("StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName")


@pytest.mark.parametrize(
    "damage",
    [
        _rounded_differently,
        _empty_thickness,
        _without("SliceThickness"),
        _without("FrameOfReferenceUID"),
        _without(*PERSON, *STUDY),
    ],
    ids=["rounded differently", "empty thickness", "no thickness", "no frame of reference", "anonymised"],
)
def test_what_scanners_and_anonymisers_leave_out_does_not_stop_the_results(tmp_path, report, damage):
    for n, path in enumerate(write_mr_series(small_volume(), tmp_path / "flair", header=FLAIR_HEADER)):
        image = pydicom.dcmread(path)
        damage(image, n)
        image.save_as(path)

    seg, _ = results_of(only_stack(tmp_path / "flair"), report, tmp_path / "out")

    assert seg.FrameOfReferenceUID
    assert seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SliceThickness == 5.0


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_images_give_the_same_uids(tmp_path, report, kind):
    write_kind(kind, small_volume(), tmp_path / "flair", header=FLAIR_HEADER)
    first, second = (results_of(only_stack(tmp_path / "flair"), report, tmp_path / name)[0] for name in "ab")
    assert first.SOPInstanceUID == second.SOPInstanceUID


@pytest.mark.shared_data
@pytest.mark.parametrize(
    "name",
    [
        "philips_cs_t1_enhanced_plus_rawdata",
        "siemens_xa30_t1_enhanced_multiframe",
        "dicom2nifti_fragments/philips_enhanced",
        "dicom2nifti_fragments/siemens_multiframe",
        "dicom2nifti_fragments/hyperfine",
    ],
)
def test_real_multi_frame_objects_are_referred_to(shared_folder, tmp_path, report, name):
    with no_header_text():
        seg, _ = results_of(only_stack(shared_folder / "data/dicom" / name), report, tmp_path / "out")
    assert len(every_source(seg)) == 6
    assert all(reference.ReferencedFrameNumber for reference, _ in every_source(seg))
