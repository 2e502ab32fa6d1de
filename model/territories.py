"""Which lesion a voxel is nearest to: found beside a target by the processes that make the examples.

On the CPU a patch of 80 x 96 x 80 takes a tenth of a second, more than an update on a GPU.
"""

import cc3d
import torch
from jaxtyping import Int, Int32
from monai.metrics.utils import compute_voronoi_regions_fast
from torch import Tensor

SMALLEST = 3
"""Voxels; what is smaller is left out of lesion scores, too."""


def territories_of(target: Int[Tensor, "*batch 1 depth height width"]) -> Int32[Tensor, "*batch 1 depth height width"]:
    """The number of the nearest lesion of the example (26-connected, from 1), 0 everywhere in one without lesions.

    Lesions below `SMALLEST` voxels have none.

    Args:
        target: above 0 in lesions.
    """
    found = torch.zeros(target.shape, dtype=torch.int32)
    for mask, territory in zip(_examples(target > 0), _examples(found), strict=True):
        lesions = cc3d.dust(mask.cpu().numpy(), threshold=SMALLEST, connectivity=26)
        if lesions.any():
            territory.copy_(compute_voronoi_regions_fast(lesions))
    return found.to(target.device)


def _examples(tensor: Tensor) -> Tensor:
    """As (example, depth, height, width), on the same memory."""
    return tensor.view(-1, *tensor.shape[-3:])
