"""Reads the rules of series selection: the packaged ones, and what a site's own file states differently."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from service.contracts.input_errors import InvalidOption
from worker.series_rules import SeriesRules
from worker.yaml_rules import first_fault, merge, packaged, parse, site_text

PACKAGED = "series_rules.yaml"
NAME = "series rules"
"""In errors."""


def load_rules(site_file: Path | None = None) -> SeriesRules:
    """The packaged rules, merged with a site's file where there is one.

    Mappings are merged key by key, lists and values replaced, `null` removes a key.

    Raises:
        InvalidOption: the file cannot be read, or a key or value is not one of the rules'; the message names the key.
    """
    if site_file is None:
        return packaged_rules()
    return rules_from(_parse(site_text(site_file, of=NAME)))


@lru_cache(maxsize=1)
def packaged_rules() -> SeriesRules:
    """The rules as they are shipped."""
    return rules_from({})


def rules_from(site: dict[str, Any]) -> SeriesRules:
    """The packaged rules with a site's differences.

    Raises:
        InvalidOption: as `load_rules`.
    """
    merged = merge(_parse(packaged(PACKAGED)), site, of=NAME)
    try:
        return SeriesRules.model_validate(merged)
    except ValidationError as error:
        raise InvalidOption(f"{NAME}: {first_fault(error)}") from error


def _parse(text: str) -> dict[str, Any]:
    return parse(text, of=NAME, example="thresholds and words")
