"""Where the brain is: a replaceable part; ours is the anatomy network."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray
from scipy import ndimage

from model.anatomy_network import region_map
from model.checkpoint import LoadedModel
from model.grid import Grid
from model.volume import Volume
from service.contracts.errors import BrainNotFound
from worker.case import BrainMask

CSF_PART = 0.5
"""How much of the fluid around the brain its mask holds (decision 0009)."""
SMALLEST_BRAIN_ML = 400.0
"""Of a brain that the scan may show in part only."""


class BrainMasker(Protocol):
    """Finds the brain of a FLAIR scan."""

    def __call__(self, flair: Volume) -> BrainMask:
        """The mask on the FLAIR's own grid.

        Raises:
            BrainNotFound: nothing in the image looks like a brain.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetworkBrainMasker:
    """The anatomy network's brain; a scan without skull is its own mask."""

    model: LoadedModel
    bf16: bool = False
    csf: float = CSF_PART
    smallest_ml: float = SMALLEST_BRAIN_ML
    largest_ml: float = 2100.0
    least_explained: float = 0.62
    """How far the regions must say what the image shows; real scans 0.78 and more, noise 0.5
    (`benchmarks/brain_mask.py`).
    """

    def __call__(self, flair: Volume) -> BrainMask:
        """The mask on the FLAIR's own grid."""
        stripped = stripped_brain(flair)
        found = region_map(flair, model=self.model, bf16=self.bf16)
        regions = flair.like(found.regions(Grid.of(flair)))
        if stripped is not None:
            told = found.explained >= self.least_explained
            return BrainMask(
                mask=flair.like(stripped), skull_stripped=True, explained=1.0, regions=regions if told else None
            )
        mask = found.brain(Grid.of(flair), csf=self.csf)
        self._check(float(mask.sum()) * flair.voxel_volume_mm3 / 1000.0, found.explained)
        return BrainMask(mask=flair.like(mask), skull_stripped=False, explained=found.explained, regions=regions)

    def _check(self, volume_ml: float, explained: float) -> None:
        if not self.smallest_ml <= volume_ml <= self.largest_ml:
            raise BrainNotFound(
                f"a brain of {volume_ml:.0f} ml was found, expected {self.smallest_ml:.0f} to {self.largest_ml:.0f} ml"
            )
        if explained < self.least_explained:
            raise BrainNotFound(
                f"the regions of a brain explain {explained:.2f} of the image, expected at least {self.least_explained}"
            )


def stripped_brain(flair: Volume) -> Bool[NDArray[np.bool_], "i j k"] | None:
    """The nonzero region of a scan whose skull was removed before; None for a whole head.

    Such a scan is one constant (zero) over at least a third of its voxels, in one piece around the rest; what is left
    has the volume of a brain and does not reach into the outermost voxels as a neck does. Values slightly below the
    constant are part of the brain.
    """
    background = flair.array[0, 0, 0]
    inside = flair.array != background
    if inside.mean() > 0.67:
        return None
    filled = np.asarray(ndimage.binary_fill_holes(_largest(ndimage.binary_opening(inside))))
    volume_ml = float(filled.sum()) * flair.voxel_volume_mm3 / 1000.0
    noise = inside & ~ndimage.binary_dilation(filled, iterations=3)
    if not 500.0 <= volume_ml <= 1900.0 or noise.sum() > 0.01 * filled.sum():
        return None
    return filled


def _largest(mask: Bool[NDArray[np.bool_], "i j k"]) -> Bool[NDArray[np.bool_], "i j k"]:
    labelled, count = ndimage.label(mask)
    if count == 0:
        return np.asarray(mask)
    sizes = np.bincount(labelled.ravel())
    sizes[0] = 0
    return np.asarray(labelled == int(sizes.argmax()))
