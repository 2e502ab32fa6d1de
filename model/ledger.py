"""The lesion ledger: one table over all visits of a patient, in which a lesion keeps its number.

What happened from one visit to another is measured on their two masks by the same rules as a comparison of two
(`model.changes`): those are the parts. A lesion of the ledger usually has one part in a pair. It has more where lesions
that hang together over all visits do not yet, or no longer, hang together in these two; so a new lesion stays counted
as new though it has become one with its neighbour years later.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32
from numpy.typing import NDArray
from scipy import ndimage

from model.changes import AS_SHIPPED, ChangeAnalysis, LesionChange, Masks, compare_lesions
from model.grid import Grid
from model.group_masks import Box, around
from model.ledger_events import LedgerEvent, events_of
from model.ledger_graph import LedgerGraph, ledger_graph
from model.lesions import COUNTED_MM3, LesionMap, Point, centroid_mm, find_lesions
from model.rules import ROUNDING, Rules
from model.statuses import Status, status_of_masks
from model.visit_chain import Pair


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VisitMasks:
    """What a ledger is made of: the visits in the order of time, every array on one grid."""

    masks: tuple[Bool[NDArray[Any], "d h w"], ...]
    probabilities: tuple[Float32[NDArray[Any], "d h w"], ...]
    seen: tuple[Bool[NDArray[Any], "d h w"], ...]
    """Inside the field of view of every image of the visit."""
    pairs: tuple[Pair, ...]
    """Visits that are compared with each other."""
    grid: Grid
    opinions: tuple[tuple[Float32[NDArray[Any], "d h w"], ...], ...] = ()
    """Of each visit, lesion probability by other readings; empty: there are none."""
    threshold: float = 0.5
    """From which probability on the masks hold a voxel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionAtVisit:
    """A lesion of the ledger as one visit shows it."""

    volume_mm3: float
    """0: it is not there."""
    components: int
    """Separate lesions of the mask that it consists of."""
    probability: float
    """Highest lesion probability in it, 0 where it is not there."""
    centroid_mm: Point | None
    """World of the grid; None: it is not there."""
    covered: bool
    """The field of view holds every place that the lesion has at any visit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerChange:
    """What happened to a lesion of the ledger between two visits that are compared."""

    pair: Pair
    status: Status
    """Of all its parts together."""
    parts: tuple[LesionChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerLesion:
    """One row of the ledger."""

    id: int
    visits: tuple[LesionAtVisit, ...]
    changes: tuple[LedgerChange, ...]
    """Of each compared pair that shows it, in the order of `VisitMasks.pairs`."""
    events: tuple[LedgerEvent, ...]
    counted_from_mm3: float = COUNTED_MM3
    """By the rules that it was measured by."""

    @property
    def largest_mm3(self) -> float:
        """Volume at the visit that shows most of it."""
        return max(visit.volume_mm3 for visit in self.visits)

    @property
    def counted(self) -> bool:
        """Whether it is large enough to count at some visit."""
        return self.largest_mm3 >= self.counted_from_mm3 - ROUNDING


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ledger:
    """The table, and the masks it was measured on (components of at least 3 mm3)."""

    lesions: tuple[LedgerLesion, ...]
    maps: tuple[LesionMap, ...]
    graph: LedgerGraph
    analyses: dict[Pair, ChangeAnalysis]
    """Of each compared pair, by itself."""


def make_ledger(visits: VisitMasks, rules: Rules = AS_SHIPPED) -> Ledger:
    """The ledger of one or more visits. Reversing the visits reverses every row; only the numbers differ."""
    volume, smallest = visits.grid.voxel_volume_mm3, rules.smallest_mm3
    maps = tuple(find_lesions(mask, volume, smallest_mm3=smallest) for mask in visits.masks)
    graph = ledger_graph(maps, visits.grid, rules)
    analyses = {
        pair: compare_lesions(_masks(visits, pair), (maps[pair[0]], maps[pair[1]]), graph.edges[pair], rules)
        for pair in visits.pairs
    }
    table = _Table(visits=visits, maps=maps, graph=graph, analyses=analyses, rules=rules)
    return Ledger(lesions=tuple(table.rows()), maps=maps, graph=graph, analyses=analyses)


def parts_by_lesion(
    analysis: ChangeAnalysis, before: NDArray[np.int32], after: NDArray[np.int32]
) -> dict[int, tuple[LesionChange, ...]]:
    """The rows of a comparison by the ledger's id of the lesion that they belong to.

    Args:
        analysis: of two visits.
        before: the ledger's id of each label of the earlier visit (`LedgerGraph.id_of`).
        after: of the later.
    """
    lesion_of: dict[int, int] = {}
    for groups, ids in ((analysis.group_of.of_baseline, before), (analysis.group_of.of_follow_up, after)):
        lesion_of |= {int(part): int(lesion) for part, lesion in zip(groups[1:], ids[1:], strict=True)}
    found: dict[int, tuple[LesionChange, ...]] = {}
    for change in analysis.changes:
        lesion = lesion_of[change.id]
        found[lesion] = (*found.get(lesion, ()), change)
    return found


def _masks(visits: VisitMasks, pair: Pair) -> Masks:
    """What a comparison of two of the visits works on."""
    first, second = pair
    return Masks(
        baseline=visits.masks[first],
        follow_up=visits.masks[second],
        baseline_probability=visits.probabilities[first],
        follow_up_probability=visits.probabilities[second],
        seen_in_both=visits.seen[first] & visits.seen[second],
        grid=visits.grid,
        baseline_opinions=visits.opinions[first] if visits.opinions else (),
        follow_up_opinions=visits.opinions[second] if visits.opinions else (),
        threshold=visits.threshold,
    )


class _Table:
    """The rows, each measured inside its own box."""

    def __init__(
        self,
        *,
        visits: VisitMasks,
        maps: tuple[LesionMap, ...],
        graph: LedgerGraph,
        analyses: dict[Pair, ChangeAnalysis],
        rules: Rules,
    ) -> None:
        self.visits, self.maps, self.graph, self.rules = visits, maps, graph, rules
        self.at = [ids[one.labels] for ids, one in zip(graph.id_of, maps, strict=True)]
        self.parts = {
            pair: parts_by_lesion(analysis, graph.id_of[pair[0]], graph.id_of[pair[1]])
            for pair, analysis in analyses.items()
        }

    def rows(self) -> Iterable[LedgerLesion]:
        boxes = [ndimage.find_objects(at, max_label=self.graph.count) for at in self.at]
        for number, found in enumerate(zip(*boxes, strict=True), start=1):
            yield self._row(number, around(found))

    def _row(self, number: int, box: Box) -> LedgerLesion:
        masks = [at[box] == number for at in self.at]
        everywhere = np.logical_or.reduce(masks)
        visits = tuple(self._at_visit(n, mask, everywhere, box) for n, mask in enumerate(masks))
        changes = tuple(
            self._change(pair, parts[number], masks, box) for pair, parts in self.parts.items() if number in parts
        )
        volumes = tuple(visit.volume_mm3 for visit in visits)
        parts = {change.pair: change.parts for change in changes}
        events = events_of(number, volumes=volumes, parts=parts, graph=self.graph)
        return LedgerLesion(
            id=number, visits=visits, changes=changes, events=events, counted_from_mm3=self.rules.counted_mm3
        )

    def _at_visit(self, visit: int, mask: NDArray[np.bool_], everywhere: NDArray[np.bool_], box: Box) -> LesionAtVisit:
        there = bool(mask.any())
        probability = self.visits.probabilities[visit][box]
        return LesionAtVisit(
            volume_mm3=self.visits.grid.marked_mm3(mask),
            components=len(np.unique(self.maps[visit].labels[box][mask])),
            probability=float(min(1.0, probability[mask].max())) if there else 0.0,
            centroid_mm=centroid_mm(mask, self.visits.grid.crop(box)) if there else None,
            covered=bool(self.visits.seen[visit][box][everywhere].all()),
        )

    def _change(
        self, pair: Pair, parts: tuple[LesionChange, ...], masks: list[NDArray[np.bool_]], box: Box
    ) -> LedgerChange:
        first, second = pair
        if len(parts) == 1 and parts[0].status is not None:
            return LedgerChange(pair=pair, status=parts[0].status, parts=parts)
        seen = self.visits.seen[first][box] & self.visits.seen[second][box]
        status = status_of_masks(masks[first], masks[second], seen, self.visits.grid.crop(box), self.rules)
        return LedgerChange(pair=pair, status=status, parts=parts)
