"""The held-out longitudinal patients, prepared with their authors' own transforms and brain masks.

Source: Lesjak et al. 2016, doi:10.1007/s12021-016-9301-1. `gt` marks change of either sign, nothing else is marked.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from jaxtyping import Bool, Float32
from numpy.typing import NDArray

COMPLETE_OR_NEARLY = ("patient01", "patient03", "patient19")
"""Patients with both FLAIR images, a mask of change and at least one T1."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RealPair:
    """Both visits on the 1 mm half-way grid in network axes, as the network sees them."""

    name: str
    baseline: Float32[NDArray[Any], "2 d h w"]
    follow_up: Float32[NDArray[Any], "2 d h w"]
    change: Bool[NDArray[Any], "d h w"]
    borrowed_t1: bool
    """The baseline has no T1 here: the follow-up's stands in for it."""


def read_real_pair(folder: Path) -> RealPair:
    """One patient; each image is interpolated once.

    Raises:
        ValueError: an image that cannot be replaced is absent.
    """
    if not (folder / "gt.nii.gz").exists():
        raise ValueError(f"folder: expected gt.nii.gz in {folder.name}")
    mask = sitk.ReadImage(str(folder / "brainmask.nii.gz"), sitk.sitkFloat32)
    grid = _one_millimetre(mask)
    brain = _on(grid, mask, sitk.Transform()) > 0.5
    box = tuple(slice(int(i.min()), int(i.max()) + 1) for i in np.nonzero(brain))
    borrowed = not (folder / "study1_T1W.nii.gz").exists()
    visits = [
        _visit(folder, study, grid, brain, t1_of=2 if borrowed else study)[(slice(None), *box)] for study in (1, 2)
    ]
    change = _on(grid, sitk.ReadImage(str(folder / "gt.nii.gz"), sitk.sitkFloat32), sitk.Transform()) > 0.5
    return RealPair(name=folder.name, baseline=visits[0], follow_up=visits[1], change=change[box], borrowed_t1=borrowed)


def _visit(folder: Path, study: int, grid: sitk.Image, brain: NDArray[np.bool_], *, t1_of: int) -> NDArray[np.float32]:
    flair = _on(grid, _image(folder, f"study{study}_FLAIR"), _transform(folder, f"study{study}_FLAIR_to_common_space"))
    through_flair = sitk.CompositeTransform(  # the last one acts first: common space -> FLAIR -> T1
        [
            _transform(folder, f"study{t1_of}_T1W_intrastudy_to_FLAIR"),
            _transform(folder, f"study{t1_of}_FLAIR_to_common_space"),
        ]
    )
    t1 = _on(grid, _image(folder, f"study{t1_of}_T1W"), through_flair)
    return np.stack([_z_scored(image, brain) for image in (t1, flair)])


def _one_millimetre(like: Any) -> Any:
    """An empty 1 mm grid over an image whose axes are the patient's (LPS)."""
    extent = [n * s for n, s in zip(like.GetSize(), like.GetSpacing(), strict=True)]
    grid: Any = sitk.Image([int(np.ceil(mm)) for mm in extent], sitk.sitkFloat32)
    grid.SetOrigin(like.GetOrigin())
    grid.SetDirection(like.GetDirection())
    return grid


def _on(grid: sitk.Image, image: sitk.Image, transform: sitk.Transform) -> NDArray[np.float32]:
    """Linear interpolation on the grid, in network axes: superior, anterior, right."""
    values = sitk.GetArrayFromImage(sitk.Resample(image, grid, transform, sitk.sitkLinear, 0.0, sitk.sitkFloat32))
    return np.ascontiguousarray(values[:, ::-1, ::-1])  # (superior, posterior, left) of an LPS image


def _image(folder: Path, name: str) -> sitk.Image:
    return sitk.ReadImage(str(folder / f"{name}.nii.gz"), sitk.sitkFloat32)


def _transform(folder: Path, name: str) -> sitk.Transform:
    transform: sitk.Transform = sitk.ReadTransform(str(folder / f"{name}.txt"))
    return transform


def _z_scored(image: NDArray[np.float32], brain: NDArray[np.bool_]) -> NDArray[np.float32]:
    values = image[brain]
    return np.where(brain, (image - values.mean()) / values.std(), 0).astype(np.float32)
