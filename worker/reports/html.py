"""The report as one self-contained page."""

from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from service.contracts.report import LesionStatus, Report
from worker.reports.figures import COLOURS, MOST_FIGURES, FigureInputs, changed, close_ups, overview

SYMBOLS: dict[str, str] = {
    "new": "+",
    "enlarging": "▲",
    "stable": "=",
    "shrinking": "▼",
    "resolved": "○",
    "indeterminate": "?",
}


def render_html(report: Report, figures: FigureInputs | None) -> str:
    """The page; nothing in it points outside it."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files("worker.reports").joinpath("report.html").read_text(encoding="utf-8"))
    hidden = 0 if figures is None else max(0, len(changed(figures.analysis)) - MOST_FIGURES)
    return template.render(
        report=report,
        headline=headline(report),
        statuses=[status.value for status in LesionStatus],
        symbols=SYMBOLS,
        colours=COLOURS,
        overview=None if figures is None else overview(figures),
        close_ups=[] if figures is None else list(close_ups(figures)),
        hidden_figures=hidden,
    )


def headline(report: Report) -> str:
    """The answer in a sentence."""
    if report.mode == "single_time_point":
        count = report.lesion_counts.follow_up
        return f"{count} lesion{'' if count == 1 else 's'}, {report.volumes_ml.follow_up:.2f} ml (one time point)"
    if report.counts is None:
        reasons = "; ".join(reason.message for reason in report.reasons if reason.flag == "red")
        return f"Not comparable: {reasons}"
    if not report.active:
        return "No new or enlarging lesion"
    new, enlarging = report.counts.new, report.counts.enlarging
    parts = [f"{n} {word}" for n, word in ((new, "new"), (enlarging, "enlarging")) if n]
    return f"{' and '.join(parts)} lesion{'' if new + enlarging == 1 else 's'}"
