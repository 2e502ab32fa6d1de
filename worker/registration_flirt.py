"""FSL FLIRT through fslpy, for sites that have FSL and want its alignment."""

import os
import tempfile
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from fsl.data.image import Image
from fsl.transform.flirt import fromFlirt
from fsl.wrappers import flirt

from model.volume import Affine, Volume
from service.contracts.errors import RegistrationFailed
from service.contracts.input_errors import BackendUnavailable

LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def flirt_fixed_from_moving(fixed: Volume, moving: Volume, fixed_mask: Volume, *, rigid: bool = False) -> Affine:
    """World of `moving` -> world of `fixed` (LPS mm), 12 degrees of freedom or 6 (rigid), correlation ratio.

    Raises:
        BackendUnavailable: FSLDIR is not set.
        RegistrationFailed: flirt ended with an error.
    """
    if not os.environ.get("FSLDIR"):
        raise BackendUnavailable("registration_backend flirt needs FSL: FSLDIR is not set")
    with tempfile.TemporaryDirectory(prefix="msdelta-flirt-") as folder:
        paths = {name: Path(folder) / f"{name}.nii.gz" for name in ("fixed", "moving", "mask")}
        for name, volume in (("fixed", fixed), ("moving", moving), ("mask", fixed_mask)):
            nib.save(nifti_of(volume), paths[name])
        matrix = Path(folder) / "flirt.mat"
        try:
            flirt(
                src=str(paths["moving"]),
                ref=str(paths["fixed"]),
                refweight=str(paths["mask"]),
                omat=str(matrix),
                dof=6 if rigid else 12,
                cost="corratio",
            )
            return world_from_flirt(np.loadtxt(matrix), moving, fixed)
        except (RuntimeError, OSError) as error:
            raise RegistrationFailed("FSL flirt ended with an error") from error


def world_from_flirt(matrix: Affine, source: Volume, reference: Volume) -> Affine:
    """The world transform (LPS mm, reference from source) of a FLIRT matrix.

    FLIRT's matrix maps scaled voxels, with the first axis mirrored where the voxel axes are right-handed in RAS;
    fslpy's own conversion knows these rules.
    """
    ras = fromFlirt(matrix, Image(nifti_of(source)), Image(nifti_of(reference)), "world", "world")
    return np.asarray(LPS_FROM_RAS @ ras @ LPS_FROM_RAS)


def nifti_of(volume: Volume) -> Any:
    """The volume as a NIfTI image (RAS world)."""
    array = volume.array.astype(np.uint8) if volume.array.dtype == bool else volume.array
    return nib.Nifti1Image(array, LPS_FROM_RAS @ volume.affine)
