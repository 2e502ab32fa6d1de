r"""Which lesions of several visits are one lesion over time: the overlaps of `model.overlaps`, over all visits.

::

    visit 1   (A)   (C)   (D)
               |     | \   :        an edge joins lesions of any two visits that overlap within 1 mm, also over
    visit 2   (A)   (C)(C) :        visits that show nothing there (dotted: it had gone and is back)
               |      \ |  :
    visit 3   (A)(B)   (C)(D)       what hangs together is one lesion of the ledger: it keeps its number
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, combinations

import numpy as np
from numpy.typing import NDArray

from model.grid import Grid
from model.lesions import LesionMap
from model.overlaps import AS_SHIPPED, Edge, edges, numbered
from model.rules import Rules
from model.visit_chain import Pair

Edges = frozenset[Edge]
"""Pairs of labels that overlap enough: of the earlier visit, of the later."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LedgerGraph:
    """Overlaps of the lesions of every two visits, and what follows from them."""

    edges: dict[Pair, Edges]
    """Of every two visits."""
    id_of: tuple[NDArray[np.int32], ...]
    """Of each visit, the ledger's id of each label; index 0 is the background and stays 0. Ids run from 1."""

    @property
    def count(self) -> int:
        """Number of lesions of the ledger."""
        return max((int(ids.max()) for ids in self.id_of), default=0)


def ledger_graph(maps: Sequence[LesionMap], grid: Grid, rules: Rules = AS_SHIPPED) -> LedgerGraph:
    """Lesions over time, numbered by the first visit that shows them; a later visit changes no number but by joining.

    Every two visits are matched, not only neighbours: else a lesion that had gone would return with another number, and
    a further visit could part what the visits before had joined.

    Args:
        maps: lesions of each visit on one grid, in the order of time.
        grid: of the maps.
        rules: of matching.
    """
    pairs = combinations(range(len(maps)), 2)
    found = {pair: frozenset(edges(maps[pair[0]], maps[pair[1]], grid, rules)) for pair in pairs}
    starts = list(accumulate((len(one.volumes_mm3) for one in maps), initial=0))
    joined = [(starts[i] + a - 1, starts[j] + b - 1) for (i, j), both in found.items() for a, b in both]
    number = numbered(starts[-1], joined)
    zero = np.zeros(1, np.int32)
    parts = np.split(number, starts[1:-1])
    return LedgerGraph(edges=found, id_of=tuple(np.concatenate([zero, part]) for part in parts))
