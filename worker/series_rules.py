"""The rules of series selection as a validated value, and what it takes for one of them to hold.

The rules themselves stand in `worker/series_rules.yaml`; `worker/series_rules_file.py` reads them.
"""

import hashlib
import re
import string
from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from worker.series_header import SeriesHeader

LIST_FIELDS = ("image_type", "scanning_sequence", "sequence_variant", "acquisition_contrast")
NUMBER_FIELDS = (
    "instances",
    "echo_time",
    "repetition_time",
    "inversion_time",
    "fluid_null_ratio",
    "flip_angle",
    "slice_spacing",
    "coverage",
    "b_value",
    "field_strength",
    "time_points",
)
FLAG_FIELDS = ("acquisition_type", "contrast_agent", "colour", "angiography")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=False)


class Range(_Frozen):
    """From one number to another, both included; an end that is left out is open."""

    low: float = Field(default=float("-inf"), alias="from")
    high: float = Field(default=float("inf"), alias="to")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError("`from` is above `to`")
        return self


NumberTest = Range | Literal["stated", "silent"]
"""A time of zero says nothing: it is silent."""


class ListTest(_Frozen):
    """What a list of header values holds: one of `any`, nothing of `none`, and nothing but `only`."""

    any: tuple[str, ...] = ()
    none: tuple[str, ...] = ()
    only: tuple[str, ...] = ()


class TextTest(_Frozen):
    """Which word lists the text matches: one of `has`, none of `lacks`."""

    has: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


class When(_Frozen):
    """Conditions, all of which must hold; an empty one always does."""

    text: TextTest | None = None
    instances: NumberTest | None = None
    echo_time: NumberTest | None = None
    repetition_time: NumberTest | None = None
    inversion_time: NumberTest | None = None
    fluid_null_ratio: NumberTest | None = None
    flip_angle: NumberTest | None = None
    slice_spacing: NumberTest | None = None
    coverage: NumberTest | None = None
    b_value: NumberTest | None = None
    field_strength: NumberTest | None = None
    time_points: NumberTest | None = None
    image_type: ListTest | None = None
    scanning_sequence: ListTest | None = None
    sequence_variant: ListTest | None = None
    acquisition_contrast: ListTest | None = None
    acquisition_type: Literal["2D", "3D"] | None = None
    contrast_agent: bool | None = None
    colour: bool | None = None
    angiography: bool | None = None
    either: tuple["When", ...] = ()
    """At least one of these holds."""
    never: tuple["When", ...] = ()
    """None of these holds."""


class Rule(_Frozen):
    """Points for a series on which the rule holds, and the words for it; no word comes from the scanner's text."""

    points: float = 0.0
    reason: str = Field(min_length=3)
    when: When

    @model_validator(mode="after")
    def _says_only_numbers_it_stands_on(self) -> Self:
        for _, name, form, _ in string.Formatter().parse(self.reason):
            if name is None:
                continue
            if name not in NUMBER_FIELDS or not isinstance(getattr(self.when, name), Range):
                raise ValueError("reason: a number in braces must be one whose range the rule asks for")
            try:
                format(1.0, form or "")
            except ValueError:
                raise ValueError("reason: a number's format is not valid") from None
        return self


class Sequence(_Frozen):
    """What speaks for and against one sequence."""

    contradictions: dict[str, Rule] = {}
    evidence: dict[str, Rule]
    preferences: dict[str, Rule] = {}


class Thresholds(_Frozen):
    """Where scores become decisions."""

    least_evidence: float = Field(gt=0)
    plausible_within: float = Field(ge=0)
    alikeness_points: float = Field(ge=0)


class Trait(_Frozen):
    """What one trait of two series counts when they agree."""

    points: float = Field(ge=0)


class NumberTrait(Trait):
    """Numbers agree while the larger over the smaller is at most `within`."""

    within: float = Field(gt=1)


class StateTrait(Trait):
    """A state in which both series are, or neither."""

    when: When


