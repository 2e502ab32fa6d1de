"""The MNI152 template brain as nilearn ships it, in our world (LPS)."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import nibabel as nib
import numpy as np
from nilearn.datasets import load_mni152_brain_mask, load_mni152_template

from model.volume import Affine, Volume

AVERAGE_HEAD = 0.91
"""Real heads are smaller than MNI152: the mean stretch of the five longitudinal patients."""

LPS_FROM_RAS: Affine = np.diag([-1.0, -1.0, 1.0, 1.0])
SMALLER: Affine = np.diag([AVERAGE_HEAD, AVERAGE_HEAD, AVERAGE_HEAD, 1.0])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BrainTemplate:
    """T1 contrast without skull, and the mask of the brain, 2 mm, shrunk to the size of an average head."""

    t1: Volume
    brain: Volume


@lru_cache(maxsize=1)
def mni_template() -> BrainTemplate:
    """The template, read once per process."""
    image, mask = load_mni152_template(resolution=2), load_mni152_brain_mask(resolution=2)
    return BrainTemplate(t1=_volume(image, np.float32), brain=_volume(mask, np.bool_))


def _volume(image: Any, dtype: Any) -> Volume:
    canonical = nib.as_closest_canonical(image)
    return Volume(array=np.asarray(canonical.dataobj).astype(dtype), affine=SMALLER @ LPS_FROM_RAS @ canonical.affine)
