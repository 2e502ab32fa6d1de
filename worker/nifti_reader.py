"""NIfTI files as volumes: three-dimensional, finite, not empty, with a place in the patient."""

import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError

from model.volume import Volume
from service.contracts.errors import CorruptImage, EmptyImage, ImageTooSmall, NotAnImage, NotThreeDimensional

LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
SMALLEST_SIDE_MM = 60.0
"""A brain scan covers at least this in every direction; thinner slabs show too little to compare."""
FEWEST_SLICES = 10


def read_nifti(path: Path) -> Volume:
    """The image as float32 in LPS; scaling applied; not-a-number becomes zero.

    Raises:
        NotAnImage: not a NIfTI file.
        CorruptImage: the data end early, or the affine is no geometry.
        NotThreeDimensional: more than one volume.
        EmptyImage, ImageTooSmall: nothing to see.
    """
    try:
        image = nib.load(path)
        shape = image.shape
        while len(shape) > 3 and shape[-1] == 1:
            shape = shape[:-1]
        if len(shape) != 3:
            raise NotThreeDimensional(f"saw {len(image.shape)} dimensions {image.shape}, expected 3")
        array = np.asarray(image.dataobj, np.float32).reshape(shape)
    except ImageFileError as error:
        raise NotAnImage("the file cannot be read as NIfTI") from error
    except (EOFError, OSError, ValueError, zlib.error) as error:
        raise CorruptImage("the image data end early or are damaged") from error
    affine = LPS_FROM_RAS @ np.asarray(image.affine, np.float64)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-6:
        raise CorruptImage("the affine is not an invertible matrix of finite numbers")
    return checked(Volume(array=np.nan_to_num(array, nan=0.0, posinf=0.0, neginf=0.0), affine=affine))


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
