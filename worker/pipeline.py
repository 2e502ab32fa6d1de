"""From two studies to two masks and a change report: the order of the stages, and nothing else.

    read -> register -> prepare -> predict -> compare -> report

Each stage makes a new value (`worker/case.py`). When the studies cannot be compared, each is segmented alone and the
report says why (docs/decisions/0004).
"""

from concurrent.futures import ThreadPoolExecutor

from service.contracts.errors import RegistrationFailed
from service.contracts.options import CompareOptions
from service.contracts.report import Report
from worker.case import NetworkInput, PairAlignment, Prediction, Progress, Stage, Study, TimePoint
from worker.comparing import Compared, HowToCompare, compare_case
from worker.inference import predict
from worker.outcome import CaseRequest, Outcome, Work
from worker.pair_evidence import evidence_of
from worker.pipeline_tools import Tools
from worker.preprocessing import prepare_pair, prepare_single
from worker.quality import Assessment, assess_coverage, assess_pair, assess_single, not_aligned
from worker.registration import RegistrationSettings, align_pair, align_t1_to_flair, registration_settings
from worker.results import write_results
from worker.segmentation import Segmented
from worker.stage_clock import StageClock
from worker.study_reader import HowToChoose, StudyFolder, read_pair, read_study


def run_case(request: CaseRequest, *, tools: Tools, progress: Progress) -> Report:
    """The report; every artifact lies in `request.out`, `report.json` written last.

    Raises:
        MsDeltaError: the input cannot be used, or the work failed; its code says which. What `progress` raises
            (a cancelled job) passes through.
    """
    profile = tools.measurement_rules.profile(request.options.rules_profile)
    clock = StageClock(progress)
    with clock.stage(Stage.READ):
        before, after = _read(request, how_to_choose(request.options, tools))
    with clock.stage(Stage.REGISTER) as done:
        settings = registration_settings(request.options)
        with ThreadPoolExecutor(2) as time_points:
            coming = time_points.submit(as_time_point, after, tools, settings)
            baseline = None if before is None else as_time_point(before, tools, settings)
            follow_up = coming.result()
        done(0.5)
        pair, assessment = align(baseline, follow_up, settings)
    work = Work(options=request.options, tools=tools, profile=profile, clock=clock)
    outcome = _longitudinal(baseline, follow_up, pair, assessment, work)
    if outcome is None:
        outcome = _apart(baseline, follow_up, pair, assessment, work)
    with clock.stage(Stage.REPORT):
        return write_results(outcome, request, work)


def how_to_choose(options: CompareOptions, tools: Tools) -> HowToChoose:
    """What the options and the series rules say of the read stage."""
    return HowToChoose(rules=tools.series_rules, flair_only=options.flair_only)


def _read(request: CaseRequest, choice: HowToChoose) -> tuple[Study | None, Study]:
    if request.baseline is None:
        return None, read_study(request.follow_up, acquired=request.follow_up_acquired, choice=choice)
    return read_pair(
        StudyFolder(folder=request.baseline, acquired=request.baseline_acquired),
        StudyFolder(folder=request.follow_up, acquired=request.follow_up_acquired),
        choice=choice,
    )


def as_time_point(study: Study, tools: Tools, settings: RegistrationSettings) -> TimePoint:
    """The study with its brain, and its T1 aligned to its FLAIR."""
    brain = tools.brain_masker(study.flair.volume)
    alignment = None
    if study.t1 is not None:
        alignment = align_t1_to_flair(study.t1.volume, study.flair.volume, brain.mask, settings=settings)
    return TimePoint(study=study, brain=brain, alignment=alignment)


def align(
    baseline: TimePoint | None, follow_up: TimePoint, settings: RegistrationSettings
) -> tuple[PairAlignment | None, Assessment]:
    """How two time points lie to each other, and what the gates say of that."""
    if baseline is None:
        return None, assess_single(follow_up)
    try:
        pair = align_pair(
            baseline.study.flair.volume,
            baseline.brain.mask,
            follow_up.study.flair.volume,
            follow_up.brain.mask,
            settings=settings,
        )
    except RegistrationFailed as error:
        return None, not_aligned(error.message, baseline, follow_up)
    return pair, assess_pair(baseline, follow_up, pair, evidence_of(baseline, follow_up, pair))


def _longitudinal(
    baseline: TimePoint | None, follow_up: TimePoint, pair: PairAlignment | None, assessment: Assessment, work: Work
) -> Outcome | None:
    """Both time points on one grid; None when they cannot be compared or there is only one."""
    if baseline is None or pair is None or not assessment.comparable:
        return None
    with work.clock.stage(Stage.PREPARE):
        prepared = prepare_pair(baseline, follow_up, pair, crop=work.options.crop)
    assessment += assess_coverage(prepared)
    if not assessment.comparable:
        return _apart(baseline, follow_up, pair, assessment, work)
    prediction = _predict(prepared, work)
    with work.clock.stage(Stage.COMPARE):
        compared = compare_case(prepared, prediction, (baseline, follow_up), how_to_compare(work))
    return Outcome(
        baseline=_segmented(baseline, prepared, prediction, compared, first=True),
        follow_up=_segmented(follow_up, prepared, prediction, compared, first=False),
        analysis=compared.analysis,
        measured=compared.measured,
        prepared=prepared,
        assessment=assessment,
        pair=pair,
    )


def _apart(
    baseline: TimePoint | None, follow_up: TimePoint, pair: PairAlignment | None, assessment: Assessment, work: Work
) -> Outcome:
    """Each scan with itself as its prior, on its own grid."""
    after, compared, prepared = segment_alone(follow_up, work)
    before = None if baseline is None else segment_alone(baseline, work)[0]
    return Outcome(
        baseline=before,
        follow_up=after,
        analysis=compared.analysis if baseline is None else None,
        measured=compared.measured,
        prepared=prepared,
        assessment=assessment,
        pair=pair,
    )


def segment_alone(time_point: TimePoint, work: Work) -> tuple[Segmented, Compared, NetworkInput]:
    """One scan with itself as its prior, on its own grid."""
    with work.clock.stage(Stage.PREPARE):
        prepared = prepare_single(time_point, crop=work.options.crop)
    prediction = _predict(prepared, work)
    with work.clock.stage(Stage.COMPARE):
        compared = compare_case(prepared, prediction, (time_point,), how_to_compare(work))
    return _segmented(time_point, prepared, prediction, compared, first=False), compared, prepared


def _predict(prepared: NetworkInput, work: Work) -> Prediction:
    with work.clock.stage(Stage.PREDICT) as done:
        return predict(prepared, ensemble=work.tools.ensemble, options=work.options, progress=done)


def how_to_compare(work: Work) -> HowToCompare:
    """What the options and the measurement rules say of the compare stage."""
    options = work.options
    return HowToCompare(
        thresholds=work.tools.ensemble.thresholds(options),
        settle=options.mask_only_changes == "settle",
        rules=work.profile.of_masks(options.mask_only_changes),
    )


def _segmented(
    time_point: TimePoint, prepared: NetworkInput, prediction: Prediction, compared: Compared, *, first: bool
) -> Segmented:
    probability = prediction.baseline if first else prediction.follow_up
    lesions = compared.analysis.baseline if first else compared.analysis.follow_up
    flair_from_grid = prepared.baseline_from_grid if first else prepared.follow_up_from_grid
    if probability is None or lesions is None or flair_from_grid is None:
        raise ValueError("first: there is no baseline in this case")
    return Segmented(
        time_point=time_point,
        probability=probability,
        lesions=lesions,
        grid=prepared.grid,
        flair_from_grid=flair_from_grid,
    )
