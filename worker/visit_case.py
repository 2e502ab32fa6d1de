"""The values that the stages of a series of visits hand to each other, in their order."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

from model.ledger import Ledger
from model.preprocess import PreparedScans
from model.visit_chain import Pair
from model.volume import Affine
from service.contracts.options import CompareOptions
from worker.case import NetworkInput, PairAlignment, TimePoint
from worker.comparing import Measured
from worker.quality import Assessment
from worker.segmentation import Segmented
from worker.study_reader import StudyFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesRequest:
    """Which visits to follow, in the order of time, and where the results go."""

    visits: tuple[StudyFolder, ...]
    out: Path
    options: CompareOptions
    job_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Link:
    """Two visits: how one lies to the other, and whether they can be compared."""

    alignment: PairAlignment | None
    assessment: Assessment

    @property
    def comparable(self) -> bool:
        """Aligned, and no gate is red."""
        return self.alignment is not None and self.assessment.comparable

    def judged(self, more: Assessment) -> "Link":
        """With more gates; one that was judged before, on another grid, is replaced."""
        names = {check.name for check in more.checks}
        kept = Assessment(
            checks=tuple(check for check in self.assessment.checks if check.name not in names),
            reasons=tuple(reason for reason in self.assessment.reasons if reason.code not in names),
        )
        return replace(self, assessment=kept + more)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FollowedVisits:
    """The visits that can be followed, on one 1 mm grid half-way between them."""

    chain: tuple[int, ...]
    """Numbers of the visits, counted from 0."""
    pairs: tuple[Pair, ...]
    """Those that are compared, by their place in the chain."""
    from_common: tuple[Affine, ...]
    """World of the grid -> world of each visit's FLAIR."""
    prepared: PreparedScans

    def visits_of(self, pair: Pair) -> Pair:
        """Numbers of the two visits."""
        return self.chain[pair[0]], self.chain[pair[1]]

    def network_input(self, pair: Pair) -> NetworkInput:
        """Two of the visits as a comparison sees them."""
        first, second = pair
        scans, seen, brains = self.prepared.scans, self.prepared.seen, self.prepared.brains
        return NetworkInput(
            baseline=scans[first],
            follow_up=scans[second],
            grid=self.prepared.grid,
            baseline_from_grid=self.from_common[first],
            follow_up_from_grid=self.from_common[second],
            brain=np.asarray(brains[first] | brains[second]),
            seen_in_both=np.asarray(seen[first] & seen[second]),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FollowedLedger:
    """The ledger of the visits that can be followed."""

    visits: FollowedVisits
    ledger: Ledger
    measured: dict[Pair, Measured]
    """Of the rows of each compared pair, by the places of its visits in the chain."""
    probabilities: tuple[Float32[NDArray[Any], "d h w"], ...]
    """Of each visit, on the common grid."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SeriesOutcome:
    """What the stages up to `compare` found."""

    time_points: tuple[TimePoint, ...]
    links: dict[Pair, Link]
    """Of every pair of visits that was looked at, by their numbers."""
    found: FollowedLedger | None
    """None: no two visits can be compared."""
    segmented: tuple[Segmented, ...]
    """Each visit: the followed ones on the common grid, the others alone on their own."""

    @property
    def chain(self) -> tuple[int, ...]:
        """Numbers of the visits that are followed, counted from 0; none where no two can be compared."""
        return () if self.found is None else self.found.visits.chain
