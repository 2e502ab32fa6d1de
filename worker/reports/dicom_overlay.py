"""The overlay pictures as a series of Secondary Capture images (PS3.3 A.8.1), one per FLAIR slice.

Single frames in RGB, uncompressed: the oldest viewer reads them. Frame of reference, position, orientation and spacing
go with them as a Standard Extended SOP Class (PS3.4 3.11), so that viewers can link them to the FLAIR. Burned In
Annotation is NO (PS3.3 C.7.6.1.1.5): the text in the pixels identifies neither patient nor date; it names lesions, and
says that this is an AI result for research.

The files are read again: every coloured pixel must lie in a lesion of its status, and every lesion's outline must have
its centre where the mask has it, in patient millimetres.
"""

from collections.abc import Sequence
from pathlib import Path

import highdicom as hd
import numpy as np
from highdicom.base_content import ContributingEquipment
from highdicom.sr import CodedConcept
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID, ExplicitVRLittleEndian
from pydicom.valuerep import DSfloat
from scipy import ndimage

from model.volume import Affine, world_from_voxel
from service.contracts.errors import ResultInconsistent
from service.contracts.pydicom_silence import no_header_text
from service.contracts.report import Report
from worker.reports.dicom_series import (
    MANUFACTURER,
    OVERLAY_SERIES,
    acquired_with,
    check_joins,
    describe,
    made_by,
    uid_of,
)
from worker.reports.dicom_sources import reference_to
from worker.reports.overlay import Pixels, Scale, Scan, draw_slices, rgb, scale_of, statuses_of

OBJECT = "DICOM overlay"
FINEST_MM = 1.0
"""An outline's centre may be a pixel off, or this where pixels are finer: gaps of a dashed line weigh more there."""
COMMENT = "FLAIR of the follow-up with lesions outlined; numbers are rows of the report. AI result, not verified."


@no_header_text()
def write_overlay(scan: Scan, headers: Sequence[Dataset], report: Report, folder: Path) -> tuple[Path, ...]:
    """`overlay_0001.dcm` and so on, in the order of the headers; what an earlier run left is removed.

    Raises:
        ResultInconsistent: what was written shows a lesion elsewhere than the mask; names it.
    """
    for old in folder.glob("overlay_*.dcm"):
        old.unlink()
    origin, scale = made_by(headers, report), scale_of(scan.flair)
    scanner = acquired_with(headers[0])
    paths = []
    for k, (header, pixels) in enumerate(zip(headers, draw_slices(scan, report), strict=True)):
        uids = uid_of(origin, "overlay series"), uid_of(origin, "overlay", str(k))
        image = _image(pixels, header, uids, k, scanner)
        describe(image, report, "MS overlay")
        _place(image, header, scan.flair.affine, scale, k)
        paths.append(folder / f"overlay_{k + 1:04d}.dcm")
        image.save_as(paths[-1])
    check_overlay(paths, scan, headers, report)
    return tuple(paths)


@no_header_text()
def check_overlay(paths: Sequence[Path], scan: Scan, headers: Sequence[Dataset], report: Report) -> None:
    """Reads the files and compares every outline with the mask.

    Raises:
        ResultInconsistent: names the lesion.
    """
    of_lesion = {one: int(_code(np.array(rgb(status)))) for one, status in statuses_of(scan, report).items()}
    for k, path in enumerate(paths):
        image = hd.imread(path)
        check_joins(image, headers[k], OBJECT)
        _check_slice(image, scan, of_lesion, k)


def _image(
    pixels: Pixels, header: Dataset, uids: tuple[UID, UID], k: int, scanner: list[ContributingEquipment]
) -> hd.sc.SCImage:
    """The picture in the study of the header, under the UIDs of series and instance."""
    image = hd.sc.SCImage(
        pixel_array=pixels,
        photometric_interpretation=hd.PhotometricInterpretationValues.RGB,
        bits_allocated=8,
        coordinate_system=hd.CoordinateSystemNames.PATIENT,
        study_instance_uid=header.StudyInstanceUID,
        series_instance_uid=uids[0],
        series_number=OVERLAY_SERIES,
        sop_instance_uid=uids[1],
        instance_number=k + 1,
        manufacturer=MANUFACTURER,
        patient_orientation=_directions(header),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        contributing_equipment=scanner,
        specific_character_set=header.get("SpecificCharacterSet"),
    )
    image.copy_patient_and_study_information(header)
    image.ConversionType = hd.sc.ConversionTypeValues.WSD.value
    image.BodyPartExamined = "BRAIN"  # not a paired one: no laterality is due
    image.BurnedInAnnotation = "NO"
    image.ImageComments = COMMENT
    image.DerivationDescription = "Interpolated to a larger matrix, lesions outlined"
    source = reference_to(header)
    if "ReferencedFrameNumber" in header:  # the header of a frame says which it is
        source.ReferencedFrameNumber = header.ReferencedFrameNumber
    source.PurposeOfReferenceCodeSequence = [CodedConcept.from_code(codes.DCM.SourceImageForImageProcessingOperation)]
    image.SourceImageSequence = [source]
    return image


def _directions(header: Dataset) -> tuple[hd.PatientOrientationValuesBiped, hd.PatientOrientationValuesBiped]:
    """Where rows and columns run to, in a letter each."""
    along_row, down_column = np.reshape(np.asarray(header.ImageOrientationPatient, float), (2, 3))
    axes = np.stack([along_row, down_column, np.cross(along_row, down_column)], axis=1)
    return hd.spatial.get_closest_patient_orientation(axes)[:2]


