"""Which lesions of a scan are new: those that touch none of the prior's."""

import numpy as np
import torch
from jaxtyping import Int64
from scipy import ndimage
from torch import Tensor

from model.network import UNKNOWN

CONNECTED = np.ones((3, 3, 3))
"""26 neighbours, as everywhere."""


def new_lesion_target(
    target: Int64[Tensor, "batch 1 d h w"], prior_target: Int64[Tensor, "batch 1 d h w"]
) -> Int64[Tensor, "batch 1 d h w"]:
    """1 in the lesions (26-connected) of the current scan that share no voxel with a lesion of the prior.

    Unknown are the voxels that are unknown in the current scan, and the lesions that share a voxel with what is unknown
    in the prior and none with a lesion there.
    """
    new = np.zeros(tuple(target.shape), np.int64)
    for n, (now, before) in enumerate(zip(target.cpu().numpy(), prior_target.cpu().numpy(), strict=True)):
        labelled, count = ndimage.label(now[0] > 0, CONNECTED)
        state = np.ones(count + 1, np.int64)
        state[labelled[before[0] == UNKNOWN]] = UNKNOWN
        state[labelled[before[0] > 0]] = 0
        state[0] = 0
        new[n, 0] = np.where(now[0] == UNKNOWN, UNKNOWN, state[labelled])
    return torch.from_numpy(new).to(target.device)
