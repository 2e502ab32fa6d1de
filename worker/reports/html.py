"""The report as one self-contained page."""

from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from service.contracts.report import LesionStatus, Report
from worker.reports.figures import Pictures
from worker.reports.status_marks import COLOURS, LIGHTS, SYMBOLS


def render_html(report: Report, pictures: Pictures | None) -> str:
    """The page; nothing in it points outside it."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files("worker.reports").joinpath("report.html").read_text(encoding="utf-8"))
    return template.render(
        report=report,
        headline=headline(report),
        subtitle=subtitle(report),
        made_with=made_with(report),
        statuses=[status.value for status in LesionStatus],
        symbols=SYMBOLS,
        lights=LIGHTS,
        colours=COLOURS,
        rows_by_id={row.id: row for row in report.lesions},
        overview=None if pictures is None else pictures.overview,
        close_ups=() if pictures is None else pictures.close_ups,
        hidden_figures=0 if pictures is None else pictures.not_shown,
    )


def headline(report: Report) -> str:
    """The answer in a sentence."""
    if report.mode == "single_time_point":
        count = report.lesion_counts.follow_up
        return f"{count} lesion{'' if count == 1 else 's'}, {report.volumes_ml.follow_up:.2f} ml (one time point)"
    if report.counts is None:
        reasons = "; ".join(reason.message for reason in report.reasons if reason.flag == "red")
        return f"Not comparable: {reasons}"
    active = _several({"new": report.counts.new, "enlarging": report.counts.enlarging})
    answer = active or "No new or enlarging lesion"
    unclear = report.counts.indeterminate
    return f"{answer} ({unclear} indeterminate)" if unclear else answer


def subtitle(report: Report) -> str:
    """What was compared with what, and when the report was made."""
    after = f" of {report.follow_up.acquired}" if report.follow_up.acquired else ""
    before = f" of {report.baseline.acquired}" if report.baseline and report.baseline.acquired else ""
    if report.mode == "single_time_point":
        what = f"One study{after}, no baseline."
    elif report.comparable:
        what = f"Follow-up{after} compared with baseline{before}."
    else:
        what = f"Follow-up{after} and baseline{before}, each segmented alone. No change is given."
    return f"{what} Report made {report.created:%Y-%m-%d %H:%M} UTC."


def made_with(report: Report) -> str:
    """Versions, network, thresholds and options in words."""
    model, versions = report.model, report.versions
    settled = "one answer for both times" if model.mask_only_changes == "settle" else "as they are"
    return (
        f"msdelta {versions.msdelta}, measurement rules {versions.measurement_rules}, report schema "
        f"{versions.schema_version}. Network {model.name} ({model.method}), threshold {model.threshold} (voxel) and "
        f"{model.lesion_threshold} (lesion), parts that differ in the masks and not in FLAIR: {settled}, mirroring "
        f"{'on' if model.mirroring else 'off'}, prior of the baseline: {model.prior_policy}. {model.record}"
    )


def _several(numbers: dict[str, int]) -> str:
    """`2 new and 1 enlarging lesion`: those that are not zero."""
    parts = [f"{number} {word}" for word, number in numbers.items() if number]
    return f"{' and '.join(parts)} lesion{'' if sum(numbers.values()) == 1 else 's'}" if parts else ""
