"""Whole-head label maps: the labels that images are painted from, and the regions that are learned.

Source: the label maps of SynthSeg (Billot et al. 2023, doi:10.1016/j.media.2023.102789), FreeSurfer codes.
"""

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, Integer, UInt8
from numpy.typing import NDArray
from scipy import ndimage

from model.anatomy import FREESURFER, Tissue, network_array


class Region(IntEnum):
    """What the anatomy network tells apart."""

    OUTSIDE = 0
    CORTEX = 1
    WHITE_MATTER = 2
    DEEP_GREY = 3
    VENTRICLES = 4
    """With the choroid plexus."""
    CSF = 5
    """Outside the ventricles."""
    CEREBELLUM = 6
    BRAINSTEM = 7


REGION_OF_TISSUE: dict[Tissue, Region] = {
    Tissue.CSF: Region.CSF,
    Tissue.GREY: Region.CORTEX,
    Tissue.WHITE: Region.WHITE_MATTER,
    Tissue.DEEP_GREY: Region.DEEP_GREY,
    Tissue.VENTRICLE: Region.VENTRICLES,
    Tissue.CHOROID: Region.VENTRICLES,
    Tissue.BRAINSTEM: Region.BRAINSTEM,
    Tissue.CEREBELLUM_GREY: Region.CEREBELLUM,
    Tissue.CEREBELLUM_WHITE: Region.CEREBELLUM,
}

LEFT_OF_RIGHT = {
    41: 2,
    42: 3,
    43: 4,
    44: 5,
    46: 7,
    47: 8,
    49: 10,
    50: 11,
    51: 12,
    52: 13,
    53: 17,
    54: 18,
    57: 25,
    58: 26,
    60: 28,
    62: 30,
    63: 31,
    163: 136,
    164: 137,
    251: 2,
    252: 2,
    253: 2,
    254: 2,
    255: 2,
}
"""Both sides of the head have one contrast."""

FIRST_OUTSIDE = 500
"""Codes from here on lie outside the brain and its fluid."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Head:
    """One label map in network axes (superior, anterior, right), 1 mm."""

    labels: UInt8[NDArray[Any], "d h w"]
    """Index into `tissues` and `regions`."""
    tissues: UInt8[NDArray[Any], " label"]
    """`Tissue` of each label; `Tissue.EXTRA` for all that lies outside the brain."""
    regions: UInt8[NDArray[Any], " label"]
    """`Region` of each label."""
    centre: Float64[NDArray[Any], "3"]
    """Of the brain, voxels."""


def read_head(path: Path) -> Head:
    """The head of a NIfTI label map, cropped to what is not air."""
    return head_of(np.round(network_array(path)).astype(np.int32))


def head_of(codes: Integer[NDArray[Any], "d h w"]) -> Head:
    """The head of FreeSurfer codes in network axes.

    Raises:
        ValueError: no brain in it.
    """
    found = ndimage.find_objects((codes > 0).astype(np.uint8))
    merged = codes[found[0]] if found else codes
    for right, left in LEFT_OF_RIGHT.items():
        merged = np.where(merged == right, left, merged)
    values, labels = np.unique(merged, return_inverse=True)
    found_tissues = [_tissue(int(code)) for code in values]
    tissues = np.array(found_tissues, np.uint8)
    regions = np.array([REGION_OF_TISSUE.get(tissue, Region.OUTSIDE) for tissue in found_tissues], np.uint8)
    brain = (regions > 0)[labels.reshape(merged.shape)]
    if not brain.any():
        raise ValueError("codes: expected FreeSurfer codes of a brain, saw none")
    return Head(
        labels=labels.reshape(merged.shape).astype(np.uint8),
        tissues=tissues,
        regions=regions,
        centre=np.array([axis.mean() for axis in np.nonzero(brain)]),
    )


def _tissue(code: int) -> Tissue:
    if code == 0:
        return Tissue.AIR
    if code > FIRST_OUTSIDE:
        return Tissue.EXTRA
    return next((tissue for tissue, members in FREESURFER.items() if code in members), Tissue.GREY)
