"""From two studies to two masks and a change report: the order of the stages, and nothing else.

    read -> register -> prepare -> predict -> compare -> report

Each stage makes a new value (`worker/case.py`). When the studies cannot be compared, each is segmented alone and the
report says why (docs/decisions/0004).
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from model.calling import call_lesions
from model.changes import ChangeAnalysis, Masks, compare
from model.volume import Volume
from service.contracts.errors import RegistrationFailed
from service.contracts.options import CompareOptions
from service.contracts.report import ModelInfo, Report
from worker.artifacts import write_dicom, write_dicom_pages, write_images, write_pages, write_report
from worker.case import NetworkInput, PairAlignment, Prediction, Progress, Stage, Study, TimePoint
from worker.dicom_reader import read_headers
from worker.inference import predict
from worker.pipeline_tools import Tools
from worker.preprocessing import prepare_pair, prepare_single
from worker.quality import Assessment, assess_coverage, assess_pair, assess_single, not_aligned
from worker.registration import RegistrationSettings, align_pair, align_t1_to_flair
from worker.reports.dicom_seg import LesionImages, TimePointName
from worker.reports.figures import FigureInputs, Pictures, draw
from worker.reports.overlay import Scan
from worker.reports.summary import ReportInputs, build_report
from worker.segmentation import (
    Segmented,
    native_change_map,
    native_lesions,
    native_probability,
    native_resolved,
    native_rows,
)
from worker.series_rules import SeriesRules
from worker.stage_clock import StageClock
from worker.study_reader import HowToChoose, StudyFolder, read_pair, read_study

FLAIR = 1
"""Its channel in a prepared scan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRequest:
    """What to compare, and where the results go."""

    baseline: Path | None
    """Folder of a study; None: single time point mode."""
    follow_up: Path
    out: Path
    options: CompareOptions
    baseline_acquired: date | None = None
    follow_up_acquired: date | None = None
    job_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """What the stages up to `compare` found."""

    baseline: Segmented | None
    follow_up: Segmented
    analysis: ChangeAnalysis | None
    """None when the studies are not comparable."""
    prepared: NetworkInput
    assessment: Assessment
    pair: PairAlignment | None


def run_case(request: CaseRequest, *, tools: Tools, progress: Progress) -> Report:
    """The report; every artifact lies in `request.out`, `report.json` written last.

    Raises:
        MsDeltaError: the input cannot be used, or the work failed; its code says which. What `progress` raises
            (a cancelled job) passes through.
    """
    clock = StageClock(progress)
    with clock.stage(Stage.READ):
        before, after = _read(request, tools.series_rules)
    with clock.stage(Stage.REGISTER) as done:
        settings = RegistrationSettings(backend=request.options.registration_backend)
        with ThreadPoolExecutor(2) as time_points:
            coming = time_points.submit(_time_point, after, tools, settings)
            baseline = None if before is None else _time_point(before, tools, settings)
            follow_up = coming.result()
        done(0.5)
        pair, assessment = _align(baseline, follow_up, settings)
    work = Work(request=request, tools=tools, clock=clock)
    outcome = _longitudinal(baseline, follow_up, pair, assessment, work)
    if outcome is None:
        outcome = _apart(baseline, follow_up, pair, assessment, work)
    with clock.stage(Stage.REPORT):
        return _write(outcome, work)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Work:
    """What every later stage needs of the request."""

    request: CaseRequest
    tools: Tools
    clock: StageClock


def _read(request: CaseRequest, rules: SeriesRules) -> tuple[Study | None, Study]:
    choice = HowToChoose(rules=rules, flair_only=request.options.missing_t1 == "flair_only")
    if request.baseline is None:
        return None, read_study(request.follow_up, acquired=request.follow_up_acquired, choice=choice)
    return read_pair(
        StudyFolder(folder=request.baseline, acquired=request.baseline_acquired),
        StudyFolder(folder=request.follow_up, acquired=request.follow_up_acquired),
        choice=choice,
    )


def _time_point(study: Study, tools: Tools, settings: RegistrationSettings) -> TimePoint:
    brain = tools.brain_masker(study.flair.volume)
    alignment = None
    if study.t1 is not None:
        alignment = align_t1_to_flair(study.t1.volume, study.flair.volume, brain.mask, settings=settings)
    return TimePoint(study=study, brain=brain, alignment=alignment)


