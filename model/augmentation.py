"""nnU-Net's augmentation on pairs, by nnU-Net's own library (batchgeneratorsv2).

Both scans and both masks go through one spatial transform, so that they stay aligned; intensities change per channel.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import numpy as np
import torch
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from batchgeneratorsv2.transforms.intensity.brightness import MultiplicativeBrightnessTransform
from batchgeneratorsv2.transforms.intensity.contrast import BGContrast, ContrastTransform
from batchgeneratorsv2.transforms.intensity.gamma import GammaTransform
from batchgeneratorsv2.transforms.intensity.gaussian_noise import GaussianNoiseTransform
from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
from batchgeneratorsv2.transforms.spatial.low_resolution import SimulateLowResolutionTransform
from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from batchgeneratorsv2.transforms.utils.random import RandomTransform
from jaxtyping import Float, Int16
from torch import Tensor

from model.blocks import Triple

ROTATION_RAD = np.deg2rad(30.0)
REACH = 1.4
"""Edge of the patch that is cut out over that of the network's: what rotation and scaling may bring in."""

Images = Float[Tensor, "4 _ _ _"]
"""T1, FLAIR of the current scan, then of the prior."""
Labels = Int16[Tensor, "2 _ _ _"]
"""Lesions of the current scan, then of the prior."""


def reach(patch: Triple) -> Triple:
    """The size to cut out of a scan before `augment`."""
    a, b, c = (int(np.ceil(n * REACH)) for n in patch)
    return a, b, c


def augment(images: Images, labels: Labels, patch: Triple, seed: int) -> tuple[Images, Labels]:
    """An augmented patch, the same for the same seed; zero outside each scan's nonzero region stays zero."""
    present = torch.stack([images[:2].ne(0).any(0), images[2:].ne(0).any(0)]).to(labels.dtype)
    with _seeded(seed):
        # some transforms write into what they are given
        out = _transforms(patch)(image=images.clone(), segmentation=torch.cat((labels, present)))
    mask = out["segmentation"][2:].bool().repeat_interleave(2, dim=0)
    return torch.where(mask, out["image"], 0.0), out["segmentation"][:2]


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Both global generators, from which the library draws, at a seed; afterwards as they were."""
    kept = np.random.get_state()  # noqa: NPY002 (the library's)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        yield
    np.random.set_state(kept)  # noqa: NPY002


@lru_cache(maxsize=4)
def _transforms(patch: Triple) -> BasicTransform:
    """The list, probabilities and ranges of nnU-Net's trainer for isotropic data."""
    spatial = SpatialTransform(
        patch,
        patch_center_dist_from_border=0,
        random_crop=False,
        p_rotation=0.2,
        rotation=(-ROTATION_RAD, ROTATION_RAD),
        p_scaling=0.2,
        scaling=(0.7, 1.4),
        p_synchronize_scaling_across_axes=1,
        mode_seg="nearest",
    )
    gamma = BGContrast((0.7, 1.5))
    sometimes = (
        (0.1, GaussianNoiseTransform(noise_variance=(0, 0.1), p_per_channel=1, synchronize_channels=True)),
        (0.2, GaussianBlurTransform((0.5, 1.0), synchronize_channels=False, synchronize_axes=False, p_per_channel=0.5)),
        (0.15, MultiplicativeBrightnessTransform(BGContrast((0.75, 1.25)), synchronize_channels=False)),
        (0.15, ContrastTransform(BGContrast((0.75, 1.25)), preserve_range=True, synchronize_channels=False)),
        (0.25, _low_resolution()),
        (0.1, GammaTransform(gamma, p_invert_image=1, synchronize_channels=False, p_per_channel=1, p_retain_stats=1)),
        (0.3, GammaTransform(gamma, p_invert_image=0, synchronize_channels=False, p_per_channel=1, p_retain_stats=1)),
    )
    intensity = [RandomTransform(transform, apply_probability=p) for p, transform in sometimes]
    return ComposeTransforms([spatial, *intensity, MirrorTransform((0, 1, 2))])


def _low_resolution() -> BasicTransform:
    return SimulateLowResolutionTransform(
        scale=(0.5, 1), synchronize_channels=False, synchronize_axes=True, ignore_axes=None, p_per_channel=0.5
    )
