"""From several studies of a patient to the lesion ledger: the order of the stages, and nothing else.

    read -> register -> prepare -> predict -> compare -> report

Every two visits that are compared are predicted together as in a comparison; what a visit's lesions are is the mean
over the pairs that it takes part in, so that each visit has one mask. A visit that cannot be followed is segmented
alone.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from model.ledger import VisitMasks, make_ledger
from model.visit_chain import neighbours
from model.visit_masks import call_visits
from service.contracts.series_report import SeriesReport
from worker.case import Progress, Stage, TimePoint
from worker.comparing import FLAIR
from worker.outcome import Work
from worker.pipeline import as_time_point, how_to_choose, how_to_compare, segment_alone
from worker.pipeline_tools import Tools
from worker.registration import registration_settings
from worker.segmentation import Segmented
from worker.stage_clock import StageClock
from worker.visit_case import FollowedLedger, FollowedVisits, SeriesOutcome, SeriesRequest
from worker.visit_links import Links, follow
from worker.visit_measures import measure_pairs
from worker.visit_prediction import predict_visits
from worker.visit_results import write_series_results
from worker.visits_reader import read_visits


def run_series(request: SeriesRequest, *, tools: Tools, progress: Progress) -> SeriesReport:
    """The report; every artifact lies in `request.out`, `series.json` written last.

    Raises:
        MsDeltaError: the input cannot be used, or the work failed; its code says which. What `progress` raises
            (a cancelled job) passes through.
    """
    clock = StageClock(progress)
    profile = tools.measurement_rules.profile(request.options.rules_profile)
    work = Work(options=request.options, tools=tools, profile=profile, clock=clock)
    with clock.stage(Stage.READ):
        studies = read_visits(request.visits, choice=how_to_choose(request.options, tools))
    with clock.stage(Stage.REGISTER) as done:
        settings = registration_settings(request.options)
        with ThreadPoolExecutor(2) as side_by_side:
            coming = [side_by_side.submit(as_time_point, study, tools, settings) for study in studies]
            time_points = tuple(one.result() for one in coming)
        done(0.4)
        links = Links(time_points=time_points, settings=settings)
        links.look_at(neighbours(len(time_points)), lambda part: done(0.4 + 0.5 * part))
        links.chain(lambda part: done(0.9 + 0.1 * part))
    with clock.stage(Stage.PREPARE) as done:
        followed = follow(links, request.options, done)
    found = None if followed is None else _ledger(time_points, followed, work)
    segmented = {} if followed is None or found is None else _segmented(time_points, followed, found)
    for visit in set(range(len(time_points))) - set(segmented):
        segmented[visit] = segment_alone(time_points[visit], work)[0]
    outcome = SeriesOutcome(
        time_points=time_points,
        links=links.found,
        found=found,
        segmented=tuple(segmented[visit] for visit in range(len(time_points))),
    )
    with clock.stage(Stage.REPORT):
        return write_series_results(outcome, request, work)


def _ledger(time_points: Sequence[TimePoint], followed: FollowedVisits, work: Work) -> FollowedLedger:
    """The ledger, and what is measured of every pair beside it."""
    options = work.options
    with work.clock.stage(Stage.PREDICT) as done:
        predicted = predict_visits(followed, ensemble=work.tools.ensemble, options=options, progress=done)
    with work.clock.stage(Stage.COMPARE):
        how = how_to_compare(work)
        flair = [scan[FLAIR] for scan in followed.prepared.scans] if how.settle else None
        masks = call_visits(
            predicted.probabilities,
            how.thresholds,
            flair,
            followed.pairs,
            how.rules.seen_change,
            [one[0] if one else None for one in predicted.opinions],
        )
        ledger = make_ledger(
            VisitMasks(
                masks=masks,
                probabilities=predicted.probabilities,
                seen=followed.prepared.seen,
                pairs=followed.pairs,
                grid=followed.prepared.grid,
                opinions=predicted.opinions,
                threshold=how.thresholds.voxel,
            ),
            how.rules,
        )
        measured = measure_pairs(ledger, followed, time_points, how.rules)
    return FollowedLedger(visits=followed, ledger=ledger, measured=measured, probabilities=predicted.probabilities)


def _segmented(
    time_points: Sequence[TimePoint], followed: FollowedVisits, found: FollowedLedger
) -> dict[int, Segmented]:
    """Each visit that is followed, by its number."""
    return {
        visit: Segmented(
            time_point=time_points[visit],
            probability=found.probabilities[place],
            lesions=found.ledger.maps[place],
            grid=followed.prepared.grid,
            flair_from_grid=followed.from_common[place],
        )
        for place, visit in enumerate(followed.chain)
    }