def _align(
    baseline: TimePoint | None, follow_up: TimePoint, settings: RegistrationSettings
) -> tuple[PairAlignment | None, Assessment]:
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
    return pair, assess_pair(baseline, follow_up, pair)


def _longitudinal(
    baseline: TimePoint | None, follow_up: TimePoint, pair: PairAlignment | None, assessment: Assessment, work: Work
) -> Outcome | None:
    """Both time points on one grid; None when they cannot be compared or there is only one."""
    if baseline is None or pair is None or not assessment.comparable:
        return None
    with work.clock.stage(Stage.PREPARE):
        prepared = prepare_pair(baseline, follow_up, pair, crop=work.request.options.crop)
    assessment += assess_coverage(prepared)
    if not assessment.comparable:
        return _apart(baseline, follow_up, pair, assessment, work)
    prediction = _predict(prepared, work)
    with work.clock.stage(Stage.COMPARE):
        analysis = _compare(prepared, prediction, work)
    return Outcome(
        baseline=_segmented(baseline, prepared, prediction, analysis, first=True),
        follow_up=_segmented(follow_up, prepared, prediction, analysis, first=False),
        analysis=analysis,
        prepared=prepared,
        assessment=assessment,
        pair=pair,
    )


def _apart(
    baseline: TimePoint | None, follow_up: TimePoint, pair: PairAlignment | None, assessment: Assessment, work: Work
) -> Outcome:
    """Each scan with itself as its prior, on its own grid."""
    after, analysis, prepared = _alone(follow_up, work)
    before = None if baseline is None else _alone(baseline, work)[0]
    return Outcome(
        baseline=before,
        follow_up=after,
        analysis=analysis if baseline is None else None,
        prepared=prepared,
        assessment=assessment,
        pair=pair,
    )


def _alone(time_point: TimePoint, work: Work) -> tuple[Segmented, ChangeAnalysis, NetworkInput]:
    with work.clock.stage(Stage.PREPARE):
        prepared = prepare_single(time_point, crop=work.request.options.crop)
    prediction = _predict(prepared, work)
    with work.clock.stage(Stage.COMPARE):
        analysis = _compare(prepared, prediction, work)
    return _segmented(time_point, prepared, prediction, analysis, first=False), analysis, prepared


def _predict(prepared: NetworkInput, work: Work) -> Prediction:
    with work.clock.stage(Stage.PREDICT) as done:
        return predict(prepared, ensemble=work.tools.ensemble, options=work.request.options, progress=done)


def _compare(prepared: NetworkInput, prediction: Prediction, work: Work) -> ChangeAnalysis:
    options = work.request.options
    thresholds = work.tools.ensemble.thresholds(options)
    flair = None
    if prepared.baseline is not None and options.mask_only_changes == "settle":
        flair = prepared.baseline[FLAIR], prepared.follow_up[FLAIR]
    baseline, follow_up = call_lesions(prediction.baseline, prediction.follow_up, thresholds, flair)
    return compare(
        Masks(
            baseline=baseline,
            follow_up=follow_up,
            baseline_probability=prediction.baseline,
            follow_up_probability=prediction.follow_up,
            seen_in_both=prepared.seen_in_both,
            grid=prepared.grid,
        )
    )


def _segmented(
    time_point: TimePoint, prepared: NetworkInput, prediction: Prediction, analysis: ChangeAnalysis, *, first: bool
) -> Segmented:
    probability = prediction.baseline if first else prediction.follow_up
    lesions = analysis.baseline if first else analysis.follow_up
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


