"""A DICOM stack as a volume: geometry checked, pixels decoded, rescaled."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from model.volume import Volume
from service.contracts.input_errors import DuplicateSlice
from service.contracts.pydicom_silence import no_header_text
from worker.case import SourceImage
from worker.dicom_frames import ENHANCED_MR, frame_headers
from worker.dicom_geometry import Slice, affine_of, check_consistent, ordered_along_normal
from worker.dicom_headers import completed
from worker.dicom_index import DicomSeries
from worker.dicom_pixels import images_of
from worker.nifti_reader import checked


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stack:
    """A series as a volume, and where each of its slices came from."""

    volume: Volume
    """float32 with rescale applied; array axes: column, row, slice along the normal."""
    instances: tuple[SourceImage, ...]
    """In the order of the third axis."""


def read_series(series: DicomSeries) -> Volume:
    """The volume of `read_stack`."""
    return read_stack(series).volume


def read_stack(series: DicomSeries) -> Stack:
    """The slices, checked, ordered and decoded.

    Raises:
        BadInput: the slices do not make one complete, regular, readable brain scan; the code says why.
    """
    stack = assemble(series.slices)
    return Stack(volume=checked(stack.volume), instances=stack.instances)


@no_header_text()
def assemble(slices: Sequence[Slice]) -> Stack:
    """What `read_stack` gives, of as few or as empty slices as there are.

    Raises:
        BadInput: the slices do not make one complete, regular, readable stack; the code says why.
    """
    check_consistent(list(slices))
    places = ordered_along_normal(list(slices))
    ordered = [group[0] for group in places]
    affine = affine_of(ordered)
    rows, columns = ordered[0].size
    array = np.empty((columns, rows, len(ordered)), np.float32)
    _fill(array, places)
    instances = tuple(SourceImage(path=one.path.absolute(), frame=one.frame) for one in ordered)
    return Stack(volume=Volume(array=array, affine=affine), instances=instances)


@no_header_text()
def read_headers(instances: Sequence[SourceImage]) -> tuple[Dataset, ...]:
    """The header of each image of a stack, in their order, completed (`worker.dicom_headers`) for what refers to it.

    Of a frame it is the flat one (`worker.dicom_frames`).
    """
    files: dict[Path, tuple[Dataset, ...]] = {}
    for path in {one.path: None for one in instances}:
        header = pydicom.dcmread(path, stop_before_pixels=True, force=True)
        files[path] = frame_headers(header) if header.SOPClassUID in ENHANCED_MR else (header,)
    return completed([files[one.path][(one.frame or 1) - 1] for one in instances])


def _fill(array: NDArray[np.float32], places: list[list[Slice]]) -> None:
    """Decodes every image into its slice of the array, file by file; copies with the same pixels count once.

    Raises:
        DuplicateSlice: different images lie at one position.
    """
    files: dict[Path, list[Slice]] = defaultdict(list)
    for one in (one for group in places for one in group):
        files[one.path].append(one)
    index = {(one.path, one.frame): k for k, group in enumerate(places) for one in group}
    filled: set[int] = set()
    for path, members in files.items():
        for one, pixels in images_of(path, members):
            k = index[one.path, one.frame]
            if k in filled and not np.array_equal(array[:, :, k], pixels.T):
                raise DuplicateSlice(f"saw {len(places[k])} different images at one position, expected one")
            array[:, :, k] = pixels.T
            filled.add(k)
