"""Writes a volume as one multi-frame MR object: Enhanced MR (PS3.3 A.36) or Legacy Converted Enhanced MR (A.71).

The classic images of `worker.dicom_writer` are made first; their values are then sorted into functional groups, shared
where all frames agree. highdicom does this for the legacy-converted kind; for the enhanced kind no library does.
"""

from pathlib import Path

from highdicom.legacy import LegacyConvertedEnhancedMRImage
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import UID, EnhancedMRImageStorage, ExplicitVRLittleEndian, generate_uid

from model.volume import Volume
from worker.dicom_functional_groups import contrast_of, frame_groups, item, presentation, shared_groups
from worker.dicom_sequences import MrSequence
from worker.dicom_writer import MrHeader, classic_images

KEPT = (
    *("SpecificCharacterSet", "StudyDate", "SeriesDate", "ContentDate", "StudyTime", "SeriesTime", "ContentTime"),
    *("AccessionNumber", "Modality", "ReferringPhysicianName", "StudyDescription", "StudyID", "StudyInstanceUID"),
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientPosition", "BodyPartExamined"),
    *("SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "ProtocolName", "AcquisitionNumber"),
    *("FrameOfReferenceUID", "PositionReferenceIndicator", "MRAcquisitionType", "MagneticFieldStrength"),
    *("Manufacturer", "ManufacturerModelName", "SoftwareVersions", "DeviceSerialNumber"),
    *("SamplesPerPixel", "PhotometricInterpretation", "Columns", "Rows"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
)
"""What classic and enhanced objects state in the same place."""
IN_STACK_POSITION = Tag("InStackPositionNumber")


def write_enhanced_mr(
    volume: Volume, path: Path, *, header: MrHeader, transfer_syntax: UID = ExplicitVRLittleEndian
) -> Path:
    """The file of one Enhanced MR object, a frame per index of the volume's third axis, in its order.

    Values and transfer syntaxes are those of `write_mr_series`.

    Raises:
        ValueError: the axes of the volume are not orthogonal, or a voxel is not finite.
    """
    images = list(classic_images(volume, header))
    made = _enhanced(images, header.sequence)
    if transfer_syntax != ExplicitVRLittleEndian:
        made.compress(transfer_syntax, generate_instance_uid=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save_as(path, enforce_file_format=True)
    return path


def write_legacy_converted_mr(volume: Volume, path: Path, *, header: MrHeader) -> Path:
    """The file of one Legacy Converted Enhanced MR object, made of the classic images of the series."""
    images = list(classic_images(volume, header))
    first = images[0]
    made = LegacyConvertedEnhancedMRImage(
        images,
        series_instance_uid=generate_uid(entropy_srcs=[f"{first.SeriesInstanceUID}/converted"]),
        series_number=header.series_number,
        sop_instance_uid=_instance_uid(first),
        instance_number=1,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save_as(path)
    return path


def _instance_uid(first: Dataset) -> UID:
    return generate_uid(entropy_srcs=[f"{first.SeriesInstanceUID}/frames"])


def _enhanced(images: list[FileDataset], sequence: MrSequence) -> FileDataset:
    first = images[0]
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    meta.MediaStorageSOPInstanceUID = _instance_uid(first)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    for name in KEPT:
        setattr(made, name, first[name].value)
    made.SOPClassUID, made.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    made.InstanceNumber = 1
    made.NumberOfFrames = len(images)
    made.AcquisitionDateTime = f"{first.AcquisitionDate}{first.AcquisitionTime}"
    made.AcquisitionDuration = 300.0
    made.update(_image_and_sequence(sequence))
    made.update(_dimensions(first))
    made.SharedFunctionalGroupsSequence = [shared_groups(first, sequence)]
    made.PerFrameFunctionalGroupsSequence = [frame_groups(image, n) for n, image in enumerate(images, start=1)]
    made.PixelData = b"".join(image.PixelData for image in images)
    made["PixelData"].VR = "OW"
    return made


def _image_and_sequence(sequence: MrSequence) -> Dataset:
    """The Enhanced MR Image (C.8.13.1) and MR Pulse Sequence (C.8.13.4) modules."""
    flavor, contrast = contrast_of(sequence)
    spin = "SE" in sequence.scanning_sequence or sequence.scanning_sequence == ("IR",)
    three_d = sequence.acquisition_type == "3D"
    return item(
        ImageType=["ORIGINAL", "PRIMARY", flavor, "NONE"],
        **presentation(contrast),
        ContentQualification="RESEARCH",
        ResonantNucleus="1H",
        KSpaceFiltering="NONE",
        ApplicableSafetyStandardAgency="IEC",
        BurnedInAnnotation="NO",
        LossyImageCompression="00",
        PresentationLUTShape="IDENTITY",
        AcquisitionContextSequence=[],
        PulseSequenceName=sequence.sequence_name or sequence.series_description[:16],
        EchoPulseSequence="SPIN" if spin else "GRADIENT",
        MultipleSpinEcho="YES" if spin else None,
        MultiPlanarExcitation="NO",
        PhaseContrast="NO",
        TimeOfFlightContrast="NO",
        SteadyStatePulseSequence="NONE",
        EchoPlanarPulseSequence="NO",
        SaturationRecovery="NO",
        SpectrallySelectedSuppression="FAT" if "FS" in sequence.scan_options else "NONE",
        OversamplingPhase="NONE",
        GeometryOfKSpaceTraversal="RECTILINEAR",
        RectilinearPhaseEncodeReordering="LINEAR",
        SegmentedKSpaceTraversal="PARTIAL" if "SK" in sequence.sequence_variant else "SINGLE",
        NumberOfKSpaceTrajectories=1,
        CoverageOfKSpace="FULL" if three_d else None,
    )


def _dimensions(first: Dataset) -> Dataset:
    """One dimension: the number of the frame in its stack (C.7.6.17)."""
    organization = generate_uid(entropy_srcs=[f"{first.SeriesInstanceUID}/dimensions"])
    index = item(
        DimensionOrganizationUID=organization,
        DimensionIndexPointer=IN_STACK_POSITION,
        FunctionalGroupPointer=Tag("FrameContentSequence"),
        DimensionDescriptionLabel="Slice",
    )
    return item(
        DimensionOrganizationSequence=[item(DimensionOrganizationUID=organization)], DimensionIndexSequence=[index]
    )
