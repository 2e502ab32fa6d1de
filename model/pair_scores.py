"""What a set of weights scores on a real pair of which readers marked change alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32
from numpy.typing import NDArray
from scipy import ndimage

from model.calling import Thresholds, call_lesions
from model.change_scores import change_table
from model.grid import network_grid
from model.lesion_coverage import VOXEL_MM3, hits, number_counted, volume_met
from model.lesions import COUNTED_MM3, find_lesions
from model.real_pairs import RealPair
from model.statuses import Status
from model.visible_change import contrasts, visible_change

Mask = Bool[NDArray[Any], "d h w"]
Probability = Float32[NDArray[Any], "d h w"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RealScore:
    """One real pair: only change is marked in it."""

    name: str
    borrowed_t1: bool
    thresholds: Thresholds
    changes: int
    """Marked components from 3 mm3."""
    covered: int
    """Those of which a tenth is lesion at one time point or the other."""
    changed: int
    """Those of which a tenth differs between the two masks."""
    volume_found: float
    """Part of the marked volume that differs between the two masks, voxel by voxel."""
    volume_in_found: float
    """Part of the marked volume that lies in `changed` components: readers draw wider outlines than consensus masks."""
    visible: float
    """Part of the marked volume in which FLAIR shows a change (`model.visible_change`), whatever the weights say."""
    visible_found: float
    """Part of that volume that differs between the two masks."""
    change_outside: int
    """Components of the difference, counted from 14 mm3, farther than 1 mm from any marked change."""
    new: int
    """New lesions of the change table, from 14 mm3."""
    new_outside: int
    """Those that come no nearer than 1 mm to any marked change."""
    lesions: tuple[int, int]
    """Components from 14 mm3 at baseline and at follow-up."""
    volume_ml: tuple[float, float]


def real_score(
    pair: RealPair,
    baseline: Probability,
    follow_up: Probability,
    thresholds: Thresholds,
    alone: Sequence[Probability] = (),
) -> RealScore:
    """Sensitivity to the marked change, and what else differs; the arguments are those of `call_lesions`."""
    called = call_lesions(baseline, follow_up, thresholds, (pair.baseline[1], pair.follow_up[1]), alone=alone)
    masks = np.asarray(called[0]), called[1]
    first, second = (find_lesions(mask, VOXEL_MM3).mask for mask in masks)
    difference = first ^ second
    changes, covered = hits(pair.change, first | second)
    _, changed = hits(pair.change, difference)
    flair = pair.baseline[1], pair.follow_up[1]
    seen = np.logical_or(*visible_change(pair.change, contrasts(flair, pair.change)))
    near = ndimage.binary_dilation(pair.change)
    counted = find_lesions(difference, VOXEL_MM3, smallest_mm3=COUNTED_MM3)
    marked = set(np.unique(counted.labels[near])) - {0}
    table = change_table(masks, network_grid(masks[1].shape))
    new = {change.id for change in table.changes if change.counted and change.status is Status.NEW}
    return RealScore(
        name=pair.name,
        borrowed_t1=pair.borrowed_t1,
        thresholds=thresholds,
        changes=changes,
        covered=covered,
        changed=changed,
        volume_found=_part(difference, pair.change),
        volume_in_found=round(volume_met(pair.change, difference) / max(int(pair.change.sum()), 1), 4),
        visible=_part(seen, pair.change),
        visible_found=_part(difference, seen),
        change_outside=len(counted.volumes_mm3) - len(marked),
        new=len(new),
        new_outside=len(new - set(np.unique(table.groups[near]).tolist())),
        lesions=(number_counted(first), number_counted(second)),
        volume_ml=(round(int(first.sum()) / 1000, 2), round(int(second.sum()) / 1000, 2)),
    )


def _part(mask: Mask, of: Mask) -> float:
    """0 of nothing."""
    return round(float((mask & of).sum() / max(int(of.sum()), 1)), 4)
