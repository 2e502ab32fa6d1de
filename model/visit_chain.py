"""Which visits of a patient can be followed: the longest chain in which each is comparable with the one before."""

from collections.abc import Collection
from itertools import pairwise

Pair = tuple[int, int]
"""Numbers of two visits, counted from 0 in the order of time; the earlier first."""


def neighbours(count: int) -> tuple[Pair, ...]:
    """Every visit with the next."""
    return tuple((n, n + 1) for n in range(count - 1))


def bridges(count: int, failed: Collection[Pair]) -> tuple[Pair, ...]:
    """Pairs that pass over one visit, worth a try where neighbours cannot be compared: one scan may be the culprit."""
    found = {pair for a, b in failed for pair in ((a - 1, b), (a, b + 1)) if pair[0] >= 0 and pair[1] < count}
    return tuple(sorted(found))


def longest_chain(count: int, comparable: Collection[Pair]) -> tuple[int, ...]:
    """The most visits in a row of comparable pairs; of equally many the latest ones.

    A visit that no other is comparable with stands alone: the last one, where there is no comparable pair at all.
    """
    best: list[tuple[int, ...]] = []
    for visit in range(count):
        before = [best[earlier] for earlier in range(visit) if (earlier, visit) in comparable]
        best.append((*max(before, key=_worth, default=()), visit))
    return max(best, key=_worth, default=())


def followed_pairs(chain: tuple[int, ...]) -> tuple[Pair, ...]:
    """Each visit of a chain with the next, and the first with the last."""
    adjacent = tuple(pairwise(chain))
    return adjacent if len(chain) < 3 else (*adjacent, (chain[0], chain[-1]))


def _worth(chain: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    return len(chain), chain[::-1]
