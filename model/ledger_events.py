"""What befell a lesion on its way through the visits, in words: appeared, split, merged, returned ..."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from model.changes import LesionChange
from model.ledger_graph import LedgerGraph
from model.statuses import Status
from model.visit_chain import Pair, neighbours


class EventKind(StrEnum):
    """What a visit shows that the one before did not."""

    APPEARED = "appeared"
    """No earlier visit shows the lesion."""
    GONE = "gone"
    RETURNED = "returned"
    """An earlier visit shows it, the one before does not."""
    MERGED = "merged"
    """A lesion of this visit lies on several of the one before."""
    SPLIT = "split"
    """A lesion of the visit before lies on several of this one."""
    CONFLUENT_GROWTH = "confluent_growth"
    """It grew by a part that begins more than 1 mm away from what was there."""
    NEW_PART = "new_part"
    """A lesion came beside it, which hangs together with it at another visit."""
    PART_GONE = "part_gone"
    """A lesion went beside it, which hung together with it at another visit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEvent:
    """One of these, and the visit that shows it."""

    kind: EventKind
    visit: int
    """Counted from 0."""


def events_of(
    lesion: int, *, volumes: tuple[float, ...], parts: dict[Pair, tuple[LesionChange, ...]], graph: LedgerGraph
) -> tuple[LedgerEvent, ...]:
    """Every event of a lesion of the ledger, in the order of the visits.

    Args:
        lesion: its id.
        volumes: at each visit, mm3; 0 where it is not there.
        parts: rows of each compared pair that belong to it.
        graph: of all lesions.
    """
    found: list[LedgerEvent] = []
    for pair in neighbours(len(volumes)):
        kinds = [
            *_coming_and_going(volumes, pair, parts.get(pair, ())),
            *_splits_and_merges(lesion, pair, graph),
            *_parts(volumes, pair, parts.get(pair, ())),
        ]
        found += [LedgerEvent(kind=kind, visit=pair[1]) for kind in kinds]
    return tuple(found)


def _coming_and_going(volumes: tuple[float, ...], pair: Pair, parts: tuple[LesionChange, ...]) -> Iterable[EventKind]:
    """Not where the visit that shows nothing may not have seen the place: its parts are indeterminate."""
    before, after = volumes[pair[0]], volumes[pair[1]]
    statuses = {part.status for part in parts}
    if before == 0 < after and Status.NEW in statuses:
        yield EventKind.RETURNED if any(volumes[: pair[1]]) else EventKind.APPEARED
    if after == 0 < before and Status.RESOLVED in statuses:
        yield EventKind.GONE


def _splits_and_merges(lesion: int, pair: Pair, graph: LedgerGraph) -> Iterable[EventKind]:
    own = [edge for edge in graph.edges[pair] if graph.id_of[pair[0]][edge[0]] == lesion]
    partners_before, partners_after = Counter(after for _, after in own), Counter(before for before, _ in own)
    if any(count > 1 for count in partners_before.values()):
        yield EventKind.MERGED
    if any(count > 1 for count in partners_after.values()):
        yield EventKind.SPLIT


def _parts(volumes: tuple[float, ...], pair: Pair, parts: tuple[LesionChange, ...]) -> Iterable[EventKind]:
    if any(part.new_part_mm3 > 0 for part in parts):
        yield EventKind.CONFLUENT_GROWTH
    if volumes[pair[0]] > 0 and any(part.status is Status.NEW for part in parts):
        yield EventKind.NEW_PART
    if volumes[pair[1]] > 0 and any(part.status is Status.RESOLVED for part in parts):
        yield EventKind.PART_GONE
