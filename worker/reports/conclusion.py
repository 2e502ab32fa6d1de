"""What a report says in words: the conclusion, what was compared, and how it was made. Pure functions of the report.

No sentence states a diagnosis or that a criterion is met: the report counts and measures.
"""

from service.contracts.report import Counts, Flag, Report
from service.contracts.series_report import SeriesReport
from worker.reports.language import Words


def conclusion(report: Report, words: Words) -> str:
    """The answer in a sentence, such as `2 new and 1 enlarging lesion since 2023-04-02: active.`."""
    if report.mode == "single_time_point":
        count = words.several("lesions", report.lesion_counts.follow_up)
        return words("conclusion.single", lesions=count, volume=words.number(report.volumes_ml.follow_up, 2))
    if report.counts is None:
        reasons = "; ".join(words.reason(one, report.quality) for one in report.reasons if one.flag is Flag.RED)
        return words("conclusion.not_comparable", reasons=reasons)
    counts = report.counts
    active = counts.new + counts.enlarging > 0
    key = "conclusion.active" if active else "conclusion.not_active"
    answer = words(key, what=activity(counts, words), since=_since(report, words))
    unclear = counts.indeterminate
    return f"{answer} {words.several('conclusion.indeterminate', unclear)}" if unclear else answer


def activity(counts: Counts, words: Words) -> str:
    """`2 new and 1 enlarging lesion`, or that there is none."""
    active = [(status, n) for status, n in (("new", counts.new), ("enlarging", counts.enlarging)) if n]
    if not active:
        return words("conclusion.nothing")
    parts = words.listed([words.several(f"conclusion.{status}", n) for status, n in active])
    return words("conclusion.lesion.one" if active[-1][1] == 1 else "conclusion.lesion.other", parts=parts)


def subtitle(report: Report, words: Words) -> str:
    """What was compared with what, and when the report was made."""
    after = _of(report.follow_up.acquired, words)
    before = _of(None if report.baseline is None else report.baseline.acquired, words)
    if report.mode == "single_time_point":
        key = "subtitle.single"
    else:
        key = "subtitle.compared" if report.comparable else "subtitle.apart"
    return f"{words(key, after=after, before=before)} {words('subtitle.made', when=words.moment(report.created))}"


def made_with(report: Report | SeriesReport, words: Words) -> str:
    """Versions, network, thresholds and options in words."""
    model, versions = report.model, report.versions
    return words(
        "method.made_with",
        msdelta=versions.msdelta,
        rules=versions.measurement_rules,
        schema=versions.schema_version,
        name=model.name,
        method=model.method,
        voxel=words.number(model.threshold),
        lesion=words.number(model.lesion_threshold),
        alone=words.number(model.self_prior),
        settled=words(f"method.{model.mask_only_changes}"),
        mirroring=words("method.on" if model.mirroring else "method.off"),
        prior=words(f"method.prior.{model.prior_policy.replace('-', '_')}"),
        record=model.record,
    )


def series_used(report: Report, words: Words) -> list[str]:
    """`Baseline FLAIR (DICOM): 256 x 256 x 40 voxels of 0.94 x 0.94 x 3 mm`, for each series."""
    studies = [("baseline", report.baseline), ("follow_up", report.follow_up)]
    if report.mode == "single_time_point":
        studies = [("study", report.follow_up)]
    return [
        words(
            "method.series",
            study=words(f"time.{name}"),
            sequence=one.sequence,
            source={"dicom": "DICOM", "nifti": "NIfTI"}[one.source],
            shape=" x ".join(str(n) for n in one.shape),
            spacing=" x ".join(words.localized(f"{mm:.3g}") for mm in one.spacing_mm),
        )
        for name, study in studies
        if study is not None
        for one in study.series
    ]


def _since(report: Report, words: Words) -> str:
    """`since 2023-04-02`; of studies in reversed order `compared with ...`, because nothing came since."""
    before = None if report.baseline is None else report.baseline.acquired
    after = report.follow_up.acquired
    if before is None:
        return words("conclusion.since_baseline")
    reversed_order = after is not None and after < before
    return words("conclusion.than" if reversed_order else "conclusion.since", date=words.date(before))


def _of(acquired: str | None, words: Words) -> str:
    return words("subtitle.of", date=words.date(acquired)) if acquired else ""