def _write(outcome: Outcome, work: Work) -> Report:
    out, options = work.request.out, work.request.options
    lesions = {name: native_lesions(one) for name, one in _time_points(outcome)}
    resolved = _resolved(outcome)
    write_images(out, _images(outcome, lesions, resolved, with_probabilities=options.probabilities))
    volumes = {name: float((one.array > 0).sum()) * one.voxel_volume_mm3 / 1000.0 for name, one in lesions.items()}
    inputs = ReportInputs(
        baseline=outcome.baseline,
        follow_up=outcome.follow_up,
        analysis=outcome.analysis,
        assessment=outcome.assessment,
        pair=outcome.pair,
        mask_volumes_ml=(volumes.get("baseline"), volumes["follow_up"]),
        model=_model_info(work),
        timings_s=work.clock.seconds,
        job_id=work.request.job_id,
    )
    report = build_report(inputs)
    write_pages(out, report, _pictures(outcome))
    of_dicom = _lesion_images(outcome, lesions)
    write_dicom(out, report, of_dicom, kind=options.dicom_seg)
    if of_dicom and of_dicom[-1].time_point == "follow_up":
        write_dicom_pages(out, report, _scan(outcome, of_dicom[-1], resolved), of_dicom[-1].headers)
    write_report(out, report)
    return report


def _time_points(outcome: Outcome) -> list[tuple[TimePointName, Segmented]]:
    follow_up: list[tuple[TimePointName, Segmented]] = [("follow_up", outcome.follow_up)]
    return follow_up if outcome.baseline is None else [("baseline", outcome.baseline), *follow_up]


def _resolved(outcome: Outcome) -> Volume | None:
    """Lesions that have gone, on the follow-up's grid; None where no change is given."""
    if outcome.analysis is None or outcome.analysis.change_map is None:
        return None
    return native_resolved(outcome.analysis, outcome.follow_up)


def _images(
    outcome: Outcome, lesions: dict[TimePointName, Volume], resolved: Volume | None, *, with_probabilities: bool
) -> dict[str, Volume]:
    """Artifacts by name."""
    images: dict[str, Volume] = {}
    for name, segmented in _time_points(outcome):
        images[f"{name}_lesions.nii.gz"] = lesions[name].like(lesions[name].array > 0)
        if with_probabilities:
            images[f"{name}_probability.nii.gz"] = native_probability(segmented)
        if name == "follow_up" and outcome.analysis is not None and resolved is not None:
            images["change.nii.gz"] = native_change_map(outcome.analysis, lesions[name], resolved)
    return images


def _lesion_images(outcome: Outcome, lesions: dict[TimePointName, Volume]) -> list[LesionImages]:
    """Of the time points that came as DICOM, the follow-up last."""
    found: list[LesionImages] = []
    for name, segmented in _time_points(outcome):
        instances = segmented.time_point.study.flair.instances
        if instances:
            ids = lesions[name]
            if outcome.analysis is not None:
                of = outcome.analysis.group_of
                ids = native_rows(ids, of.of_baseline if name == "baseline" else of.of_follow_up)
            found.append(LesionImages(time_point=name, ids=ids, headers=read_headers(instances)))
    return found


def _scan(outcome: Outcome, lesions: LesionImages, resolved: Volume | None) -> Scan:
    """The follow-up as the overlay shows it: its lesions, and those that have gone, by their rows."""
    time_point, ids = outcome.follow_up.time_point, lesions.ids.array
    if outcome.analysis is not None and resolved is not None:
        gone = native_rows(resolved, outcome.analysis.group_of.of_baseline)
        ids = np.where(ids > 0, ids, gone.array)
    return Scan(flair=time_point.study.flair.volume, brain=time_point.brain.mask.array, ids=ids)


def _pictures(outcome: Outcome) -> Pictures | None:
    if outcome.analysis is None:
        return None
    baseline = outcome.prepared.baseline
    return draw(
        FigureInputs(
            baseline=None if baseline is None else baseline[FLAIR],
            follow_up=outcome.prepared.follow_up[FLAIR],
            analysis=outcome.analysis,
            grid=outcome.prepared.grid,
        )
    )


def _model_info(work: Work) -> ModelInfo:
    members = work.tools.ensemble.members
    options = work.request.options
    thresholds = work.tools.ensemble.thresholds(options)
    return ModelInfo(
        name=members[0].card.name,
        method=members[0].config.variant,
        sha256=tuple(member.sha256 for member in members),
        threshold=thresholds.voxel,
        lesion_threshold=thresholds.lesion,
        mask_only_changes=options.mask_only_changes,
        mirroring=options.mirroring,
        prior_policy=options.prior_for_first,
        record=members[0].card.record,
    )
