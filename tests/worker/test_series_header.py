"""One header of a stack, from classic images, enhanced objects, and the metadata of a single instance."""

import math

import pydicom
import pytest
from pydicom.dataset import Dataset

from worker.dicom_frames import frame_headers
from worker.series_header import SeriesHeader, series_header
from worker.series_selection import score_t1


def image(z=0.0, **tags):
    made = Dataset()
    made.SeriesNumber, made.SeriesDescription, made.ProtocolName = 4, "T1 MPRAGE", "Kopf +C"
    made.ScanningSequence, made.SequenceVariant = ["GR", "IR"], ["SK", "SP", "MP"]
    made.EchoTime, made.RepetitionTime, made.InversionTime = 2.98, 2300, 900
    made.ImagePositionPatient, made.ImageOrientationPatient = [-80, -100, z], [1, 0, 0, 0, 1, 0]
    made.PixelSpacing, made.Rows, made.Columns = [1, 1], 256, 192
    made.SpacingBetweenSlices = 1.5
    made.MagneticFieldStrength, made.Manufacturer, made.DeviceSerialNumber = 3, "SIEMENS", "1234"
    for name, value in tags.items():
        setattr(made, name, value)
    return made


def enhanced():
    def group(name, **values):
        inner = Dataset()
        for key, value in values.items():
            setattr(inner, key, value)
        outer[-1].add_new(pydicom.datadict.tag_for_keyword(name), "SQ", [inner])

    made, outer = Dataset(), [Dataset()]
    made.SOPInstanceUID = "1.2.3"
    made.NumberOfFrames, made.EchoPulseSequence, made.AcquisitionContrast = 12, "GRADIENT", "T1"
    group("MRModifierSequence", InversionRecovery="YES", InversionTimes=[900.0], Spoiling="RF")
    group("MRTimingAndRelatedParametersSequence", RepetitionTime=1800, FlipAngle=9)
    made.SharedFunctionalGroupsSequence = [outer[0]]
    frames = []
    for number in range(12):
        outer.append(Dataset())
        group("PlanePositionSequence", ImagePositionPatient=[5.0 * number, -100, 90])
        group("PlaneOrientationSequence", ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
        group("PixelMeasuresSequence", PixelSpacing=[1.2, 1.2], SliceThickness=5)
        group("MREchoSequence", EffectiveEchoTime=2.4)
        frames.append(outer[-1])
    made.PerFrameFunctionalGroupsSequence = frames
    return made


def test_slices_and_coverage_come_from_the_positions_of_all_images():
    found = series_header("key", [image(z) for z in (6.0, 0.0, 3.0)], repeat=2)
    assert (found.instances, found.coverage, found.slice_spacing) == (3, 6.0, 3.0)
    assert (found.key, found.repeat, found.series_number) == ("key", 2, 4)
    assert found.text == "t1 mprage kopf contrast"
    assert (found.echo_time, found.repetition_time, found.inversion_time) == (2.98, 2300.0, 900.0)
    assert (found.pixel_spacing, found.matrix, found.plane) == ((1.0, 1.0), (256, 192), "axial")
    assert (found.field_strength, found.manufacturer, found.device_serial) == (3.0, "siemens", "1234")


def test_one_instance_of_a_series_as_dicomweb_gives_it_leaves_the_coverage_open():
    found = series_header("key", [Dataset.from_json(image().to_json_dict())], instances=176)
    assert (found.instances, found.coverage, found.slice_spacing) == (176, None, 1.5)
    assert score_t1(found)


def test_an_enhanced_header_says_the_same_from_its_functional_groups():
    found = series_header("key", frame_headers(enhanced()))
    assert (found.instances, found.coverage, found.slice_spacing) == (12, 55.0, 5.0)
    assert found.scanning_sequence == ("GR", "IR")
    assert found.sequence_variant == ("SP", "MP")
    assert (found.echo_time, found.repetition_time, found.inversion_time) == (2.4, 1800.0, 900.0)
    assert (found.acquisition_contrast, found.pixel_spacing, found.plane) == ("T1", (1.2, 1.2), "sagittal")
    assert score_t1(found)


@pytest.mark.parametrize(
    ("tags", "after"),
    [
        ({}, False),
        ({"ContrastBolusAgent": "NONE"}, False),
        ({"ContrastBolusAgent": ""}, False),
        ({"ContrastBolusAgent": "Gadovist"}, True),
        ({"ContrastBolusAgentSequence": [Dataset()]}, True),
    ],
    ids=str,
)
def test_a_contrast_agent_is_one_that_is_named(tags, after):
    assert series_header("key", [image(**tags)]).contrast_agent is after


@pytest.mark.parametrize(
    ("cosines", "plane"),
    [
        ([1, 0, 0, 0, 1, 0], "axial"),
        ([1, 0, 0, 0, 0, -1], "coronal"),
        ([0, 1, 0, 0, 0, -1], "sagittal"),
        ([0.98, 0.199, 0, -0.199, 0.98, 0], "axial"),
        ([1, 0, 0, 1, 0, 0], None),
    ],
)
def test_the_plane_is_the_nearest_anatomical_one(cosines, plane):
    assert series_header("key", [image(ImageOrientationPatient=cosines)]).plane == plane


def test_damaged_values_are_absent_ones():
    broken = Dataset()
    broken.ImageOrientationPatient, broken.PixelSpacing = [1, 0], 3
    broken.EchoTime = math.inf
    found = series_header("key", [broken])
    assert (found.orientation, found.plane, found.pixel_spacing, found.echo_time) == (None, None, None, None)
    assert (found.coverage, found.field_strength, found.matrix) == (None, None, None)


@pytest.mark.parametrize(
    ("repetition_time", "inversion_time", "ratio"), [(9000.0, 2500.0, 1.02), (7500.0, 3000.0, 1.33), (1e9, 2911.2, 1.0)]
)
def test_the_fluid_null_ratio_is_one_for_a_flair_and_a_third_more_for_double_inversion(
    repetition_time, inversion_time, ratio
):
    header = SeriesHeader(key="x", instances=1, repetition_time=repetition_time, inversion_time=inversion_time)
    assert header.fluid_null_ratio == pytest.approx(ratio, abs=0.01)
    assert SeriesHeader(key="x", instances=1, inversion_time=2500.0).fluid_null_ratio is None


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("folder", "frames", "echo_time", "repetition_time", "inversion_time"),
    [
        ("siemens_xa30_t1_enhanced_multiframe", 96, 2.41, 1800.0, 900.0),
        ("philips_cs_t1_enhanced_plus_rawdata", 24, 3.568, 256.445, 0.0),
    ],
)
def test_real_enhanced_headers_give_the_physics(
    shared_folder, folder, frames, echo_time, repetition_time, inversion_time
):
    real = min((shared_folder / "data/dicom" / folder).glob("0001_*[0-9].dcm"))
    found = series_header("key", frame_headers(pydicom.dcmread(real, stop_before_pixels=True)))
    assert found.instances == frames
    assert found.echo_time == pytest.approx(echo_time)
    assert found.repetition_time == pytest.approx(repetition_time, abs=0.01)
    assert found.inversion_time == inversion_time
    assert found.coverage > 100
    assert score_t1(found)
