"""Which lesions of a scan are new: those that touch none of the prior's."""

import numpy as np
import torch
from jaxtyping import Int64
from scipy import ndimage
from torch import Tensor

CONNECTED = np.ones((3, 3, 3))
"""26 neighbours, as everywhere."""


def new_lesion_target(
    target: Int64[Tensor, "batch 1 d h w"], prior_target: Int64[Tensor, "batch 1 d h w"]
) -> Int64[Tensor, "batch 1 d h w"]:
    """1 in the lesions (26-connected) of the current scan that share no voxel with a lesion of the prior."""
    new = np.zeros(tuple(target.shape), np.int64)
    for n, (now, before) in enumerate(zip(target.cpu().numpy(), prior_target.cpu().numpy(), strict=True)):
        labelled, count = ndimage.label(now[0], CONNECTED)
        old = np.zeros(count + 1, bool)
        old[labelled[before[0] > 0]] = True
        old[0] = True
        new[n, 0] = ~old[labelled]
    return torch.from_numpy(new).to(target.device)
