"""Reads the rules of series selection: the packaged ones, and what a site's own file states differently."""

from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from service.contracts.input_errors import InvalidOption
from worker.series_rules import SeriesRules

PACKAGED = "series_rules.yaml"
LARGEST_FILE_BYTES = 1 << 20


def load_rules(site_file: Path | None = None) -> SeriesRules:
    """The packaged rules, merged with a site's file where there is one.

    Mappings are merged key by key, lists and values replaced, `null` removes a key.

    Raises:
        InvalidOption: the file cannot be read, or a key or value is not one of the rules'; the message names the key.
    """
    if site_file is None:
        return packaged_rules()
    return rules_from(_parse(_content(site_file)))


@lru_cache(maxsize=1)
def packaged_rules() -> SeriesRules:
    """The rules as they are shipped."""
    return rules_from({})


def rules_from(site: dict[str, Any]) -> SeriesRules:
    """The packaged rules with a site's differences.

    Raises:
        InvalidOption: as `load_rules`.
    """
    merged = _merge(_parse(files("worker").joinpath(PACKAGED).read_text(encoding="utf-8")), site, at=())
    try:
        return SeriesRules.model_validate(merged)
    except ValidationError as error:
        raise InvalidOption(f"series rules: {_first(error)}") from error


def _content(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_FILE_BYTES:
            raise InvalidOption("series rules: the file is larger than any that is known")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidOption("series rules: the file cannot be read as text") from error


def _parse(text: str) -> dict[str, Any]:
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = "" if mark is None else f" in line {mark.line + 1}"
        raise InvalidOption(f"series rules: not YAML{line}") from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise InvalidOption("series rules: expected keys at the top, such as thresholds and words")
    return found


def _merge(ours: dict[str, Any], site: dict[str, Any], *, at: tuple[str, ...]) -> dict[str, Any]:
    merged = dict(ours)
    for key, value in site.items():
        here = (*at, str(key))
        if value is None and key not in ours:
            raise InvalidOption(f"series rules: {'.'.join(here)}: there is nothing of this name to remove")
        if value is None:
            del merged[key]
        elif isinstance(value, dict) and isinstance(ours.get(key), dict):
            merged[key] = _merge(ours[key], value, at=here)
        else:
            merged[key] = value
    return merged


def _first(error: ValidationError) -> str:
    """Key and complaint of the first fault; pydantic puts the members of a union into the path, which are no keys."""
    fault = error.errors(include_url=False, include_input=False)[0]
    parts = [str(part) for part in fault["loc"]]
    at = ".".join(part for part in parts if part != "Range" and "[" not in part)
    complaint = "unknown key" if fault["type"] == "extra_forbidden" else fault["msg"].removeprefix("Value error, ")
    return f"{at or 'file'}: {complaint}"
