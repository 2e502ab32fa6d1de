"""The rule set of measuring: named profiles of numbers, packaged or a site's own, and how a report prints one."""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model.rules import Rules
from service.contracts.input_errors import InvalidOption
from service.contracts.measures import RulesInfo
from worker.yaml_rules import first_fault, merge, packaged, parse, site_text

PACKAGED = "measurement_rules.yaml"
NAME = "measurement rules"
"""In errors."""
OURS = "msdelta"
"""Name of the packaged set: no other set may bear it."""
DEFAULT = "default"


class _RuleSet(BaseModel):
    """The file: every profile states what it has otherwise than `rules`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    set: str = Field(min_length=1, max_length=64)
    version: str = Field(pattern=r"^[0-9]+\.[0-9]+$")
    rules: dict[str, Any]
    profiles: dict[str, dict[str, Any]]
    sources: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The rules of one comparison, and their name."""

    set: str
    version: str
    name: str
    rules: Rules
    sources: dict[str, str]

    def of_masks(self, mask_only_changes: Literal["settle", "keep"]) -> Rules:
        """The rules with the noise of masks that were made so."""
        return self.rules if mask_only_changes == "settle" else self.rules.unsettled()

    def printed(self) -> RulesInfo:
        """As it stands in the report: every number by its name."""
        numbers = dict(_numbers(self.rules.model_dump()))
        digest = hashlib.sha256(json.dumps(numbers, sort_keys=True).encode()).hexdigest()[:12]
        return RulesInfo(
            set=self.set,
            version=self.version,
            profile=self.name,
            numbers=numbers,
            sources=self.sources,
            digest=digest,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementRules:
    """The profiles of a rule set, all of them valid."""

    profiles: dict[str, Profile]

    def profile(self, name: str) -> Profile:
        """One of them.

        Raises:
            InvalidOption: there is none of this name; says which there are.
        """
        if name not in self.profiles:
            raise InvalidOption(f"rules_profile: saw {name!r}, expected one of {', '.join(sorted(self.profiles))}")
        return self.profiles[name]


def load_measurement_rules(site_file: Path | None = None) -> MeasurementRules:
    """The packaged rule set, merged with a site's file where there is one.

    Raises:
        InvalidOption: the file cannot be read, has no name of its own, or states what is no rule; names the key.
    """
    return (
        packaged_measurement_rules() if site_file is None else measurement_rules(_parse(site_text(site_file, of=NAME)))
    )


@lru_cache(maxsize=1)
def packaged_measurement_rules() -> MeasurementRules:
    """The rule set as it is shipped."""
    return _validated(_parse(packaged(PACKAGED)))


def measurement_rules(site: dict[str, Any]) -> MeasurementRules:
    """The packaged rule set with a site's differences.

    Raises:
        InvalidOption: as `load_measurement_rules`.
    """
    if site.get("set") in {None, OURS}:
        raise InvalidOption(
            f"{NAME}: set: expected a name of your own, reports would call your numbers those of {OURS}"
        )
    return _validated(merge(_parse(packaged(PACKAGED)), site, of=NAME))


def _validated(content: dict[str, Any]) -> MeasurementRules:
    try:
        file = _RuleSet.model_validate(content)
    except ValidationError as error:
        raise InvalidOption(f"{NAME}: {first_fault(error)}") from error
    if DEFAULT not in file.profiles:
        raise InvalidOption(f"{NAME}: profiles.{DEFAULT}: expected a profile of this name")
    return MeasurementRules(profiles={name: _profile(file, name) for name in file.profiles})


def _profile(file: _RuleSet, name: str) -> Profile:
    numbers = merge(file.rules, file.profiles[name], of=f"{NAME}: profiles.{name}")
    try:
        rules = Rules.model_validate(numbers)
    except ValidationError as error:
        raise InvalidOption(f"{NAME}: profiles.{name}: {first_fault(error)}") from error
    return Profile(set=file.set, version=file.version, name=name, rules=rules, sources=file.sources)


def _numbers(values: dict[Any, Any], at: str = "") -> list[tuple[str, float]]:
    """`noise.change_log_sd.at_30_mm3` and its like, in the order of the rules."""
    found: list[tuple[str, float]] = []
    for key, value in values.items():
        name = f"{at}at_{key:g}_mm3" if isinstance(key, float) else f"{at}{key}"
        found += _numbers(value, f"{name}.") if isinstance(value, dict) else [(name, float(value))]
    return found


def _parse(text: str) -> dict[str, Any]:
    return parse(text, of=NAME, example="set, rules and profiles")
