"""Which series of a study is the T1 and which the FLAIR: physics first, text second, geometry third.

A pure function over header values; the rules are data (`worker/series_rules.yaml`). Reasons never repeat the
scanner's free text, which can hold names.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from service.contracts.input_errors import AmbiguousSeries, MissingFlair, MissingT1
from worker.series_header import SeriesHeader
from worker.series_rules import Rule, SeriesRules, reason_of
from worker.series_rules_file import packaged_rules

SequenceName = Literal["T1", "FLAIR"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A series with its score for one sequence and the reasons."""

    header: SeriesHeader
    score: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The two series of a study."""

    t1: Choice | None
    """None: FLAIR alone, where that is allowed."""
    flair: Choice


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the rules say of one series as one sequence: a score with its reasons, or what speaks against it."""

    choice: Choice | None
    against: str | None


def select(headers: Iterable[SeriesHeader], rules: SeriesRules | None = None, *, flair_only: bool = False) -> Selection:
    """The best T1 and the best FLAIR; the same headers in any order give the same answer.

    Args:
        headers: all series of the study.
        rules: the packaged ones where left out.
        flair_only: a study without T1 is not refused.

    Raises:
        MissingFlair, MissingT1: no series has enough evidence.
        AmbiguousSeries: two series cannot be told apart by anything their headers say.
    """
    series = list(headers)
    flair = _best(candidates(series, "FLAIR", rules), "FLAIR")
    try:
        t1 = _best(candidates(series, "T1", rules, apart_from=flair.header.key), "T1")
    except MissingT1:
        if not flair_only:
            raise
        return Selection(t1=None, flair=flair)
    return Selection(t1=t1, flair=flair)


def candidates(
    headers: Iterable[SeriesHeader],
    sequence: SequenceName,
    rules: SeriesRules | None = None,
    *,
    apart_from: str | None = None,
) -> list[Choice]:
    """Every series that may be the sequence, at least one, the best first.

    Equal scores: more images first, then the later series (a repeat replaces), then its first stack.

    Args:
        headers: all series of the study.
        sequence: what is looked for.
        rules: the packaged ones where left out.
        apart_from: key of a series that serves as the other sequence.

    Raises:
        MissingFlair, MissingT1: there is none.
    """
    series = list(headers)
    judged = [judge(header, sequence, rules).choice for header in series if header.key != apart_from]
    found = [choice for choice in judged if choice is not None]
    if not found:
        if sequence == "FLAIR":
            raise MissingFlair(f"saw {len(series)} series, none with the timing or name of a FLAIR")
        raise MissingT1(f"saw {len(series)} series, none with the timing or name of a T1-weighted image")
    return sorted(found, key=rank)


def rank(choice: Choice) -> tuple[float, int, int, int]:
    """Smaller is better; equal where nothing tells two series apart."""
    return (-choice.score, *preference(choice.header))


def preference(header: SeriesHeader) -> tuple[int, int, int]:
    """What decides between equal scores; smaller is better."""
    return (-header.instances, -(header.series_number or 0), header.repeat)


def exclusion(header: SeriesHeader, rules: SeriesRules | None = None) -> str | None:
    """Why a series is never used, or None."""
    rules = rules or packaged_rules()
    return _first_that_holds(rules.exclusions, header, rules)


def judge(header: SeriesHeader, sequence: SequenceName, rules: SeriesRules | None = None) -> Verdict:
    """How much this looks like the sequence, or why not: excluded, contradicted, or without evidence."""
    rules = rules or packaged_rules()
    of_sequence = rules.flair if sequence == "FLAIR" else rules.t1
    against = exclusion(header, rules) or _first_that_holds(of_sequence.contradictions, header, rules)
    if against is not None:
        return Verdict(choice=None, against=against)
    found = _that_hold(of_sequence.evidence, header, rules)
    if sum(rule.points for rule in found) < rules.thresholds.least_evidence:
        return Verdict(choice=None, against=f"neither timing nor name of a {sequence}")
    found += _that_hold(of_sequence.preferences, header, rules) + _that_hold(rules.geometry, header, rules)
    choice = Choice(
        header=header,
        score=round(sum(rule.points for rule in found), 6),
        reasons=tuple(reason_of(rule, header) for rule in found),
    )
    return Verdict(choice=choice, against=None)


def score_flair(header: SeriesHeader, rules: SeriesRules | None = None) -> Choice | None:
    """How much this looks like a FLAIR; None where it is none."""
    return judge(header, "FLAIR", rules).choice


def score_t1(header: SeriesHeader, rules: SeriesRules | None = None) -> Choice | None:
    """How much this looks like a T1-weighted image; None where it is none."""
    return judge(header, "T1", rules).choice


def ambiguous(sequence: SequenceName) -> AmbiguousSeries:
    """The refusal where two series are the same to everything that is known."""
    return AmbiguousSeries(f"two series fit equally well as {sequence}, and nothing in their headers tells them apart")


def _best(ranked: list[Choice], sequence: SequenceName) -> Choice:
    if len(ranked) > 1 and rank(ranked[0]) == rank(ranked[1]):
        raise ambiguous(sequence)
    return ranked[0]


def _that_hold(part: dict[str, Rule], header: SeriesHeader, rules: SeriesRules) -> list[Rule]:
    return [rule for rule in part.values() if rules.holds(rule.when, header)]


def _first_that_holds(part: dict[str, Rule], header: SeriesHeader, rules: SeriesRules) -> str | None:
    found = next((rule for rule in part.values() if rules.holds(rule.when, header)), None)
    return None if found is None else reason_of(found, header)
