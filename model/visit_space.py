r"""The space where the visits of a patient meet: half-way between all, so that none is moved more than it must be.

::

    visit 1      visit 2      visit 3        each transform leads from the common space into a visit's own;
         \          |          /             their mean, seen from the middle, is no motion at all
          '----- common ------'
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Literal

import numpy as np
from scipy import linalg

from model.preprocess import half_way
from model.volume import Affine

STEPS = 50
"""Of the search for the middle; heads that lie some degrees apart need four."""
CONVERGED = 1e-12


def chained(earlier_from_later: Sequence[Affine]) -> tuple[Affine, ...]:
    """First visit from each visit: the products of the transforms between neighbours, the first the identity.

    Args:
        earlier_from_later: world of each visit from the second on -> world of the one before, mm.
    """
    return tuple(accumulate(earlier_from_later, lambda done, step: done @ step, initial=np.eye(4)))


def visits_from_common(
    first_from_each: Sequence[Affine], space: Literal["half-way", "baseline"] = "half-way"
) -> tuple[Affine, ...]:
    """World of the space where the visits meet -> world of each visit, mm.

    With `baseline` that is the space of the first visit, which is not resampled but for the grid (the paper's way).

    Otherwise it is half-way between all: the middle is the exponential barycentre: the mean of the logarithms, taken
    from the middle itself, is zero (Pennec and Arsigny, Exponential barycenters of the canonical Cartan connection and
    invariant means on Lie groups, 2013). So it does not matter which visit is called the first. Of two visits it is the
    half-way space of a comparison, bit for bit.

    Raises:
        ValueError: there is no visit, or a transform has no real logarithm (a rotation of 180 degrees).
    """
    if not first_from_each:
        raise ValueError("first_from_each: expected at least one visit")
    if space == "baseline":
        return tuple(np.linalg.inv(one) @ first_from_each[0] for one in first_from_each)
    if len(first_from_each) == 2:
        return half_way(np.linalg.inv(first_from_each[0]) @ first_from_each[1])
    middle = _barycentre(first_from_each)
    return tuple(np.linalg.inv(one) @ middle for one in first_from_each)


def _barycentre(transforms: Sequence[Affine]) -> Affine:
    middle = np.array(transforms[0], np.float64)
    for _ in range(STEPS):
        back = np.linalg.inv(middle)
        step = sum((_logarithm(back @ one) for one in transforms), np.zeros((4, 4))) / len(transforms)
        middle = middle @ np.real(linalg.expm(step))
        if np.abs(step).max() < CONVERGED:
            break
    return middle


def _logarithm(transform: Affine) -> Affine:
    found = np.asarray(linalg.logm(transform))
    if not np.isfinite(found).all() or np.abs(found.imag).max() > 1e-9:
        raise ValueError("first_from_each: a transform has no real logarithm")
    return np.asarray(found.real, np.float64)
