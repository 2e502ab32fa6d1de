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
LIGHTS: dict[str, str] = {"green": "●", "amber": "◆", "red": "■"}
"""A shape for each flag: colour alone says nothing to some readers."""


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
        lights=LIGHTS,
        colours=COLOURS,
        rows_by_id={row.id: row for row in report.lesions},
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
    active = _several({"new": report.counts.new, "enlarging": report.counts.enlarging})
    answer = active or "No new or enlarging lesion"
    unclear = report.counts.indeterminate
    return f"{answer} ({unclear} indeterminate)" if unclear else answer


def _several(numbers: dict[str, int]) -> str:
    """`2 new and 1 enlarging lesion`: those that are not zero."""
    parts = [f"{number} {word}" for word, number in numbers.items() if number]
    return f"{' and '.join(parts)} lesion{'' if sum(numbers.values()) == 1 else 's'}" if parts else ""
