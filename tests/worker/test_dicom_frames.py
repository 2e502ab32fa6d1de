"""Multi-frame MR objects: any frame by its own functional groups, the stacks of one object apart."""

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset
from pydicom.uid import RawDataStorage, SecondaryCaptureImageStorage, generate_uid

from service.contracts.errors import MsDeltaError
from service.contracts.input_errors import CorruptImage, MissingSlice, UnsupportedMultiFrame
from tests.fixtures.multi_frame import frames_of, item, only_volume, stacks, state, unshared, with_frames, write_kind
from tests.fixtures.small_studies import FLAIR_HEADER, T1_HEADER, small_volume
from worker.dicom_enhanced_writer import write_enhanced_mr
from worker.dicom_frames import frame_headers
from worker.dicom_index import index_folder
from worker.dicom_reader import read_series, read_stack
from worker.dicom_sequences import GE_FLAIR_2D, PHILIPS_FLAIR_3D, PHILIPS_T1_TFE, SIEMENS_FLAIR_2D, SIEMENS_MPRAGE
from worker.dicom_writer import Patient, write_mr_series
from worker.study_reader import read_study


@pytest.fixture
def path(tmp_path) -> Path:
    """An enhanced object of 14 frames."""
    return write_enhanced_mr(small_volume(), tmp_path / "series" / "IM0001.dcm", header=T1_HEADER)


@pytest.fixture
def image(path) -> FileDataset:
    return pydicom.dcmread(path)


def test_frames_may_lie_in_any_order(image, path):
    order = np.random.default_rng(3).permutation(14)
    frames = frames_of(image)
    with_frames(image, [frames[n] for n in order]).save_as(path)
    (series,) = stacks(path)
    stack = read_stack(series)
    assert (stack.volume.array == small_volume().array).all()
    assert [one.frame for one in stack.instances] == [int(np.flatnonzero(order == n)[0]) + 1 for n in range(14)]


@pytest.mark.parametrize("where", ["shared", "per frame"])
def test_groups_may_be_shared_or_each_frame_s_own(image, path, where):
    if where == "per frame":
        unshared(image, "PlaneOrientationSequence", "PixelMeasuresSequence", "PixelValueTransformationSequence")
        image.SharedFunctionalGroupsSequence = []
    image.save_as(path)
    again = only_volume(path)
    assert (again.array == small_volume().array).all()
    np.testing.assert_allclose(again.affine, small_volume().affine, atol=1e-6)


def test_each_frame_has_its_own_rescale(image, path):
    for n in range(14):
        own = item(RescaleSlope=n + 0.5, RescaleIntercept=-3 * n, RescaleType="US")
        state(image, [n], PixelValueTransformationSequence=own)
    image.save_as(path)
    expected = small_volume().array * (np.arange(14) + 0.5) - 3 * np.arange(14)
    np.testing.assert_allclose(only_volume(path).array, expected, rtol=1e-6)


def test_a_missing_frame_is_a_missing_slice(image, path):
    frames = frames_of(image)
    with_frames(image, frames[:5] + frames[6:]).save_as(path)
    with pytest.raises(MissingSlice, match="1 missing among 13 present: 1 after slice 5"):
        only_volume(path)


def _no_groups(image):
    del image.PerFrameFunctionalGroupsSequence


def _a_group_too_few(image):
    image.PerFrameFunctionalGroupsSequence = image.PerFrameFunctionalGroupsSequence[:-1]


def _no_position(image):
    """A position at the top says nothing of the frames."""
    image.ImagePositionPatient = [0, 0, 0]
    del image.PerFrameFunctionalGroupsSequence[3].PlanePositionSequence


def _no_orientation(image):
    image.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    del image.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence


def _pixels_of_13_frames(image):
    image.PixelData = image.PixelData[: 13 * 2 * image.Rows * image.Columns]


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (_no_groups, UnsupportedMultiFrame),
        (_a_group_too_few, UnsupportedMultiFrame),
        (_no_position, CorruptImage),
        (_no_orientation, CorruptImage),
        (_pixels_of_13_frames, CorruptImage),
    ],
)
def test_an_object_that_is_not_whole_is_refused(image, path, damage, error):
    damage(image)
    image.save_as(path)
    with pytest.raises(error):
        only_volume(path)


@pytest.mark.parametrize("kept", [1500, 3000, 6000, 9000])
def test_a_file_that_ends_early_is_refused(path, kept):
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(MsDeltaError) as caught:
        only_volume(path)
    assert isinstance(caught.value, (CorruptImage, UnsupportedMultiFrame))


def test_raw_data_and_secondary_captures_beside_are_passed_over(image, path):
    for name, uid in (("raw", RawDataStorage), ("screen", SecondaryCaptureImageStorage)):
        image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = uid
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        image.save_as(path.with_name(name))
    assert (only_volume(path).array == small_volume().array).all()


SEQUENCES = [SIEMENS_MPRAGE, SIEMENS_FLAIR_2D, PHILIPS_T1_TFE, PHILIPS_FLAIR_3D, GE_FLAIR_2D]


