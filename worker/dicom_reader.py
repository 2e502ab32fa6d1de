"""A DICOM stack as a volume: geometry checked, pixels decoded, rescaled."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from model.volume import Volume
from service.contracts.errors import CorruptImage, DuplicateSlice, InconsistentImages, UnsupportedTransferSyntax
from service.contracts.pydicom_silence import no_header_text
from worker.dicom_geometry import Slice, affine_of, check_consistent, ordered_along_normal
from worker.dicom_index import DicomSeries
from worker.dicom_values import number
from worker.nifti_reader import checked


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stack:
    """A series as a volume, and the file of each of its slices."""

    volume: Volume
    """float32 with rescale applied; array axes: column, row, slice along the normal."""
    instances: tuple[Path, ...]
    """In the order of the third axis."""


def read_series(series: DicomSeries) -> Volume:
    """The volume of `read_stack`."""
    return read_stack(series).volume


@no_header_text()
def read_stack(series: DicomSeries) -> Stack:
    """The slices, checked, ordered and decoded.

    Raises:
        BadInput: the slices do not make one complete, regular, readable stack; the code says why.
    """
    slices = list(series.slices)
    check_consistent(slices)
    ordered = [_only_one(group) for group in ordered_along_normal(slices)]
    affine = affine_of(ordered)
    rows, columns = ordered[0].size
    array = np.empty((columns, rows, len(ordered)), np.float32)
    for k, one in enumerate(ordered):
        array[:, :, k] = _pixels(one).T
    return Stack(
        volume=checked(Volume(array=array, affine=affine)), instances=tuple(one.path.absolute() for one in ordered)
    )


@no_header_text()
def read_headers(instances: Sequence[Path]) -> tuple[FileDataset, ...]:
    """The headers of a series' files, in their order."""
    return tuple(pydicom.dcmread(path, stop_before_pixels=True) for path in instances)


def _only_one(group: list[Slice]) -> Slice:
    """The image of a position; copies with the same pixels count once.

    Raises:
        DuplicateSlice: different images lie at one position.
    """
    if len(group) > 1:
        first = _pixels(group[0])
        if any(not np.array_equal(first, _pixels(other)) for other in group[1:]):
            raise DuplicateSlice(f"saw {len(group)} different images at one position, expected one")
    return group[0]


def _pixels(one: Slice) -> NDArray[np.float32]:
    """Rows x columns, rescaled."""
    try:
        dataset = pydicom.dcmread(one.path, force=True)
        raw = _decoded(dataset)
    except (AttributeError, ValueError, TypeError, EOFError, OSError, InvalidDicomError, KeyError, IndexError) as error:
        raise CorruptImage("the pixel data of an image end early or are damaged") from error
    if raw.shape != one.size:
        raise InconsistentImages(
            f"saw pixel data of shape {raw.shape}, expected one greyscale slice {one.size} per file"
        )
    slope, intercept = number(dataset, "RescaleSlope"), number(dataset, "RescaleIntercept")
    return np.asarray(raw, np.float32) * np.float32(slope or 1.0) + np.float32(intercept or 0.0)


def _decoded(dataset: FileDataset) -> NDArray[np.generic]:
    """The stored values.

    Raises:
        UnsupportedTransferSyntax: no decoder is installed for this compression.
        CorruptImage: every decoder failed.
    """
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax is None:  # a data set without file header: PS3.10 leaves the default syntax
        implicit = bool(dataset.original_encoding[0])
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    elif syntax.is_compressed:
        try:
            available = get_decoder(syntax).is_available
        except NotImplementedError:
            available = False
        if not available:
            raise UnsupportedTransferSyntax("no decoder is installed for the compression of the pixel data")
    try:
        return np.asarray(dataset.pixel_array)
    except (RuntimeError, NotImplementedError) as error:
        raise CorruptImage("the pixel data could not be decoded: damaged, or not the compression they claim") from error
