"""Rules in YAML: packaged ones, and a site's file that states what differs; what is wrong is named by its key."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from service.contracts.input_errors import InvalidOption

LARGEST_FILE_BYTES = 1 << 20


def packaged(name: str) -> str:
    """The text of a packaged file."""
    return files("worker").joinpath(name).read_text(encoding="utf-8")


def site_text(path: Path, *, of: str) -> str:
    """The text of a site's file.

    Raises:
        InvalidOption: it cannot be read; `of` says what it would be.
    """
    try:
        if path.stat().st_size > LARGEST_FILE_BYTES:
            raise InvalidOption(f"{of}: the file is larger than any that is known")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidOption(f"{of}: the file cannot be read as text") from error


def parse(text: str, *, of: str, example: str) -> dict[str, Any]:
    """The mapping that a text states; an empty text states nothing.

    Args:
        text: YAML.
        of: what it is, for errors.
        example: keys that may stand at its top, for errors.

    Raises:
        InvalidOption: not YAML, or no mapping.
    """
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = "" if mark is None else f" in line {mark.line + 1}"
        raise InvalidOption(f"{of}: not YAML{line}") from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise InvalidOption(f"{of}: expected keys at the top, such as {example}")
    return found


def merge(ours: dict[str, Any], site: dict[str, Any], *, of: str, at: tuple[str, ...] = ()) -> dict[str, Any]:
    """Ours with what a site states: mappings key by key, lists and values replaced, `null` removes a key.

    Raises:
        InvalidOption: `null` for a key that is not there.
    """
    merged = dict(ours)
    for key, value in site.items():
        here = (*at, str(key))
        if value is None and key not in ours:
            raise InvalidOption(f"{of}: {'.'.join(here)}: there is nothing of this name to remove")
        if value is None:
            del merged[key]
        elif isinstance(value, dict) and isinstance(ours.get(key), dict):
            merged[key] = merge(ours[key], value, of=of, at=here)
        else:
            merged[key] = value
    return merged


def first_fault(error: ValidationError) -> str:
    """Key and complaint of the first fault; pydantic puts the members of a union into the path, which are no keys."""
    fault = error.errors(include_url=False, include_input=False)[0]
    parts = [str(part) for part in fault["loc"]]
    at = ".".join(part for part in parts if part != "Range" and "[" not in part)
    complaint = "unknown key" if fault["type"] == "extra_forbidden" else fault["msg"].removeprefix("Value error, ")
    return f"{at or 'file'}: {complaint}"
