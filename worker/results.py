"""The results of a comparison: images, pages and DICOM objects of what its stages have found, `report.json` last."""

from pathlib import Path

import numpy as np

from model.volume import Volume
from service.contracts.blobs import COMMIT_FILE
from service.contracts.options import CompareOptions, Language
from service.contracts.report import ModelInfo, Report
from service.contracts.report_signature import signed
from worker.artifacts import write_dicom, write_dicom_pages, write_images, write_pages, write_report
from worker.comparing import FLAIR
from worker.dicom_reader import read_headers
from worker.inference import Ensemble
from worker.lesion_identity import ROWS_OF_FOLLOW_UP, known_uids, read_earlier
from worker.outcome import CaseRequest, Outcome, Work
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


def write_results(outcome: Outcome, request: CaseRequest, work: Work) -> Report:
    """The report; every artifact lies in the folder of the request, and the result is whole.

    Raises:
        ResultInconsistent: a file does not hold what was written.
    """
    out, options = request.out, work.options
    lesions = {name: native_lesions(one) for name, one in _time_points(outcome)}
    resolved = _resolved(outcome)
    rows = {name: _rows(outcome, name, one) for name, one in lesions.items()}
    images = _images(outcome, lesions, resolved, with_probabilities=options.probabilities)
    write_images(out, {**images, ROWS_OF_FOLLOW_UP: rows["follow_up"].like(rows["follow_up"].array.astype(np.int16))})
    volumes = {name: one.marked_ml for name, one in lesions.items()}
    inputs = ReportInputs(
        baseline=outcome.baseline,
        follow_up=outcome.follow_up,
        analysis=outcome.analysis,
        measured=outcome.measured,
        profile=work.profile,
        assessment=outcome.assessment,
        pair=outcome.pair,
        mask_volumes_ml=(volumes.get("baseline"), volumes["follow_up"]),
        model=model_info(work.tools.ensemble, options),
        timings_s=work.clock.seconds,
        job_id=request.job_id,
        known_uids=_known_uids(outcome, rows, request.earlier),
    )
    report = signed(build_report(inputs), work.tools.signing_key)
    write_pages(out, report, _pictures(outcome, options.language), options.language)
    of_dicom = _lesion_images(outcome, rows)
    write_dicom(out, report, of_dicom, kind=options.dicom_seg)
    if of_dicom and of_dicom[-1].time_point == "follow_up":
        write_dicom_pages(out, report, _scan(outcome, of_dicom[-1], resolved), of_dicom[-1].headers)
    write_report(out / COMMIT_FILE, report)
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


def _rows(outcome: Outcome, name: TimePointName, lesions: Volume) -> Volume:
    """The row of each lesion voxel; of scans that are not compared, the lesion's number."""
    if outcome.analysis is None:
        return lesions
    of = outcome.analysis.group_of
    return native_rows(lesions, of.of_baseline if name == "baseline" else of.of_follow_up)


def _known_uids(outcome: Outcome, rows: dict[TimePointName, Volume], earlier: Path | None) -> dict[int, str]:
    """What an earlier result of the baseline calls the lesions that are compared."""
    if earlier is None or outcome.analysis is None:
        return {}
    return known_uids(read_earlier(earlier), rows.get("baseline"))


def _lesion_images(outcome: Outcome, rows: dict[TimePointName, Volume]) -> list[LesionImages]:
    """Of the time points that came as DICOM, the follow-up last."""
    found: list[LesionImages] = []
    for name, segmented in _time_points(outcome):
        instances = segmented.time_point.study.flair.instances
        if instances:
            found.append(LesionImages(time_point=name, ids=rows[name], headers=read_headers(instances)))
    return found


def _scan(outcome: Outcome, lesions: LesionImages, resolved: Volume | None) -> Scan:
    """The follow-up as the overlay shows it: its lesions, and those that have gone, by their rows."""
    time_point, ids = outcome.follow_up.time_point, lesions.ids.array
    if outcome.analysis is not None and resolved is not None:
        gone = native_rows(resolved, outcome.analysis.group_of.of_baseline)
        ids = np.where(ids > 0, ids, gone.array)
    return Scan(flair=time_point.study.flair.volume, brain=time_point.brain.mask.array, ids=ids)


def _pictures(outcome: Outcome, language: Language) -> Pictures | None:
    if outcome.analysis is None:
        return None
    baseline = outcome.prepared.baseline
    return draw(
        FigureInputs(
            baseline=None if baseline is None else baseline[FLAIR],
            follow_up=outcome.prepared.follow_up[FLAIR],
            brain=outcome.prepared.brain,
            analysis=outcome.analysis,
            grid=outcome.prepared.grid,
        ),
        language,
    )


def model_info(ensemble: Ensemble, options: CompareOptions) -> ModelInfo:
    """The network, and how it was asked."""
    members = ensemble.members
    thresholds = ensemble.thresholds(options)
    return ModelInfo(
        name=members[0].card.name,
        method=members[0].config.variant,
        sha256=tuple(member.sha256 for member in members),
        threshold=thresholds.voxel,
        lesion_threshold=thresholds.lesion,
        self_prior=thresholds.self_prior,
        mask_only_changes=options.mask_only_changes,
        mirroring=options.mirroring,
        prior_policy=options.prior_for_first,
        record=members[0].card.record,
    )
