"""What is measured of every compared pair of visits beside its change table."""

from collections.abc import Sequence

from model.ledger import Ledger
from model.rules import Rules
from model.visit_chain import Pair
from worker.case import TimePoint
from worker.comparing import Measured, measured_on, regions_on
from worker.visit_case import FollowedVisits


def measure_pairs(
    ledger: Ledger, followed: FollowedVisits, time_points: Sequence[TimePoint], rules: Rules
) -> dict[Pair, Measured]:
    """By the places of the visits in the chain; the region map of a visit is carried to the grid once for its pairs.

    Args:
        ledger: of the visits that are followed.
        followed: their scans on one grid.
        time_points: every visit, followed or not.
        rules: of measuring.
    """
    regions = [
        regions_on(followed.prepared.grid, time_points[visit], flair_from_grid)
        for visit, flair_from_grid in zip(followed.chain, followed.from_common, strict=True)
    ]
    return {
        pair: measured_on(analysis, followed.network_input(pair), [regions[place] for place in pair], rules)
        for pair, analysis in ledger.analyses.items()
    }
