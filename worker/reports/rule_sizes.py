"""The sizes of the rule set that texts speak of: a profile may have others than the default."""

from collections.abc import Callable

from service.contracts.measures import RulesInfo
from service.contracts.report import Report
from worker.reports.language import Words

DEFAULTS = {"counted_mm3": 14.0, "smallest_mm3": 3.0, "dilation_mm": 1.0}
"""Of reports of schema 1.0, which did not print their rules."""


def sizes(report: Report, words: Words) -> dict[str, str]:
    """`counted` and `smallest` (mm3), `apart` (mm): the placeholders of phrases."""
    return sizes_of(report.rules, words.localized)


def sizes_of(rules: RulesInfo | None, localized: Callable[[str], str] = str) -> dict[str, str]:
    """The same, of the rules of any report; as English writes numbers where nothing else is asked for."""
    numbers = DEFAULTS | ({} if rules is None else rules.numbers)
    names = {"counted": "counted_mm3", "smallest": "smallest_mm3", "apart": "dilation_mm"}
    return {name: localized(f"{numbers[key]:g}") for name, key in names.items()}
