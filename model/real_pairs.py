"""The longitudinal patients with both visits, prepared with their authors' own transforms.

The shipped weights have not seen them. The brain is what both the authors and the anatomy network take for it: the mask
of patient19 holds the whole head.

Source: Lesjak et al. 2016, doi:10.1007/s12021-016-9301-1. `gt` marks change of either sign, nothing else is marked.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from jaxtyping import Bool, Float32
from numpy.typing import NDArray

from model.anatomy_network import region_map
from model.checkpoint import LoadedModel
from model.grid import network_grid
from model.preprocess import bounding_box, z_score
from model.volume import Volume

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


def read_real_pair(folder: Path, regions: LoadedModel) -> RealPair:
    """One patient; each image is interpolated once.

    Args:
        folder: of the patient.
        regions: the anatomy network; its brain is that of either visit's FLAIR.

    Raises:
        ValueError: an image that cannot be replaced is absent, or `regions` is another network.
    """
    if not (folder / "gt.nii.gz").exists():
        raise ValueError(f"folder: expected gt.nii.gz in {folder.name}")
    grid, marked = _brain(folder)
    borrowed = not (folder / "study1_T1W.nii.gz").exists()
    visits = [_images(folder, study, grid, t1_of=2 if borrowed else study) for study in (1, 2)]
    seen = [found_brain(flair, regions) for _, flair in visits]
    brain = marked & (seen[0] | seen[1])
    box = bounding_box(brain)
    scans = [np.stack([z_score(image[box], inside=brain[box], keep=brain[box]) for image in visit]) for visit in visits]
    change = _on(grid, sitk.ReadImage(str(folder / "gt.nii.gz"), sitk.sitkFloat32), sitk.Transform()) > 0.5
    return RealPair(name=folder.name, baseline=scans[0], follow_up=scans[1], change=change[box], borrowed_t1=borrowed)


def found_brain(flair: Float32[NDArray[Any], "d h w"], regions: LoadedModel) -> Bool[NDArray[Any], "d h w"]:
    """The anatomy network's brain of an image on a 1 mm network grid."""
    grid = network_grid(flair.shape)
    return region_map(Volume(array=flair, affine=grid.affine), model=regions).brain(grid)


def read_real_visit(
    folder: Path, study: int
) -> tuple[tuple[Float32[NDArray[Any], "d h w"], Float32[NDArray[Any], "d h w"]], Bool[NDArray[Any], "d h w"]]:
    """T1 and FLAIR of one visit on the same grid, zero outside the authors' brain mask, and the mask."""
    grid, brain = _brain(folder)
    box = bounding_box(brain)
    t1, flair = _images(folder, study, grid, t1_of=study)
    return (np.where(brain, t1, 0)[box], np.where(brain, flair, 0)[box]), brain[box]


def _brain(folder: Path) -> tuple[sitk.Image, NDArray[np.bool_]]:
    """The 1 mm grid, and the authors' brain mask on it."""
    mask = sitk.ReadImage(str(folder / "brainmask.nii.gz"), sitk.sitkFloat32)
    grid = _one_millimetre(mask)
    return grid, _on(grid, mask, sitk.Transform()) > 0.5


def _images(
    folder: Path, study: int, grid: sitk.Image, *, t1_of: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """T1 and FLAIR."""
    flair = _on(grid, _image(folder, f"study{study}_FLAIR"), _transform(folder, f"study{study}_FLAIR_to_common_space"))
    through_flair = sitk.CompositeTransform(  # the last one acts first: common space -> FLAIR -> T1
        [
            _transform(folder, f"study{t1_of}_T1W_intrastudy_to_FLAIR"),
            _transform(folder, f"study{t1_of}_FLAIR_to_common_space"),
        ]
    )
    return _on(grid, _image(folder, f"study{t1_of}_T1W"), through_flair), flair


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