class Likeness(_Frozen):
    """The traits in which series of two studies may agree."""

    sequence: Trait
    dimension: Trait
    plane: Trait
    contrast: StateTrait
    echo_time: NumberTrait
    repetition_time: NumberTrait
    inversion_time: NumberTrait
    flip_angle: NumberTrait
    slice_spacing: NumberTrait
    pixel_spacing: NumberTrait
    scanner: Trait
    model: Trait
    field: Trait


Words = Annotated[str, Field(pattern=r"^[a-z0-9*]+( [a-z0-9*]+)*$")]
"""As the scanner's text is compared: lower case, no accents, spaces between; `*` for any letters and digits."""


class SeriesRules(_Frozen):
    """All rules of a site."""

    version: str = Field(pattern=r"^[0-9A-Za-z._+-]{1,32}$")
    thresholds: Thresholds
    words: dict[str, tuple[Words, ...]]
    more_words: dict[str, tuple[Words, ...]] = {}
    exclusions: dict[str, Rule]
    flair: Sequence
    t1: Sequence
    geometry: dict[str, Rule]
    alikeness: Likeness

    @model_validator(mode="after")
    def _word_lists_exist(self) -> Self:
        named = {name for rule in self._all_rules() for name in _lists_of(rule.when)}
        named |= set(self.more_words) | _lists_of(self.alikeness.contrast.when)
        missing = sorted(named - set(self.words))
        if missing:
            raise ValueError(f"there is no word list {missing[0]!r}")
        return self

    @property
    def digest(self) -> str:
        """Twelve digits that differ where any rule does."""
        return hashlib.sha256(self.model_dump_json(by_alias=True).encode()).hexdigest()[:12]

    def pattern(self, name: str) -> re.Pattern[str]:
        """A word list as one expression over the plain text."""
        return _pattern(self.words[name] + self.more_words.get(name, ()))

    def holds(self, when: When, header: SeriesHeader) -> bool:
        """Whether all conditions hold for a series."""
        return (
            (when.text is None or self._text(when.text, header.text))
            and all(_number(getattr(when, name), getattr(header, name)) for name in NUMBER_FIELDS)
            and all(_list(getattr(when, name), getattr(header, name)) for name in LIST_FIELDS)
            and all(getattr(when, name) in (None, getattr(header, name)) for name in FLAG_FIELDS)
            and (not when.either or any(self.holds(one, header) for one in when.either))
            and not any(self.holds(one, header) for one in when.never)
        )

    def _text(self, test: TextTest, text: str) -> bool:
        has = not test.has or any(self.pattern(name).search(text) for name in test.has)
        return has and not any(self.pattern(name).search(text) for name in test.lacks)

    def _all_rules(self) -> list[Rule]:
        parts = [self.exclusions, self.geometry]
        for sequence in (self.flair, self.t1):
            parts += [sequence.contradictions, sequence.evidence, sequence.preferences]
        return [rule for part in parts for rule in part.values()]


def reason_of(rule: Rule, header: SeriesHeader) -> str:
    """The words for a rule that holds, with the numbers it names."""
    return rule.reason.format_map({name: getattr(header, name) for name in NUMBER_FIELDS})


def _lists_of(when: When) -> set[str]:
    own = set() if when.text is None else {*when.text.has, *when.text.lacks}
    return own.union(*(_lists_of(one) for one in (*when.either, *when.never)))


@lru_cache(maxsize=256)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    if not words:
        return re.compile(r"(?!)")
    return re.compile("|".join(rf"\b{word.replace('*', '[a-z0-9]*')}\b" for word in words))


def _number(test: NumberTest | None, value: float | None) -> bool:
    if test is None:
        return True
    if isinstance(test, Range):
        return value is not None and test.low <= value <= test.high
    return (value is not None and value > 0) == (test == "stated")


def _list(test: ListTest | None, value: tuple[str, ...] | str | None) -> bool:
    if test is None:
        return True
    values = _upper([value] if isinstance(value, str) else value or ())
    if test.any and not values & _upper(test.any):
        return False
    if test.only and values != _upper(test.only):
        return False
    return not values & _upper(test.none)


def _upper(values: Iterable[str]) -> set[str]:
    return {value.strip().upper() for value in values}
