r"""Which lesions of two time points hang together: a graph of overlaps.

::

    baseline   (A)    (B)-.  .-(C)       an edge joins lesions that overlap within 1 mm;
                |         \  /           what hangs together is a group: one row of the table
    follow-up  (1)        (2)     (3)    A-1; B+C-2 (merged); 3 is new
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from model.grid import Grid
from model.lesions import LesionMap
from model.rules import ROUNDING, Rules

AS_SHIPPED = Rules()

Edge = tuple[int, int]
"""Labels of two lesions that hang together: of the baseline, of the follow-up."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Groups:
    """Group id of each label, indexed by label; index 0 is the background and stays 0. Ids run from 1."""

    of_baseline: NDArray[np.int32]
    of_follow_up: NDArray[np.int32]

    @property
    def count(self) -> int:
        """Number of groups."""
        return int(max(self.of_baseline.max(), self.of_follow_up.max()))


def group(baseline: LesionMap | None, follow_up: LesionMap, joined: Collection[Edge]) -> Groups:
    """Connected parts of the graph: numbered by the first follow-up lesion, resolved ones after them."""
    n_follow_up = len(follow_up.volumes_mm3)
    n_baseline = 0 if baseline is None else len(baseline.volumes_mm3)
    ids = numbered(n_follow_up + n_baseline, [(f - 1, n_follow_up + b - 1) for b, f in joined])
    zero = np.zeros(1, np.int32)
    return Groups(
        of_baseline=np.concatenate([zero, ids[n_follow_up:]]), of_follow_up=np.concatenate([zero, ids[:n_follow_up]])
    )


def numbered(size: int, joined: Sequence[tuple[int, int]]) -> NDArray[np.int32]:
    """The number of the connected part that each of `size` nodes belongs to: 1, 2, ... by the first node of each.

    Args:
        size: number of nodes.
        joined: nodes that hang together, counted from 0.
    """
    if size == 0:
        return np.zeros(0, np.int32)
    rows, columns = ([edge[end] for edge in joined] for end in (0, 1))
    graph = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(size, size))
    component = connected_components(graph, directed=False)[1]
    _, first, place = np.unique(component, return_index=True, return_inverse=True)
    return (np.argsort(np.argsort(first)) + 1).astype(np.int32)[place]


def edges(baseline: LesionMap, follow_up: LesionMap, grid: Grid, rules: Rules = AS_SHIPPED) -> set[Edge]:
    """Lesions that overlap enough.

    Either side is dilated in turn and one of the two suffices, so that swapping the time points swaps every pair and
    nothing else: dilating the baseline alone would join a large old lesion to a small new one, and not the reverse.
    """
    forward = _overlaps(baseline, follow_up, grid, rules.dilation_mm)
    backward = {(b, f): voxels for (f, b), voxels in _overlaps(follow_up, baseline, grid, rules.dilation_mm).items()}
    found = set()
    for pair in forward.keys() | backward.keys():
        smaller = min(baseline.volumes_mm3[pair[0] - 1], follow_up.volumes_mm3[pair[1] - 1])
        shared = max(forward.get(pair, 0), backward.get(pair, 0)) * grid.voxel_volume_mm3
        if shared >= rules.overlap_part * smaller - ROUNDING:
            found.add(pair)
    return found


def within(mask: Bool[NDArray[np.bool_], "d h w"], grid: Grid, distance_mm: float) -> NDArray[np.bool_]:
    """Voxels whose centre lies at most `distance_mm` from the centre of a voxel of the mask, whatever the spacing."""
    if not mask.any():
        return mask
    return np.asarray(ndimage.distance_transform_edt(~mask, sampling=grid.spacing) <= distance_mm + 1e-6)


def _overlaps(grown: LesionMap, other: LesionMap, grid: Grid, slack_mm: float) -> dict[tuple[int, int], int]:
    """Voxels of each lesion of `other` inside each dilated lesion of `grown`."""
    reach = int(np.ceil(slack_mm / min(grid.spacing))) + 1
    shared: dict[tuple[int, int], int] = {}
    for label, box in enumerate(ndimage.find_objects(grown.labels.astype(np.int32)), start=1):
        wide = tuple(slice(max(0, s.start - reach), s.stop + reach) for s in box)
        near = other.labels[wide]
        if not near.any():
            continue
        counts = np.bincount(near[within(grown.labels[wide] == label, grid, slack_mm)])
        shared.update({(label, int(n)): int(counts[n]) for n in np.flatnonzero(counts) if n > 0})
    return shared
