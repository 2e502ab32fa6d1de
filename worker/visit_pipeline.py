"""From several studies of a patient to the lesion ledger: the order of the stages, and nothing else.

    read -> register -> prepare -> predict -> compare -> report

Every two visits that are compared are predicted together as in a comparison; what a visit's lesions are is the mean
over the pairs that it takes part in, so that each visit has one mask. A visit that cannot be followed is segmented
alone.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

from model.ledger import Ledger, VisitMasks, make_ledger
from model.visit_chain import neighbours
from model.visit_masks import call_visits
from service.contracts.series_report import SeriesReport
from worker.case import Progress, Stage, TimePoint
from worker.inference import predict
from worker.outcome import FLAIR, Work
from worker.pipeline import as_time_point, segment_alone
from worker.pipeline_tools import Tools
from worker.registration import RegistrationSettings
from worker.segmentation import Segmented
from worker.stage_clock import StageClock
from worker.study_reader import HowToChoose
from worker.visit_case import FollowedVisits, SeriesOutcome, SeriesRequest
from worker.visit_links import Links, follow
from worker.visit_results import write_series_results
from worker.visits_reader import read_visits

Probability = Float32[NDArray[Any], "d h w"]


def run_series(request: SeriesRequest, *, tools: Tools, progress: Progress) -> SeriesReport:
    """The report; every artifact lies in `request.out`, `series.json` written last.

    Raises:
        MsDeltaError: the input cannot be used, or the work failed; its code says which. What `progress` raises
            (a cancelled job) passes through.
    """
    clock = StageClock(progress)
    work = Work(request=request.last, tools=tools, clock=clock)
    with clock.stage(Stage.READ):
        choice = HowToChoose(rules=tools.series_rules, flair_only=request.options.missing_t1 == "flair_only")
        studies = read_visits(request.visits, choice=choice)
    with clock.stage(Stage.REGISTER) as done:
        settings = RegistrationSettings(backend=request.options.registration_backend)
        with ThreadPoolExecutor(2) as side_by_side:
            coming = [side_by_side.submit(as_time_point, study, tools, settings) for study in studies]
            time_points = tuple(one.result() for one in coming)
        done(0.4)
        links = Links(time_points=time_points, settings=settings)
        links.look_at(neighbours(len(time_points)), lambda part: done(0.4 + 0.5 * part))
        links.chain()
    with clock.stage(Stage.PREPARE):
        followed = follow(links, request.options)
    ledger, segmented = _followed(time_points, followed, work)
    for visit in set(range(len(time_points))) - set(segmented):
        segmented[visit] = segment_alone(time_points[visit], work)[0]
    outcome = SeriesOutcome(
        time_points=time_points,
        links=links.found,
        followed=followed,
        ledger=ledger,
        segmented=tuple(segmented[visit] for visit in range(len(time_points))),
    )
    with clock.stage(Stage.REPORT):
        return write_series_results(outcome, request, work)


def _followed(
    time_points: Sequence[TimePoint], followed: FollowedVisits | None, work: Work
) -> tuple[Ledger | None, dict[int, Segmented]]:
    """The ledger, and each visit in it by its number."""
    if followed is None:
        return None, {}
    with work.clock.stage(Stage.PREDICT) as done:
        probabilities = _probabilities(followed, work, done)
    with work.clock.stage(Stage.COMPARE):
        ledger = _ledger(followed, probabilities, work)
    segmented = {
        visit: Segmented(
            time_point=time_points[visit],
            probability=probabilities[place],
            lesions=ledger.maps[place],
            grid=followed.prepared.grid,
            flair_from_grid=followed.from_common[place],
        )
        for place, visit in enumerate(followed.chain)
    }
    return ledger, segmented


def _probabilities(followed: FollowedVisits, work: Work, done: Callable[[float], None]) -> tuple[Probability, ...]:
    """Of each visit, the mean over the pairs that it takes part in."""
    found: list[list[Probability]] = [[] for _ in followed.chain]
    for number, pair in enumerate(followed.pairs):

        def share(part: float, number: int = number) -> None:
            done((number + part) / len(followed.pairs))

        options = work.request.options
        both = predict(followed.network_input(pair), ensemble=work.tools.ensemble, options=options, progress=share)
        for place, probability in zip(pair, (both.baseline, both.follow_up), strict=True):
            if probability is not None:
                found[place].append(probability)
    return tuple(np.asarray(np.mean(one, axis=0, dtype=np.float32)) for one in found)


def _ledger(followed: FollowedVisits, probabilities: tuple[Probability, ...], work: Work) -> Ledger:
    options, scans = work.request.options, followed.prepared.scans
    thresholds = work.tools.ensemble.thresholds(options)
    flair = [scan[FLAIR] for scan in scans] if options.mask_only_changes == "settle" else None
    return make_ledger(
        VisitMasks(
            masks=call_visits(probabilities, thresholds, flair, followed.pairs),
            probabilities=probabilities,
            seen=followed.prepared.seen,
            pairs=followed.pairs,
            grid=followed.prepared.grid,
        )
    )
