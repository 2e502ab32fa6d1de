"""NIfTI files as volumes: three-dimensional, finite, not empty, with a place in the patient."""

import gzip
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from model.volume import Affine, Volume
from service.contracts.input_errors import (
    CorruptImage,
    EmptyImage,
    ImageTooSmall,
    InconsistentOrientation,
    NotAnImage,
    NotThreeDimensional,
)

LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
SMALLEST_SIDE_MM = 60.0
"""A brain scan covers at least this in every direction; thinner slabs show too little to compare."""
FEWEST_SLICES = 10
MOST_VOXELS = 1024**3
"""Beyond any brain scan: a header that asks for more asks for memory, not for an image."""
MOST_BYTES = 8 * MOST_VOXELS
SHEAR_TOLERANCE = 1e-3
"""Largest scalar product of two voxel axes (unit vectors): what registration can still state as a rotation."""
GZIP = b"\x1f\x8b"


def read_nifti(path: Path) -> Volume:
    """The image as float32 in LPS; scaling applied; a voxel that is not a number becomes zero.

    Where the sform has a code it gives the place, else the qform.

    Raises:
        NotAnImage: not a NIfTI file, or colour.
        CorruptImage: the data end early, or the header gives no place in the patient.
        NotThreeDimensional: more than one volume.
        InconsistentOrientation: the voxel axes are sheared.
        EmptyImage, ImageTooSmall: nothing to see.
    """
    _check_container(path)
    try:
        image: Any = nib.load(path)
        shape = _three_dimensions(image.shape)
        affine = _affine(image)
        array = _voxels(image, shape)
    except ImageFileError as error:
        raise NotAnImage("the file cannot be read as NIfTI") from error
    except (EOFError, OSError, ValueError, TypeError, MemoryError, zlib.error) as error:
        raise CorruptImage("the image data end early or are damaged") from error
    return checked(Volume(array=array, affine=affine))


def checked(volume: Volume) -> Volume:
    """The volume itself, once it is seen to be large enough and not constant.

    Raises:
        EmptyImage: all voxels have one value.
        ImageTooSmall: fewer than 10 slices or 60 mm along an axis.
    """
    extent = [n * s for n, s in zip(volume.array.shape, volume.spacing, strict=True)]
    if min(volume.array.shape) < FEWEST_SLICES or min(extent) < SMALLEST_SIDE_MM:
        sides = " x ".join(f"{n} voxels ({e:.0f} mm)" for n, e in zip(volume.array.shape, extent, strict=True))
        raise ImageTooSmall(f"saw {sides}, expected at least {FEWEST_SLICES} voxels and {SMALLEST_SIDE_MM:.0f} mm")
    low, high = float(volume.array.min()), float(volume.array.max())
    if low == high:
        raise EmptyImage(f"every voxel has the value {low:g}")
    return volume


def _check_container(path: Path) -> None:
    """Reads a gzip file to its end, where its checksum stands: nibabel stops at the last voxel and never sees it."""
    if not path.name.lower().endswith(".gz"):
        return
    with path.open("rb") as file:
        if file.read(2) != GZIP:
            raise NotAnImage("the file is named as gzip but does not begin as one")
    try:
        with gzip.open(path) as file:
            unpacked = 0
            while chunk := file.read(1 << 20):
                unpacked += len(chunk)
                if unpacked > MOST_BYTES:
                    raise CorruptImage(f"the file unpacks to more than {MOST_BYTES >> 30} GiB")
    except (EOFError, OSError, zlib.error) as error:
        raise CorruptImage("the compressed data end early or their checksum does not hold") from error


def _three_dimensions(shape: tuple[int, ...]) -> tuple[int, ...]:
    found = shape
    while len(found) > 3 and found[-1] == 1:
        found = found[:-1]
    if len(found) != 3:
        raise NotThreeDimensional(f"saw {len(shape)} dimensions {tuple(map(int, shape))}, expected 3")
    if int(np.prod(found, dtype=np.float64)) > MOST_VOXELS:
        raise CorruptImage(f"the header states {' x '.join(map(str, found))} voxels, more than any brain scan has")
    return found


def _affine(image: Any) -> Affine:
    header = image.header
    if int(header["sform_code"]) == 0 and int(header["qform_code"]) == 0:
        raise CorruptImage("neither sform nor qform has a code: the image does not say how it lies in the patient")
    unit = header.get_xyzt_units()[0]
    if unit not in {"mm", "unknown"}:
        raise CorruptImage(f"the header states lengths in {unit}, expected mm")
    affine: Affine = LPS_FROM_RAS @ np.asarray(image.affine, np.float64)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-6:
        raise CorruptImage("the affine is not an invertible matrix of finite numbers")
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    shear = float(np.abs(axes.T @ axes - np.eye(3)).max())
    if shear > SHEAR_TOLERANCE:
        raise InconsistentOrientation(
            f"the voxel axes are sheared (cosine {shear:.4f} between two of them), expected at most {SHEAR_TOLERANCE}"
        )
    return affine


def _voxels(image: Any, shape: tuple[int, ...]) -> NDArray[np.float32]:
    kind = image.get_data_dtype()
    if kind.kind not in "iuf":
        raise NotAnImage("the voxels are colours or complex numbers, expected one real number each")
    array = np.asarray(image.dataobj, np.float32).reshape(shape)
    return np.nan_to_num(array, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
