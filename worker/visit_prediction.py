"""Lesion probability of every visit from the pairs that are predicted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from model.visit_chain import Pair
from service.contracts.options import CompareOptions
from worker.inference import Ensemble, Probability, asked_of_pair, predict_asked_of
from worker.visit_case import FollowedVisits

MOST_TOGETHER = 4
"""Visits whose features are held at once: memory goes with it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VisitPredictions:
    """Of each visit that is followed, on the common grid."""

    probabilities: tuple[Probability, ...]
    """The mean over the pairs that it takes part in."""
    opinions: tuple[tuple[Probability, ...], ...]
    """The scan as its own prior, where that was asked for."""


def predict_visits(
    followed: FollowedVisits, *, ensemble: Ensemble, options: CompareOptions, progress: Callable[[float], None]
) -> VisitPredictions:
    """Every compared pair predicted as in a comparison; a second opinion is asked for once of each visit."""
    found: list[list[Probability]] = [[] for _ in followed.chain]
    alone: list[tuple[Probability, ...]] = [() for _ in followed.chain]
    wanted = ensemble.alone([one for pair in followed.pairs for one in asked_of_pair(pair, options)], options)
    groups = together(followed.pairs)
    for number, pairs in enumerate(groups):

        def share(part: float, number: int = number) -> None:
            progress((number + part) / len(groups))

        visits = sorted({visit for pair in pairs for visit in pair})
        asked = [one for pair in pairs for one in asked_of_pair(pair, options)]
        opinions = [one for one in wanted if one[0] in visits and not alone[one[0]]]
        maps = predict_asked_of(
            [followed.prepared.scans[visit] for visit in visits],
            [(visits.index(scan), visits.index(prior)) for scan, prior in (*asked, *opinions)],
            ensemble=ensemble,
            options=options,
            progress=share,
        )
        inside = [np.where(followed.prepared.brain, one, np.float32(0.0)) for one in maps]
        for (visit, _), one in zip(asked, inside[: len(asked)], strict=True):
            found[visit].append(one)
        for (visit, _), one in zip(opinions, inside[len(asked) :], strict=True):
            alone[visit] = (one,)
    means = tuple(np.asarray(np.mean(one, axis=0, dtype=np.float32)) for one in found)
    return VisitPredictions(probabilities=means, opinions=tuple(alone))


def together(pairs: Sequence[Pair]) -> list[list[Pair]]:
    """The pairs in groups of few visits: those of a group go through the network together, each encoded once."""
    groups: list[list[Pair]] = []
    for pair in pairs:
        visits = {*pair, *(visit for one in groups[-1] for visit in one)} if groups else set(pair)
        if groups and len(visits) <= MOST_TOGETHER:
            groups[-1].append(pair)
        else:
            groups.append([pair])
    return groups
