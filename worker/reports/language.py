"""Every text of the pages in English and German, from one catalogue of phrases (`phrases/*.yaml`), by key.

Numbers and dates follow the language; keys and codes of a report stay English. What the report itself says in English
(the message of a reason, the limits of a gate) is repeated as it is on an English page; a German page puts it by its
code and falls back to the English words where the catalogue does not know the code.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import cache
from importlib.resources import files

import yaml

from service.contracts.measures import BrainVolumeChange
from service.contracts.options import Language
from service.contracts.report import Check, Reason

PARTS = ("", "_series")
"""Ends of the names of a language's files: the report of a pair, and what the page of several visits says beside it."""
OWN_WORDS = ("reasons", "not_given", "units", "limits")
"""Parts of the catalogue that stand in for English words of the report: English has none of its own."""


class Words:
    """The phrases of one language."""

    def __init__(self, language: Language, phrases: Mapping[str, str]) -> None:
        self.language = language
        self._phrases = phrases

    def __call__(self, key: str, /, **values: object) -> str:
        """The phrase of a key, with its placeholders filled.

        Raises:
            KeyError: there is no such phrase, or a placeholder without a value.
        """
        return self._phrases[key].format(**values)

    def __contains__(self, key: object) -> bool:
        return key in self._phrases

    def several(self, key: str, number: int) -> str:
        """`1 lesion`, `2 lesions`: the phrase `key.one` or `key.other`."""
        return self(f"{key}.{'one' if number == 1 else 'other'}", n=number)

    def number(self, value: float, decimals: int | None = None, *, sign: bool = False) -> str:
        """With so many decimals, or as it is; a comma in German."""
        if decimals is None:
            return self.localized(str(value))
        rounded = round(value, decimals) + 0.0  # no minus before a zero
        return self.localized(f"{rounded:{'+' if sign and rounded else ''}.{decimals}f}")

    def localized(self, text: str) -> str:
        """English decimals in a text as this language writes them."""
        return text if self.language == "en" else re.sub(r"(?<=\d)\.(?=\d)", ",", text)

    def date(self, when: str | date | None) -> str:
        """An ISO date as this language writes it; empty where there is none."""
        if not when:
            return ""
        day = date.fromisoformat(when) if isinstance(when, str) else when
        return f"{day:%Y-%m-%d}" if self.language == "en" else f"{day:%d.%m.%Y}"

    def moment(self, when: datetime) -> str:
        """Date and minute, UTC."""
        return f"{self.date(when.date())} {when:%H:%M} UTC"

    def listed(self, parts: list[str]) -> str:
        """`a`, `a and b`, `a, b and c`."""
        return f"{', '.join(parts[:-1])} {self('and')} {parts[-1]}" if len(parts) > 1 else "".join(parts)

    def gate(self, name: str) -> str:
        """What a quality gate is called."""
        key = f"gates.{name}"
        return self(key) if key in self else name.replace("_", " ")

    def unit(self, unit: str) -> str:
        """A unit of the report."""
        key = f"units.{unit}"
        return self(key) if key in self else unit

    def limits(self, expected: str) -> str:
        """What a gate expects (`at least 0.9, red below 0.75`), word by word where the catalogue has the words."""
        if f"answers.{expected}" in self:
            return self.answer(expected)
        for key in sorted((one for one in self._phrases if one.startswith("limits.")), key=len, reverse=True):
            expected = re.sub(rf"\b{re.escape(key.removeprefix('limits.'))}\b", self(key), expected)
        return self.localized(expected)

    def answer(self, word: str) -> str:
        """A word that a gate gives as its value, such as `same`."""
        key = f"answers.{word}"
        return self(key) if key in self else word

    def value(self, check: Check) -> str:
        """What a gate saw, with its unit."""
        if check.value is None:
            return self("quality.not_measured")
        saw = self.answer(check.value) if isinstance(check.value, str) else self.number(check.value)
        return f"{saw} {self.unit(check.unit)}".rstrip()

    def why_not_given(self, change: BrainVolumeChange) -> str:
        """Why the change of the brain's volume is not given; after a colon it may name gates."""
        reason = change.reason or self("quality.not_measured")
        key = f"not_given.{change.code}"
        if key not in self:
            return reason
        _, _, names = reason.partition(": ")
        return self(key) + (f": {', '.join(self.gate(one) for one in names.split(', '))}" if names else "")

    def reason(self, reason: Reason, quality: Sequence[Check], **values: object) -> str:
        """Why studies cannot be compared, or only with care: what, and what the gate of that name saw.

        Args:
            reason: as the report gives it.
            quality: every gate of these studies.
            values: of the phrase's placeholders.
        """
        key = f"reasons.{reason.code}"
        if key not in self:
            return reason.message
        said = self(key, **values)
        gate = next((one for one in quality if one.name == reason.code), None)
        if gate is None or isinstance(gate.value, str):
            return said
        saw = "quality.saw" if gate.value is not None else "quality.saw_nothing"
        return f"{said} ({self(saw, value=self.value(gate), expected=self.limits(gate.expected))})"


@cache
def words(language: Language) -> Words:
    """The catalogue of a language."""
    folder = files("worker.reports").joinpath("phrases")
    phrases: dict[str, str] = {}
    for part in PARTS:
        text = folder.joinpath(f"{language}{part}.yaml").read_text(encoding="utf-8")
        phrases |= _flat(yaml.safe_load(text))
    return Words(language, phrases)


def _flat(tree: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """`{"status.new": "new"}` of `{"status": {"new": "new"}}`."""
    found: dict[str, str] = {}
    for key, value in tree.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": str(value)}
    return found
