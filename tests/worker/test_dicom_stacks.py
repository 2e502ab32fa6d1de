"""Echoes, time points and declared stacks of one multi-frame object come apart; what belongs together stays."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset

from service.contracts.input_errors import DuplicateSlice
from tests.fixtures.multi_frame import frames_of, item, only_volume, stacks, state, unshared, with_frames
from tests.fixtures.small_studies import T1_HEADER, small_volume
from worker.case import SourceImage
from worker.dicom_enhanced_writer import write_enhanced_mr
from worker.dicom_reader import read_series, read_stack


@pytest.fixture
def path(tmp_path) -> Path:
    """An enhanced object of 14 frames."""
    return write_enhanced_mr(small_volume(), tmp_path / "series" / "IM0001.dcm", header=T1_HEADER)


@pytest.fixture
def image(path) -> FileDataset:
    return pydicom.dcmread(path)


def of_two(image: FileDataset, **groups) -> FileDataset:
    """The frames of two volumes, slice by slice in turn; those of the second (seed 1) with other functional groups."""
    second = small_volume(seed=1).array.astype(np.uint16)
    frames = []
    for n, (own, pixels) in enumerate(frames_of(image)):
        frames += [(own, pixels), (own, np.ascontiguousarray(second[:, :, n].T).tobytes())]
    both = with_frames(image, frames)
    state(both, range(1, 28, 2), **groups)
    return both


@pytest.mark.parametrize(
    "differ",
    [
        {"MREchoSequence": item(EffectiveEchoTime=92.0)},
        {"MRModifierSequence": item(InversionRecovery="YES", InversionTimes=[2500.0])},
        {"MRDiffusionSequence": item(DiffusionBValue=1000.0)},
        {"MRImageFrameTypeSequence": item(ComplexImageComponent="PHASE")},
        {"FrameContentSequence": item(TemporalPositionIndex=2)},
        {"FrameContentSequence": item(FrameAcquisitionNumber=2)},
        {"UnassignedPerFrameConvertedAttributesSequence": item(EchoNumbers=2)},
    ],
    ids=["echo", "inversion", "b-value", "component", "time point", "acquisition", "converted echo number"],
)
def test_what_differs_between_frames_at_one_place_makes_two_stacks(image, path, differ):
    of_two(image, **differ).save_as(path)
    found = stacks(path)
    assert [len(one.slices) for one in found] == [14, 14]
    read = [read_series(one).array for one in found]
    expected = [small_volume(seed=seed).array for seed in (0, 1)]
    assert all(any((one == other).all() for one in read) for other in expected)


def test_a_dimension_that_no_other_value_explains_makes_two_stacks(image, path):
    image.DimensionIndexSequence.append(item(DimensionIndexPointer=0x00189080))  # metabolite: water, fat
    both = of_two(image)
    for n, groups in enumerate(both.PerFrameFunctionalGroupsSequence):
        groups.FrameContentSequence[0].DimensionIndexValues = [n // 2 + 1, n % 2 + 1]
    both.save_as(path)
    first, second = stacks(path)
    assert (read_series(first).array == small_volume().array).all()
    assert (read_series(second).array == small_volume(seed=1).array).all()


def test_frames_at_one_place_that_nothing_tells_apart_are_duplicates(image, path):
    of_two(image).save_as(path)
    with pytest.raises(DuplicateSlice, match="2 different images"):
        only_volume(path)


def test_the_same_frame_twice_counts_once(image, path):
    with_frames(image, [frame for frame in frames_of(image) for _ in range(2)]).save_as(path)
    assert (only_volume(path).array == small_volume().array).all()


def test_the_planes_of_a_survey_are_stacks_of_their_own(image, path, tmp_path):
    frames = []
    for number, plane in enumerate(("axial", "sagittal", "coronal"), start=1):
        other = write_enhanced_mr(small_volume(plane, seed=number), tmp_path / plane, header=T1_HEADER)
        turned = pydicom.dcmread(other)
        unshared(turned, "PlaneOrientationSequence")
        for groups, pixels in frames_of(turned):
            groups.FrameContentSequence[0].StackID = str(number)
            frames.append((groups, pixels))
    del image.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence
    with_frames(image, frames).save_as(path)
    assert [len(one.slices) for one in stacks(path)] == [14, 14, 14]
    for number, series in enumerate(stacks(path), start=1):
        assert (read_series(series).array == small_volume(seed=number).array).all()


def test_a_stack_for_every_slice_is_one_stack(image, path):
    for n, groups in enumerate(image.PerFrameFunctionalGroupsSequence):
        groups.FrameContentSequence[0].StackID = str(n)
    image.save_as(path)
    assert (only_volume(path).array == small_volume().array).all()


def test_a_stack_may_be_spread_over_several_objects(image, path):
    frames = frames_of(image)
    path.unlink()
    for n in range(0, 14, 2):
        with_frames(image, frames[n : n + 2]).save_as(path.with_name(f"{20 - n}.dcm"))
    (series,) = stacks(path)
    stack = read_stack(series)
    assert (stack.volume.array == small_volume().array).all()
    assert stack.instances[2] == SourceImage(path=path.with_name("18.dcm"), frame=1)


def test_objects_that_each_hold_all_slices_are_stacks_of_their_own(image, path):
    second = small_volume(seed=1).array.astype(np.uint16).transpose(2, 1, 0)
    frames = [(groups, one.tobytes()) for (groups, _), one in zip(frames_of(image), second, strict=True)]
    with_frames(image, frames).save_as(path.with_name("again.dcm"))
    read = [read_series(one).array for one in stacks(path)]
    assert len(read) == 2
    assert not (read[0] == read[1]).all()
