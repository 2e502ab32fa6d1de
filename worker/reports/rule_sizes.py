"""The sizes of the rule set that texts speak of: a profile may have others than the default."""

from service.contracts.report import Report
from service.contracts.series_report import SeriesReport
from worker.reports.language import Words

DEFAULTS = {"counted_mm3": 14.0, "smallest_mm3": 3.0, "dilation_mm": 1.0}
"""Of reports of schema 1.0, which did not print their rules."""


def sizes(report: Report | SeriesReport, words: Words) -> dict[str, str]:
    """`counted` and `smallest` (mm3), `apart` (mm): the placeholders of phrases."""
    numbers = DEFAULTS | ({} if report.rules is None else report.rules.numbers)
    names = {"counted": "counted_mm3", "smallest": "smallest_mm3", "apart": "dilation_mm"}
    return {name: words.localized(f"{numbers[key]:g}") for name, key in names.items()}
