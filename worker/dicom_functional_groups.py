"""Functional groups of an Enhanced MR object (PS3.3 A.36.2) from the values of a classic image."""

from collections.abc import Iterator
from typing import Any

from pydicom.dataset import Dataset

from worker.dicom_sequences import MrSequence


def item(**values: Any) -> Dataset:
    """A data set of these attributes; None leaves one out."""
    item = Dataset()
    for name, value in values.items():
        if value is not None:
            setattr(item, name, value)
    return item


def contrast_of(sequence: MrSequence) -> tuple[str, str]:
    """Value 3 of the frame type and the acquisition contrast (PS3.3 C.8.13.3.1)."""
    return ("T2", "FLUID_ATTENUATED") if sequence.echo_time_ms > 50 else ("T1", "T1")


def presentation(contrast: str) -> dict[str, str]:
    """What the object and each frame say of the image (C.8.13.3.1)."""
    return {
        "PixelPresentation": "MONOCHROME",
        "VolumetricProperties": "VOLUME",
        "VolumeBasedCalculationTechnique": "NONE",
        "ComplexImageComponent": "MAGNITUDE",
        "AcquisitionContrast": contrast,
    }


def frame_groups(image: Dataset, number: int) -> Dataset:
    """The groups of one frame: where it lies, and its number in the stack (from 1)."""
    content = item(
        StackID="1",
        InStackPositionNumber=number,
        DimensionIndexValues=[number],
        FrameAcquisitionNumber=1,
        FrameReferenceDateTime=f"{image.AcquisitionDate}{image.AcquisitionTime}",
        FrameAcquisitionDateTime=f"{image.AcquisitionDate}{image.AcquisitionTime}",
        FrameAcquisitionDuration=300_000.0,
    )
    return item(
        FrameContentSequence=[content],
        PlanePositionSequence=[item(ImagePositionPatient=image.ImagePositionPatient)],
    )


def shared_groups(first: Dataset, sequence: MrSequence) -> Dataset:
    """The groups that all frames of a series of classic images have in common."""
    flavor, contrast = contrast_of(sequence)
    groups = item(
        PlaneOrientationSequence=[item(ImageOrientationPatient=first.ImageOrientationPatient)],
        PixelMeasuresSequence=[
            item(
                PixelSpacing=first.PixelSpacing,
                SliceThickness=first.SliceThickness,
                SpacingBetweenSlices=first.SpacingBetweenSlices,
            )
        ],
        PixelValueTransformationSequence=[
            item(
                RescaleSlope=first.get("RescaleSlope", 1),
                RescaleIntercept=first.get("RescaleIntercept", 0),
                RescaleType="US",
            )
        ],
        FrameVOILUTSequence=[item(WindowCenter=first.WindowCenter, WindowWidth=first.WindowWidth)],
        FrameAnatomySequence=[item(AnatomicRegionSequence=[_code("12738006", "SCT", "Brain")], FrameLaterality="U")],
        MRImageFrameTypeSequence=[item(FrameType=["ORIGINAL", "PRIMARY", flavor, "NONE"], **presentation(contrast))],
    )
    for name, items in _acquisition(first, sequence):
        setattr(groups, name, items)
    return groups


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    return item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def _acquisition(first: Dataset, sequence: MrSequence) -> Iterator[tuple[str, list[Dataset]]]:
    """The functional groups that an original image must have (C.8.13.5)."""
    yield from _contrast(first, sequence)
    yield from _coverage(first, sequence)
    yield from _coils()


def _contrast(first: Dataset, sequence: MrSequence) -> Iterator[tuple[str, list[Dataset]]]:
    """Timing and what modifies it."""
    inverted = sequence.inversion_time_ms is not None
    modes = [item(OperatingModeType=kind, OperatingMode="IEC_NORMAL") for kind in ("STATIC FIELD", "RF", "GRADIENT")]
    sar = item(SpecificAbsorptionRateDefinition="IEC_HEAD", SpecificAbsorptionRateValue=1.0)
    yield (
        "MRTimingAndRelatedParametersSequence",
        [
            item(
                RepetitionTime=sequence.repetition_time_ms,
                FlipAngle=sequence.flip_angle_deg,
                EchoTrainLength=sequence.echo_train_length,
                RFEchoTrainLength=sequence.echo_train_length,
                GradientEchoTrainLength=0,
                GradientOutputType="DB_DT",
                GradientOutput=20.0,
                OperatingModeSequence=modes,
                SpecificAbsorptionRateSequence=[sar],
            )
        ],
    )
    yield "MREchoSequence", [item(EffectiveEchoTime=sequence.echo_time_ms)]
    yield (
        "MRModifierSequence",
        [
            item(
                InversionRecovery="YES" if inverted else "NO",
                InversionTimes=sequence.inversion_time_ms,
                FlowCompensation="NONE",
                Spoiling="RF" if "SP" in sequence.sequence_variant else "NONE",
                T2Preparation="NO",
                SpectrallySelectedExcitation="NONE",
                SpatialPresaturation="NONE",
                PartialFourier="NO",
                ParallelAcquisition="NO",
            )
        ],
    )
    yield (
        "MRImagingModifierSequence",
        [
            item(
                MagnetizationTransfer="NONE",
                BloodSignalNulling="NO",
                Tagging="NONE",
                TransmitterFrequency=float(first.ImagingFrequency),
                PixelBandwidth=240,
            )
        ],
    )


def _coverage(first: Dataset, sequence: MrSequence) -> Iterator[tuple[str, list[Dataset]]]:
    """Averages and the steps of encoding."""
    yield "MRAveragesSequence", [item(NumberOfAverages=1)]
    yield (
        "MRFOVGeometrySequence",
        [
            item(
                InPlanePhaseEncodingDirection="ROW",
                MRAcquisitionFrequencyEncodingSteps=int(first.Columns),
                MRAcquisitionPhaseEncodingStepsInPlane=int(first.Rows),
                MRAcquisitionPhaseEncodingStepsOutOfPlane=1 if sequence.acquisition_type == "3D" else None,
                PercentSampling=100,
                PercentPhaseFieldOfView=100,
            )
        ],
    )


def _coils() -> Iterator[tuple[str, list[Dataset]]]:
    element = item(MultiCoilElementName="1", MultiCoilElementUsed="YES")
    yield (
        "MRReceiveCoilSequence",
        [
            item(
                ReceiveCoilName="Head",
                ReceiveCoilManufacturerName="",
                ReceiveCoilType="MULTICOIL",
                QuadratureReceiveCoil="NO",
                MultiCoilDefinitionSequence=[element],
            )
        ],
    )
    yield (
        "MRTransmitCoilSequence",
        [item(TransmitCoilName="Body", TransmitCoilManufacturerName="", TransmitCoilType="BODY")],
    )