def _place(image: Dataset, header: Dataset, affine: Affine, scale: Scale, k: int) -> None:
    """Frame of reference and image plane (PS3.3 C.7.4.1, C.7.6.2)."""
    # the position is that of the first pixel's centre, which lies off the large pixel's
    corner = [-(scale.columns - 1) / (2 * scale.columns), -(scale.rows - 1) / (2 * scale.rows), k]
    position = world_from_voxel(affine, np.array([corner]))[0]
    across, down = np.linalg.norm(affine[:3, :2], axis=0)
    image.PixelSpacing = [_decimal(down / scale.rows), _decimal(across / scale.columns)]
    image.ImagePositionPatient = [_decimal(mm) for mm in position]
    image.ImageOrientationPatient = header.ImageOrientationPatient
    for name in ("FrameOfReferenceUID", "SliceThickness", "SpacingBetweenSlices", "SliceLocation"):
        if header.get(name) not in (None, ""):
            setattr(image, name, header[name].value)
    image.PositionReferenceIndicator = ""
    image.DateOfSecondaryCapture, image.TimeOfSecondaryCapture = image.ContentDate, image.ContentTime


def _decimal(value: float) -> DSfloat:
    return DSfloat(float(value), auto_format=True)


def _coloured(image: Dataset, codes_of: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Where pixels in these colours lie, patient mm, by the file's own geometry; and which colour each has."""
    pixels = image.pixel_array
    rows, columns = np.nonzero((pixels[..., 0] != pixels[..., 1]) | (pixels[..., 1] != pixels[..., 2]))
    found = _code(pixels[rows, columns])
    kept = np.isin(found, codes_of)
    rows, columns, found = rows[kept], columns[kept], found[kept]
    position = np.asarray(image.ImagePositionPatient, float)
    along_row, down_column = np.reshape(np.asarray(image.ImageOrientationPatient, float), (2, 3))
    down, across = (float(mm) for mm in image.PixelSpacing)
    points = position + np.outer(columns * across, along_row) + np.outer(rows * down, down_column)
    return points, found


def _code(colours: NDArray[np.uint8]) -> NDArray[np.int64]:
    """A number for each colour, the last axis being red, green and blue."""
    return np.asarray(np.asarray(colours, np.int64) @ np.array([65536, 256, 1]), np.int64)


def _check_slice(image: Dataset, scan: Scan, of_lesion: dict[int, int], k: int) -> None:
    points, colours = _coloured(image, list(of_lesion.values()))
    voxels = np.rint(world_from_voxel(np.linalg.inv(scan.flair.affine), points)).astype(int)
    at = np.clip(voxels, 0, np.array(scan.ids.shape) - 1)
    lesions = np.where((at == voxels).all(axis=1) & (voxels[:, 2] == k), scan.ids[tuple(at.T)], 0)
    wanted = np.array([of_lesion.get(int(one), -1) for one in lesions], np.int64)
    if (wanted != colours).any():
        near = sorted({int(one) for one in lesions[wanted != colours]} - {0})
        raise ResultInconsistent(
            f"{OBJECT}: slice {k + 1} has {int((wanted != colours).sum())} pixels of outlines outside the lesions of "
            f"their status (in lesions {near})"
        )
    limit_mm = max(FINEST_MM, float(np.linalg.norm(scan.flair.affine[:3, :2], axis=0).max()))
    parts, borders = _borders(scan.ids[:, :, k], scan.flair.affine, k)
    part_of_point = np.where(lesions > 0, parts[at[:, 0], at[:, 1]], 0)
    for part, (lesion, border) in borders.items():
        own = points[part_of_point == part]
        if not len(own):
            raise ResultInconsistent(f"{OBJECT}: lesion {lesion} is not outlined in slice {k + 1}")
        apart = float(np.linalg.norm(own.mean(axis=0) - border))
        if apart > limit_mm:
            raise ResultInconsistent(f"{OBJECT}: lesion {lesion} is outlined {apart:.2f} mm from its place in the mask")


def _borders(
    ids: NDArray[np.int32], affine: Affine, k: int
) -> tuple[NDArray[np.int32], dict[int, tuple[int, NDArray[np.float64]]]]:
    """The parts that each lesion has in a slice; of each part its lesion, and the centre of its border in patient mm.

    The centre is the mean of the pixel sides that the border consists of.
    """
    parts = np.zeros(ids.shape, np.int32)
    for lesion in np.unique(ids[ids > 0]):
        own, _ = ndimage.label(ids == lesion, structure=np.ones((3, 3)))
        parts[own > 0] = own[own > 0] + parts.max()
    padded = np.pad(parts, 1)
    sides = []
    for step in ((0.5, 0.0), (-0.5, 0.0), (0.0, 0.5), (0.0, -0.5)):
        outside = np.roll(padded, [-round(2 * one) for one in step], axis=(0, 1))
        columns, rows = np.nonzero((padded > 0) & (outside != padded))
        sides.append(np.column_stack([padded[columns, rows], columns - 1 + step[0], rows - 1 + step[1]]))
    every = np.concatenate(sides)
    borders = {}
    for part in range(1, int(parts.max()) + 1):
        at = every[every[:, 0] == part, 1:]
        centre = world_from_voxel(affine, np.array([[*at.mean(axis=0), k]]))[0]
        borders[part] = int(ids[parts == part][0]), centre
    return parts, borders