@pytest.mark.parametrize("kind", ["enhanced", "legacy_converted"])
@pytest.mark.parametrize("sequence", SEQUENCES, ids=lambda one: one.series_description)
def test_a_frame_says_of_its_sequence_what_a_classic_image_does(tmp_path, kind, sequence):
    header = replace(T1_HEADER, sequence=sequence)
    made = {}
    for one in ("classic", kind):
        write_kind(one, small_volume(), tmp_path / one, header=header)
        (series,) = index_folder(tmp_path / one).series
        made[one] = series.header
    numbers = "echo_time repetition_time inversion_time flip_angle acquisition_type slice_spacing coverage instances"
    for name in (*numbers.split(), "contrast_agent", "colour"):
        assert getattr(made[kind], name) == pytest.approx(getattr(made["classic"], name)), name
    assert ("IR" in made[kind].scanning_sequence) == (sequence.inversion_time_ms is not None)
    assert "GR" in made[kind].scanning_sequence or "GR" not in made["classic"].scanning_sequence


def test_phase_images_projections_and_contrast_agents_are_told_as_classic_headers_do(image):
    frame_type = item(
        FrameType=["DERIVED", "PRIMARY", "ANGIO", "MAXIMUM"],
        ComplexImageComponent="PHASE",
        VolumeBasedCalculationTechnique="MAX_IP",
        AcquisitionContrast="TIME_OF_FLIGHT",
    )
    state(image, [1], MRImageFrameTypeSequence=frame_type)
    image.ContrastBolusAgentSequence = [item(CodeMeaning="Gadobutrol")]
    state(image, [2], ContrastBolusUsageSequence=item(ContrastBolusAgentAdministered="NO"))
    headers = frame_headers(image)
    assert list(headers[0].ImageType) == ["ORIGINAL", "PRIMARY", "T1", "NONE", "M"]
    assert list(headers[1].ImageType) == ["DERIVED", "PRIMARY", "ANGIO", "MAXIMUM", "P", "MIP"]
    assert headers[1].AcquisitionContrast == "TIME_OF_FLIGHT"
    assert headers[1].ContrastBolusAgent == "Gadobutrol"
    assert "ContrastBolusAgent" not in headers[2]
    assert headers[0].BodyPartExamined == "BRAIN"


def test_the_value_of_one_frame_does_not_become_that_of_another(image):
    """Frames share the elements of their object: a classic value there must stay what it is for the others."""
    image.EchoTime, image.AcquisitionDate = "1.5", "20200101"
    del image.SharedFunctionalGroupsSequence[0].MREchoSequence
    state(image, [4], MREchoSequence=item(EffectiveEchoTime=92.0))
    assert [float(one.EchoTime) for one in frame_headers(image)] == [92.0 if n == 4 else 1.5 for n in range(14)]
    assert float(image.EchoTime) == 1.5


@pytest.mark.parametrize("t1", ["classic", "enhanced", "legacy_converted"])
@pytest.mark.parametrize("flair", ["enhanced", "legacy_converted"])
def test_a_study_may_mix_kinds(tmp_path, t1, flair):
    write_kind(t1, small_volume(), tmp_path / "a", header=T1_HEADER)
    write_kind(flair, small_volume(seed=1), tmp_path / "b", header=FLAIR_HEADER)
    study = read_study(tmp_path)
    assert (study.t1.volume.array == small_volume().array).all()
    assert (study.flair.volume.array == small_volume(seed=1).array).all()
    assert study.flair.slice_thickness_mm == 5.0
    assert study.acquired == T1_HEADER.study_date
    assert len(study.flair.instances) == 14


def test_a_series_and_its_converted_copy_are_one_image(tmp_path):
    """Archives that convert keep the classic images beside."""
    for kind in ("classic", "legacy_converted"):
        write_kind(kind, small_volume(), tmp_path / kind / "a", header=T1_HEADER)
        write_kind(kind, small_volume(seed=1), tmp_path / kind / "b", header=FLAIR_HEADER)
    assert (read_study(tmp_path).flair.volume.array == small_volume(seed=1).array).all()


def test_no_message_names_the_patient(image, path):
    image.PatientName = "Canary^Birdie"
    image.StudyID = "CANARY"
    _no_groups(image)
    image.save_as(path)
    with pytest.raises(UnsupportedMultiFrame) as caught:
        index_folder(path.parent)
    assert "canary" not in str(caught.value).lower()


def test_a_large_object_is_never_held_twice_as_an_array(tmp_path):
    """The bytes of the file and the volume, not the decoded frames beside: 512 x 512 x 300 would take 300 MB more."""
    volume = small_volume(shape=(128, 128, 120), spacing=(1.0, 1.0, 1.0))
    path = write_enhanced_mr(volume, tmp_path / "large" / "IM0001.dcm", header=T1_HEADER)
    (series,) = stacks(path)
    tracemalloc.start()
    again = read_series(series)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (again.array == volume.array).all()
    assert peak < 1.2 * (path.stat().st_size + again.array.nbytes)


def test_other_patients_in_multi_frame_objects_are_seen(tmp_path):
    write_kind("enhanced", small_volume(), tmp_path / "a", header=T1_HEADER)
    header = replace(FLAIR_HEADER, patient=Patient(id="PHANTOM-002", name="Other^Head"))
    write_mr_series(small_volume(seed=1), tmp_path / "b", header=header)
    with pytest.raises(MsDeltaError) as caught:
        read_study(tmp_path)
    assert caught.value.code == "mixed_patients"
