"""From two read and aligned studies to network input."""

from typing import Literal

import numpy as np

from model.preprocess import PlacedScan, PreparedScans, prepare
from model.visit_space import visits_from_common
from model.volume import Affine
from worker.case import NetworkInput, PairAlignment, TimePoint

IDENTITY: Affine = np.eye(4)


def prepare_pair(
    baseline: TimePoint, follow_up: TimePoint, pair: PairAlignment, *, crop: Literal["union", "none"] = "union"
) -> NetworkInput:
    """Both time points on one grid where they meet: the half-way space, if no other was asked for (decision 0002)."""
    baseline_from_grid, follow_up_from_grid = visits_from_common(
        (IDENTITY, pair.baseline_from_follow_up), pair.common_space
    )
    prepared = prepare([placed(baseline, baseline_from_grid), placed(follow_up, follow_up_from_grid)], crop=crop)
    return NetworkInput(
        baseline=prepared.scans[0],
        follow_up=prepared.scans[1],
        grid=prepared.grid,
        baseline_from_grid=baseline_from_grid,
        follow_up_from_grid=follow_up_from_grid,
        brain=prepared.brain,
        seen_in_both=prepared.seen_in_all,
    )


def prepare_single(time_point: TimePoint, *, crop: Literal["union", "none"] = "union") -> NetworkInput:
    """One scan on a grid in its own FLAIR's space."""
    prepared: PreparedScans = prepare([placed(time_point, IDENTITY)], crop=crop)
    return NetworkInput(
        baseline=None,
        follow_up=prepared.scans[0],
        grid=prepared.grid,
        baseline_from_grid=None,
        follow_up_from_grid=IDENTITY,
        brain=prepared.brain,
        seen_in_both=prepared.seen_in_all,
    )


def placed(t: TimePoint, flair_from_common: Affine) -> PlacedScan:
    """The time point with the place of the common space in each of its images."""
    t1, t1_from_common = None, None
    if t.study.t1 is not None and t.alignment is not None:
        t1 = t.study.t1.volume
        t1_from_common = np.linalg.inv(t.alignment.flair_from_t1) @ flair_from_common
    return PlacedScan(
        t1=t1,
        flair=t.study.flair.volume,
        brain=t.brain.mask,
        t1_from_common=t1_from_common,
        flair_from_common=flair_from_common,
        skull_stripped=t.brain.skull_stripped,
    )
