"""Header values as plain numbers and words; a damaged value is an absent one."""

import re
import unicodedata
from collections.abc import Iterable
from datetime import date
from typing import Any

from pydicom.dataset import Dataset


def number(header: Dataset, name: str) -> float | None:
    """A header number, None where it is absent or no number."""
    try:
        value = header.get(name)  # converted here, so a damaged number fails here
        return None if value is None or value == "" else float(value)
    except (TypeError, ValueError):
        return None


def text(header: Dataset, name: str) -> str:
    """A header value as text, empty where it is absent or unreadable."""
    try:
        return str(header.get(name, "")).strip()
    except (TypeError, ValueError, LookupError):
        return ""


def day(header: Dataset, name: str) -> date | None:
    """A header date, None where it is absent or no date."""
    found = text(header, name)
    try:
        return date(int(found[:4]), int(found[4:6]), int(found[6:])) if len(found) == 8 and found.isdigit() else None
    except ValueError:
        return None


def texts(value: Any) -> tuple[str, ...]:
    """A header value of one or several strings; empty where it is absent."""
    if value is None or value == "":
        return ()
    values: Iterable[Any] = [value] if isinstance(value, str) else value
    return tuple(str(one) for one in values)


def plain(words: str) -> str:
    """Lower case without accents; everything but letters and digits becomes a space."""
    letters = unicodedata.normalize("NFKD", words.casefold())
    return re.sub(r"[^a-z0-9]+", " ", "".join(c for c in letters if not unicodedata.combining(c))).strip()
