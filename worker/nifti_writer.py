"""Masks, labels and probabilities as NIfTI on the exact grid of a scan, checked by reading them again."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from model.volume import Volume
from service.contracts.errors import ResultInconsistent

RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def write_nifti(volume: Volume, path: Path) -> None:
    """Writes a volume (bool and uint8 as uint8, the rest as float32), world coordinates in RAS.

    Raises:
        ResultInconsistent: what was written reads back differently.
    """
    array: NDArray[Any] = volume.array
    array = array.astype(np.uint8) if array.dtype in (np.bool_, np.uint8) else array.astype(np.float32)
    affine = RAS_FROM_LPS @ volume.affine
    image = nib.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    image.set_qform(affine, code="scanner")
    image.set_sform(affine, code="scanner")
    nib.save(image, path)
    _check(path, array, affine)


def _check(path: Path, array: NDArray[Any], affine: NDArray[np.float64]) -> None:
    again = nib.load(path)
    if again.shape != array.shape or np.abs(again.affine - affine).max() > 1e-3:
        raise ResultInconsistent("a written image reads back with another grid")
    if not np.array_equal(np.asarray(again.dataobj), array):
        raise ResultInconsistent("a written image reads back with other values")
