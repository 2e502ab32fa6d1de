"""A volume as a series of classic MR images (PS3.3 A.4): phantoms, and NIfTI data that must come as DICOM."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage, generate_uid
from pydicom.valuerep import DSfloat

from model.volume import Volume
from worker.dicom_sequences import MrSequence

SMALLEST_RANGE = 4095
"""Integer images up to here are stored in 12 bits, as most scanners do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """Who the images say they are of. Invented people only: this writer serves phantoms and public data."""

    id: str = "PHANTOM-001"
    name: str = "Phantom^Head"
    birth_date: date = date(1984, 5, 17)
    sex: Literal["M", "F", "O", ""] = "F"


@dataclass(frozen=True, slots=True, kw_only=True)
class MrHeader:
    """What a series says beside its pixels. The same header gives the same UIDs."""

    sequence: MrSequence
    study_date: date
    series_number: int
    patient: Patient = Patient()
    study_time: str = "093015"
    """HHMMSS."""
    study_key: str = "1"
    """Series with the same patient, date and key share study and frame of reference."""
    slice_thickness_mm: float | None = None
    """None: as thick as the slices are apart."""
    patient_position: Literal["HFS", "HFP", "HFDR", "HFDL", "FFS", "FFP", "FFDR", "FFDL"] = "HFS"
    """How the patient lies in the scanner; positions in the images are the patient's all the same."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stored:
    """Stored pixel values; value = `slope * stored + intercept`."""

    pixels: NDArray[np.uint16]
    bits: int
    slope: float
    intercept: float


def write_mr_series(
    volume: Volume, folder: Path, *, header: MrHeader, transfer_syntax: UID = ExplicitVRLittleEndian
) -> list[Path]:
    """Files of the series, one per index of the volume's third axis, in its order.

    The first array axis runs along the rows of the images (column index), the second down the columns. Whole
    numbers that fit 16 bits unsigned are stored as they are, others with a rescale to 16 bits. A left-handed
    affine is written as it stands; readers that sort slices along the normal then reverse the third axis.
    Other transfer syntaxes than explicit little endian: RLE, JPEG-LS or JPEG 2000, lossless.

    Raises:
        ValueError: the axes of the volume are not orthogonal, or a voxel is not finite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index, image in enumerate(classic_images(volume, header), start=1):
        if transfer_syntax != ExplicitVRLittleEndian:
            image.compress(transfer_syntax, generate_instance_uid=False)
        path = folder / f"IM{index:04d}.dcm"
        image.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def classic_images(volume: Volume, header: MrHeader) -> Iterator[FileDataset]:
    """What `write_mr_series` writes, uncompressed."""
    check_orthogonal(volume)
    stored = stored_values(volume.array)
    shared = _shared_attributes(volume, header, stored)
    for index in range(volume.array.shape[2]):
        yield _image(shared, volume, stored, index)


def check_orthogonal(volume: Volume) -> None:
    """Raises ValueError where the axes are not at right angles, which images cannot be."""
    axes = volume.affine[:3, :3] / np.asarray(volume.spacing)
    # single precision affines of NIfTI files stray by 1e-7
    if np.abs(axes.T @ axes - np.eye(3)).max() > 1e-4:
        raise ValueError("volume: DICOM images need three orthogonal axes")


def stored_values(array: NDArray[Any]) -> Stored:
    """Whole numbers up to 65535 as they are, others with a rescale to 16 bits."""
    values = np.asarray(array, np.float64)
    if not np.isfinite(values).all():
        raise ValueError("volume: expected finite voxels")
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 65535 and not (values % 1).any():
        bits = 12 if high <= SMALLEST_RANGE else 16
        return Stored(pixels=values.astype(np.uint16), bits=bits, slope=1.0, intercept=0.0)
    # as the reader will see them: a DS holds 16 characters
    slope, intercept = float(decimal((high - low) / 65535 or 1.0)), float(decimal(low))
    pixels = np.clip(np.round((values - intercept) / slope), 0, 65535).astype(np.uint16)
    return Stored(pixels=pixels, bits=16, slope=slope, intercept=intercept)


def decimal(value: float) -> DSfloat:
    """A decimal string, at most 16 characters."""
    return DSfloat(float(value), auto_format=True)


def uid_of(header: MrHeader, *entropy: str) -> UID:
    """The same for the same header and words."""
    own = (header.patient.id, header.study_date.isoformat(), header.study_key, *entropy)
    return generate_uid(entropy_srcs=["/".join(own)])


def _shared_attributes(volume: Volume, header: MrHeader, stored: Stored) -> Dataset:
    """What all images of the series have in common."""
    image = Dataset()
    add_identity(image, header)
    _sequence(image, header.sequence)
    _geometry(image, volume, header)
    add_pixel_format(image, stored)
    return image


