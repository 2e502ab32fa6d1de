"""How well a change table agrees with the true one: what a clinician asks of a follow-up.

Truth and prediction each hold a mask of both time points; both go through the same measurement rules
(`model/changes.py`), and their rows are compared.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray
from scipy import ndimage

from model.changes import ChangeAnalysis, Masks, compare
from model.grid import Grid
from model.group_masks import Box
from model.metrics import HIT_IOU
from model.statuses import Status

Mask = Bool[NDArray[Any], "d h w"]
MaskPair = tuple[Mask, Mask]
"""Baseline and follow-up."""

SCORED = (Status.NEW, Status.ENLARGING, Status.STABLE, Status.SHRINKING, Status.RESOLVED)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusScore:
    """Lesions of one status, from 14 mm3."""

    true: int
    found: int
    """True ones on which a predicted lesion of the same status lies."""
    false: int
    """Predicted ones that lie on no true lesion of the same status."""

    @property
    def sensitivity(self) -> float | None:
        """Part of the true ones that is found; None where there is none."""
        return self.found / self.true if self.true else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeScore:
    """One pair of scans, or the sum of several."""

    by_status: dict[Status, StatusScore]
    pairs: int
    volume_change_errors_ml: tuple[float, ...]
    """Of each pair: change of lesion load as predicted minus the true one."""

    @property
    def mean_volume_change_error_ml(self) -> float:
        """Mean of the errors' amounts."""
        return float(np.mean(np.abs(self.volume_change_errors_ml)))

    def false_per_pair(self, status: Status) -> float:
        """Predicted lesions of a status that are none, per pair of scans."""
        return self.by_status[status].false / self.pairs


def change_score(truth: MaskPair, prediction: MaskPair, grid: Grid) -> ChangeScore:
    """Predicted change against the true one; all masks on one grid.

    Two lesions are the same where the intersection over union of all their voxels, of both time points, is above a
    tenth. The true lesions of a status need 14 mm3 to count; to find one, or to be no false one, 3 mm3 on the other
    side suffice.
    """
    true, found = (change_table(pair, grid) for pair in (truth, prediction))
    by_status = {}
    for status in SCORED:
        wanted, seen = _ids(true, status), _ids(found, status)
        by_status[status] = StatusScore(
            true=len(_counted(true, wanted)),
            found=_hits(true, _counted(true, wanted), found, seen),
            false=len(_counted(found, seen)) - _hits(found, _counted(found, seen), true, wanted),
        )
    error = _load_change_ml(found) - _load_change_ml(true)
    return ChangeScore(by_status=by_status, pairs=1, volume_change_errors_ml=(error,))


def change_table(pair: MaskPair, grid: Grid) -> ChangeAnalysis:
    """What changed between two masks on one grid, all of it seen in both scans."""
    baseline, follow_up = pair
    return compare(
        Masks(
            baseline=baseline,
            follow_up=follow_up,
            baseline_probability=None,
            follow_up_probability=follow_up.astype(np.float32),
            seen_in_both=np.ones(grid.shape, bool),
            grid=grid,
        )
    )


def total(scores: Sequence[ChangeScore]) -> ChangeScore:
    """The sums over pairs.

    Raises:
        ValueError: no pair.
    """
    if not scores:
        raise ValueError("scores: expected at least one pair")
    return ChangeScore(
        by_status={status: _sum(score.by_status[status] for score in scores) for status in SCORED},
        pairs=sum(score.pairs for score in scores),
        volume_change_errors_ml=tuple(error for score in scores for error in score.volume_change_errors_ml),
    )


def _ids(analysis: ChangeAnalysis, status: Status) -> set[int]:
    return {change.id for change in analysis.changes if change.status is status}


def _counted(analysis: ChangeAnalysis, ids: set[int]) -> set[int]:
    return {change.id for change in analysis.changes if change.id in ids and change.counted}


def _hits(analysis: ChangeAnalysis, ids: set[int], other: ChangeAnalysis, partners: set[int]) -> int:
    """How many of `ids` have a partner above `HIT_IOU`."""
    sizes = np.bincount(other.groups.ravel())
    boxes: list[Box | None] = ndimage.find_objects(analysis.groups)
    return sum(_has_partner(analysis, number, boxes[number - 1], other, partners, sizes) for number in ids)


def _has_partner(
    analysis: ChangeAnalysis,
    number: int,
    box: Box | None,
    other: ChangeAnalysis,
    partners: set[int],
    sizes: NDArray[np.int_],
) -> bool:
    if box is None:  # another group's voxels lie over all of its own
        return False
    here = analysis.groups[box] == number
    shared = np.bincount(other.groups[box][here], minlength=len(sizes))
    union = int(here.sum()) + sizes - shared
    return any(shared[partner] > HIT_IOU * union[partner] for partner in partners if partner < len(sizes))


def _load_change_ml(analysis: ChangeAnalysis) -> float:
    before = 0.0 if analysis.baseline is None else analysis.baseline.total_mm3
    return (analysis.follow_up.total_mm3 - before) / 1000.0


def _sum(scores: Iterable[StatusScore]) -> StatusScore:
    rows = list(scores)
    return StatusScore(
        true=sum(row.true for row in rows), found=sum(row.found for row in rows), false=sum(row.false for row in rows)
    )
