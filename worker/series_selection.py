"""Which series of a study is the T1 and which the FLAIR: physics first, text second, geometry third.

A pure function over header values; the rules stand in `worker/series_rules.py`. Reasons never repeat the scanner's
free text, which can hold names.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

from service.contracts.errors import AmbiguousSeries, MissingFlair, MissingT1
from worker.series_rules import (
    EXCLUSIONS,
    FLAIR_AFTER_CONTRAST,
    FLAIR_CONTRADICTIONS,
    FLAIR_EVIDENCE,
    GEOMETRY,
    LEAST_EVIDENCE,
    T1_AFTER_CONTRAST,
    T1_CONTRADICTIONS,
    T1_EVIDENCE,
    Rule,
    SeriesHeader,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A series with its score for one sequence and the reasons."""

    header: SeriesHeader
    score: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The two series of a study."""

    t1: Choice
    flair: Choice


def select(headers: Iterable[SeriesHeader]) -> Selection:
    """The best T1 and the best FLAIR; the same headers in any order give the same answer.

    Raises:
        MissingFlair, MissingT1: no series has enough evidence.
        AmbiguousSeries: two series cannot be told apart by anything their headers say.
    """
    series = list(headers)
    flair = _best(series, score_flair, "FLAIR")
    if flair is None:
        raise MissingFlair(f"saw {len(series)} series, none with the timing or name of a FLAIR")
    rest = [header for header in series if header.key != flair.header.key]
    t1 = _best(rest, score_t1, "T1")
    if t1 is None:
        raise MissingT1(f"saw {len(series)} series, none with the timing or name of a T1-weighted image")
    return Selection(t1=t1, flair=flair)


def exclusion(header: SeriesHeader) -> str | None:
    """Why a series is never used, or None."""
    return next((rule.reason for rule in EXCLUSIONS if rule.holds(header)), None)


def score_flair(header: SeriesHeader) -> Choice | None:
    """How much this looks like a FLAIR; None where it is excluded, contradicted, or without evidence."""
    return _score(header, FLAIR_CONTRADICTIONS, FLAIR_EVIDENCE, (*GEOMETRY, FLAIR_AFTER_CONTRAST))


def score_t1(header: SeriesHeader) -> Choice | None:
    """How much this looks like a T1-weighted image; None where it is excluded, contradicted, or without evidence."""
    return _score(header, T1_CONTRADICTIONS, T1_EVIDENCE, (*GEOMETRY, T1_AFTER_CONTRAST))


def _score(
    header: SeriesHeader, contradictions: Iterable[Rule], evidence: Iterable[Rule], preferences: Iterable[Rule]
) -> Choice | None:
    if exclusion(header) or any(rule.holds(header) for rule in contradictions):
        return None
    found = [rule for rule in evidence if rule.holds(header)]
    if sum(rule.points for rule in found) < LEAST_EVIDENCE:
        return None
    found += [rule for rule in preferences if rule.holds(header)]
    numbers = asdict(header)
    return Choice(
        header=header,
        score=round(sum(rule.points for rule in found), 6),
        reasons=tuple(rule.reason.format_map(numbers) for rule in found),
    )


def _best(
    headers: Iterable[SeriesHeader], score: Callable[[SeriesHeader], Choice | None], sequence: str
) -> Choice | None:
    """The highest score; then more images, then the later series (a repeat replaces), then its first stack."""
    ranked = sorted((choice for header in headers if (choice := score(header))), key=_rank)
    if len(ranked) > 1 and _rank(ranked[0]) == _rank(ranked[1]):
        raise AmbiguousSeries(
            f"two series fit equally well as {sequence}, and nothing in their headers tells them apart"
        )
    return ranked[0] if ranked else None


def _rank(choice: Choice) -> tuple[float, int, int, int]:
    header = choice.header
    return (-choice.score, -header.instances, -(header.series_number or 0), header.repeat)
