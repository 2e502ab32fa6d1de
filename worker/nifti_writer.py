"""Masks, labels and probabilities as NIfTI on the exact grid of a scan, checked by reading them again."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from model.volume import Affine, Volume
from service.contracts.errors import ResultInconsistent

RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
GRID_TOLERANCE_MM = 1e-3
"""The header holds the affine in single precision."""


def write_nifti(volume: Volume, path: Path) -> None:
    """Writes a volume (bool and uint8 as uint8, wider whole numbers as int32, the rest as float32), world in RAS.

    Raises:
        ResultInconsistent: what was written reads back differently.
    """
    array: NDArray[Any] = volume.array
    whole = np.uint8 if array.dtype in (np.bool_, np.uint8) else np.int32
    array = array.astype(np.float32 if array.dtype.kind == "f" else whole)
    affine = RAS_FROM_LPS @ volume.affine
    nifti_image: Any = nib.nifti1.Nifti1Image  # untyped
    image = nifti_image(array, affine)
    image.header.set_xyzt_units("mm")
    image.set_qform(affine, code="scanner")
    image.set_sform(affine, code="scanner")
    nib.save(image, path)
    _check(path, array, affine)


def _check(path: Path, array: NDArray[Any], affine: Affine) -> None:
    again: Any = nib.load(path)
    if again.shape != array.shape or np.abs(again.affine - affine).max() > GRID_TOLERANCE_MM:
        raise ResultInconsistent("a written image reads back with another grid")
    if not np.array_equal(np.asarray(again.dataobj), array, equal_nan=array.dtype.kind == "f"):
        raise ResultInconsistent("a written image reads back with other values")