def add_identity(image: Dataset, header: MrHeader) -> None:
    """Patient, study, series and frame of reference."""
    day = header.study_date.strftime("%Y%m%d")
    image.SpecificCharacterSet = "ISO_IR 100"
    image.SOPClassUID = MRImageStorage
    image.StudyDate = image.SeriesDate = image.AcquisitionDate = image.ContentDate = day
    image.StudyTime = image.SeriesTime = image.AcquisitionTime = image.ContentTime = header.study_time
    image.AccessionNumber = ""
    image.Modality = "MR"
    image.ReferringPhysicianName = ""
    image.StudyDescription = "MRI brain"
    image.PatientName = header.patient.name
    image.PatientID = header.patient.id
    image.PatientBirthDate = header.patient.birth_date.strftime("%Y%m%d")
    image.PatientSex = header.patient.sex
    image.StudyInstanceUID = uid_of(header, "study")
    image.SeriesInstanceUID = uid_of(header, "series", str(header.series_number))
    image.StudyID = header.study_key
    image.SeriesNumber = header.series_number
    image.AcquisitionNumber = 1
    image.FrameOfReferenceUID = uid_of(header, "frame")
    image.PositionReferenceIndicator = ""


def _sequence(image: Dataset, sequence: MrSequence) -> None:
    image.ImageType = list(sequence.image_type)
    image.Manufacturer = sequence.manufacturer
    image.ManufacturerModelName = sequence.model_name
    image.SoftwareVersions = "1"
    image.DeviceSerialNumber = "00001"
    image.SeriesDescription = image.ProtocolName = sequence.series_description
    image.ScanningSequence = list(sequence.scanning_sequence)
    image.SequenceVariant = list(sequence.sequence_variant)
    image.ScanOptions = list(sequence.scan_options)
    image.MRAcquisitionType = sequence.acquisition_type
    if sequence.sequence_name is not None:
        image.SequenceName = sequence.sequence_name
    image.RepetitionTime = sequence.repetition_time_ms
    image.EchoTime = sequence.echo_time_ms
    if sequence.inversion_time_ms is not None:
        image.InversionTime = sequence.inversion_time_ms
    image.NumberOfAverages = 1
    image.ImagingFrequency = round(42.577 * sequence.field_strength_t, 3)
    image.ImagedNucleus = "1H"
    image.EchoNumbers = 1
    image.MagneticFieldStrength = sequence.field_strength_t
    image.EchoTrainLength = sequence.echo_train_length
    image.FlipAngle = sequence.flip_angle_deg


def _geometry(image: Dataset, volume: Volume, header: MrHeader) -> None:
    along_row, down_column, between_slices = volume.spacing
    directions = volume.affine[:3, :2] / np.asarray(volume.spacing[:2])
    image.BodyPartExamined = "BRAIN"
    image.PatientPosition = header.patient_position
    image.SliceThickness = decimal(header.slice_thickness_mm or between_slices)
    image.SpacingBetweenSlices = decimal(between_slices)
    image.ImageOrientationPatient = [decimal(cosine) for cosine in directions.T.ravel()]
    image.PixelSpacing = [decimal(down_column), decimal(along_row)]


def add_pixel_format(image: Dataset, stored: Stored) -> None:
    """How the pixels are stored, a window, and the rescale where there is one."""
    image.SamplesPerPixel = 1
    image.PhotometricInterpretation = "MONOCHROME2"
    image.Columns, image.Rows = stored.pixels.shape[:2]
    image.BitsAllocated = 16
    image.BitsStored = stored.bits
    image.HighBit = stored.bits - 1
    image.PixelRepresentation = 0
    brightest = stored.slope * float(np.percentile(stored.pixels[::4, ::4, ::2], 99)) + stored.intercept
    image.WindowCenter = decimal((brightest + stored.intercept) / 2)
    image.WindowWidth = decimal(max(brightest - stored.intercept, 1.0))
    if (stored.slope, stored.intercept) != (1.0, 0.0):
        image.RescaleIntercept = decimal(stored.intercept)
        image.RescaleSlope = decimal(stored.slope)
        image.RescaleType = "US"


def _image(shared: Dataset, volume: Volume, stored: Stored, index: int) -> FileDataset:
    uid = generate_uid(entropy_srcs=[f"{shared.SeriesInstanceUID}/{index + 1}"])
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image = FileDataset("", dict(shared.items()), file_meta=meta, preamble=b"\0" * 128)
    position = volume.affine[:3, 3] + index * volume.affine[:3, 2]
    normal = np.cross(volume.affine[:3, 0], volume.affine[:3, 1])
    image.SOPInstanceUID = uid
    image.InstanceNumber = index + 1
    image.ImagePositionPatient = [decimal(mm) for mm in position]
    image.SliceLocation = decimal(float(position @ normal / np.linalg.norm(normal)))
    # rows first: the image is the transpose of the volume's slice
    image.PixelData = np.ascontiguousarray(stored.pixels[:, :, index].T).tobytes()
    image["PixelData"].VR = "OW"
    return image
