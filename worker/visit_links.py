"""Which visits can be followed, and the space between them: every pair by the gates of a comparison.

    each visit with the next -> where that fails, over one visit -> the longest chain -> first with last

Where a visit cannot be compared with its neighbours (motion, another contrast, a cut field of view) it is left out, and
its neighbours are compared with each other: one broken scan does not end the history of a patient.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise

import numpy as np

from model.preprocess import prepare
from model.visit_chain import Pair, bridges, followed_pairs, longest_chain, neighbours
from model.visit_space import chained, visits_from_common
from model.volume import Affine, world_from_voxel
from service.contracts.options import CompareOptions
from worker.case import TimePoint
from worker.pipeline import align
from worker.preprocessing import placed
from worker.quality import assess_coverage
from worker.registration import RegistrationSettings, brain_points
from worker.series_drift import assess_drift
from worker.visit_case import FollowedVisits, Link

TellPart = Callable[[float], None]
"""Called with the part that is done, 0 to 1; may raise to stop the work."""


def _untold(_: float) -> None:
    """Progress that nobody asks for."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Links:
    """Pairs of visits that were aligned and judged; each is looked at once."""

    time_points: Sequence[TimePoint]
    settings: RegistrationSettings
    found: dict[Pair, Link] = field(default_factory=dict)

    def look_at(self, pairs: Sequence[Pair], progress: TellPart = _untold) -> None:
        """Aligns the pairs that were not yet, and judges them."""
        new = [pair for pair in pairs if pair not in self.found]
        for number, (first, second) in enumerate(new, start=1):
            alignment, assessment = align(self.time_points[first], self.time_points[second], self.settings)
            self.found[first, second] = Link(alignment=alignment, assessment=assessment)
            progress(number / len(new))

    def chain(self, progress: TellPart = _untold) -> tuple[int, ...]:
        """The visits that can be followed; pairs that it needs and that were not looked at are."""
        count = len(self.time_points)
        failed = [pair for pair in neighbours(count) if not self.found[pair].comparable]
        self.look_at(bridges(count, failed), lambda part: progress(part / 2))
        chain = longest_chain(count, [pair for pair, link in self.found.items() if link.comparable])
        self.look_at(followed_pairs(chain), lambda part: progress((1 + part) / 2))
        return chain


def follow(links: Links, options: CompareOptions, progress: TellPart = _untold) -> FollowedVisits | None:
    """The visits that can be followed on one grid; None where no two can be compared.

    What is judged on the grid (coverage, drift) is added to the links, and may end the use of a pair or of a visit.
    """
    rounds = itertools.count()
    while len(chain := links.chain(_share(progress, next(rounds)))) > 1:
        placed_visits = _on_one_grid(chain, links, options)
        pairs = followed_pairs(tuple(range(len(chain))))
        for pair in pairs:
            visits = placed_visits.visits_of(pair)
            links.found[visits] = links.found[visits].judged(assess_coverage(placed_visits.network_input(pair)))
        if not all(links.found[visits].comparable for visits in pairwise(chain)):
            continue
        if len(chain) > 2:  # only of a chain that stands: a visit that leaves it must not take first to last with it
            _judge_drift(placed_visits, links)
        comparable = tuple(pair for pair in pairs if links.found[placed_visits.visits_of(pair)].comparable)
        return replace(placed_visits, pairs=comparable)
    return None


def _share(progress: TellPart, number: int) -> TellPart:
    """Of a round of which nobody knows how many follow: half of what is left."""
    return lambda part: progress(1.0 - 0.5 ** (number + part))


def _on_one_grid(chain: tuple[int, ...], links: Links, options: CompareOptions) -> FollowedVisits:
    steps = [_transform(links, (a, b)) for a, b in pairwise(chain)]
    from_common = visits_from_common(chained(steps), links.settings.common_space)
    scans = [placed(links.time_points[visit], one) for visit, one in zip(chain, from_common, strict=True)]
    return FollowedVisits(chain=chain, pairs=(), from_common=from_common, prepared=prepare(scans, crop=options.crop))


def _transform(links: Links, visits: Pair) -> Affine:
    alignment = links.found[visits].alignment
    if alignment is None:
        raise ValueError("links: a visit of the chain is not aligned")
    return alignment.baseline_from_follow_up


def _judge_drift(followed: FollowedVisits, links: Links) -> None:
    """How far the way over all visits ends from the direct way, first to last; mean over the brain, mm."""
    ends = followed.chain[0], followed.chain[-1]
    alignment = links.found[ends].alignment
    if alignment is None:
        return
    points = brain_points(links.time_points[ends[1]].brain.mask)
    over_all = followed.from_common[0] @ np.linalg.inv(followed.from_common[-1])
    moved = partial(world_from_voxel, voxel=points)
    apart = np.linalg.norm(moved(over_all) - moved(alignment.baseline_from_follow_up), axis=1)
    links.found[ends] = links.found[ends].judged(assess_drift(float(apart.mean())))
