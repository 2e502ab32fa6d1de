"""The studies of a case, with their masks and alignments, as the input of the network."""

from typing import Literal

from numpy.linalg import inv

from model.preprocess import PlacedScan, half_way, prepare
from model.resampling import onto_grid
from model.volume import Affine
from worker.case import IDENTITY_4X4, NetworkInput, PairAlignment, TimePoint

__all__ = ["onto_grid", "prepare_pair"]


def prepare_pair(
    baseline: TimePoint | None,
    follow_up: TimePoint,
    pair: PairAlignment | None,
    *,
    crop: Literal["union", "none"] = "union",
) -> NetworkInput:
    """Both time points on one 1 mm grid in their half-way space, or the follow-up alone in its own FLAIR's world.

    Raises:
        ValueError: a baseline without its alignment, or the transform has no square root.
    """
    if baseline is None:
        return _prepare_one(follow_up, crop)
    if pair is None:
        raise ValueError("pair: expected the alignment of the two studies")
    baseline_from_grid, follow_up_from_grid = half_way(pair.baseline_from_follow_up)
    scans = [_placed(baseline, baseline_from_grid), _placed(follow_up, follow_up_from_grid)]
    prepared = prepare(scans, crop=crop)
    return NetworkInput(
        baseline=prepared.scans[0],
        follow_up=prepared.scans[1],
        grid=prepared.grid,
        baseline_from_grid=baseline_from_grid,
        follow_up_from_grid=follow_up_from_grid,
        brain=prepared.brain,
        seen_in_both=prepared.seen_in_all,
    )


def _prepare_one(follow_up: TimePoint, crop: Literal["union", "none"]) -> NetworkInput:
    prepared = prepare([_placed(follow_up, IDENTITY_4X4)], crop=crop)
    return NetworkInput(
        baseline=None,
        follow_up=prepared.scans[0],
        grid=prepared.grid,
        baseline_from_grid=None,
        follow_up_from_grid=IDENTITY_4X4,
        brain=prepared.brain,
        seen_in_both=prepared.seen_in_all,
    )


def _placed(point: TimePoint, flair_from_common: Affine) -> PlacedScan:
    return PlacedScan(
        t1=point.study.t1.volume,
        flair=point.study.flair.volume,
        brain=point.brain.mask,
        t1_from_common=inv(point.alignment.flair_from_t1) @ flair_from_common,
        flair_from_common=flair_from_common,
        skull_stripped=point.brain.skull_stripped,
    )
