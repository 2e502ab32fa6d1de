"""Pixel values of the images in one DICOM file, in one pass over it, whatever their compression.

Values are the stored ones times rescale slope plus intercept, of each frame its own: the modality values of the
standard (PS3.3 C.11.1 and C.7.6.16.2.9), which every viewer shows. Philips' private scale slope (2005,100E) and Real
World Value Mapping are left alone: for one series they would change all voxels by one factor, which the z-score in the
brain removes again, and only the standard's values are in every vendor's files.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from service.contracts.input_errors import CorruptImage, InconsistentImages, UnsupportedTransferSyntax
from worker.dicom_geometry import Slice


def images_of(path: Path, slices: Sequence[Slice]) -> Iterator[tuple[Slice, NDArray[np.float32]]]:
    """Each of the slices, all of this file, with its pixels: rows x columns, rescaled; in the order of the file.

    The file is read once and its frames are decoded one after the other, so that a large multi-frame object is never
    in memory as an array.

    Raises:
        UnsupportedTransferSyntax: no decoder is installed for this compression.
        InconsistentImages: colour, another size than the header says, or several frames in a classic object.
        CorruptImage: the pixel data end early or cannot be decoded.
    """
    wanted = {one.frame or 1: one for one in slices}
    found = 0
    for frame, raw in enumerate(_stored(path), start=1):
        one = wanted.get(frame)
        if raw.shape != slices[0].size or (slices[0].frame is None and frame > 1):
            raise InconsistentImages(
                f"saw pixel data of shape {raw.shape}, image {frame} of its file; expected greyscale slices "
                f"{slices[0].size}, one per file of classic MR"
            )
        if one is not None:
            found += 1
            yield one, raw.astype(np.float32) * np.float32(one.slope) + np.float32(one.intercept)
    if found < len(slices):
        raise CorruptImage(f"saw pixel data of {found} frames, expected {len(slices)}")


def _stored(path: Path) -> Iterator[NDArray[np.generic]]:
    """The stored values of each frame."""
    try:
        dataset = pydicom.dcmread(path, force=True)
        _check_decodable(dataset)
        yield from iter_pixels(dataset, raw=True)
    except (RuntimeError, NotImplementedError) as error:
        raise CorruptImage("the pixel data could not be decoded: damaged, or not the compression they claim") from error
    except (AttributeError, ValueError, TypeError, EOFError, OSError, InvalidDicomError, KeyError, IndexError) as error:
        raise CorruptImage("the pixel data of an image end early or are damaged") from error


def _check_decodable(dataset: FileDataset) -> None:
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax is None:
        dataset.file_meta.TransferSyntaxUID = _found_syntax(dataset)
    elif syntax.is_compressed and not has_decoder(syntax):
        raise UnsupportedTransferSyntax("no decoder is installed for the compression of the pixel data")


def has_decoder(syntax: UID) -> bool:
    """Whether pixel data of a transfer syntax can be decoded here."""
    try:
        return bool(get_decoder(syntax).is_available)
    except NotImplementedError:
        return False


def _found_syntax(dataset: FileDataset) -> UID:
    """Of a data set without file header: what pydicom found it to be, else the default of PS3.10."""
    implicit, little_endian = dataset.original_encoding
    if implicit or implicit is None:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little_endian else ExplicitVRBigEndian
