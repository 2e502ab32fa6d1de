"""The series of two studies, chosen together: each good in its own study, and the two as alike as can be."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from service.contracts.input_errors import MissingFlair, MissingT1
from worker.series_alikeness import alikeness
from worker.series_header import SeriesHeader
from worker.series_rules import SeriesRules
from worker.series_rules_file import packaged_rules
from worker.series_selection import Choice, Selection, SequenceName, ambiguous, candidates, preference

TIME_POINTS = ("baseline", "follow-up")
Side = TypeVar("Side")
Pair = tuple[Side, Side]
FITS_THE_OTHER = "chosen to be like the other study's: another series of this study scores higher by itself"


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """How alike the two chosen series of one sequence are, 0 to 1, and what agrees and differs."""

    score: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairSelection:
    """The four series of a comparison."""

    baseline: Selection
    follow_up: Selection
    t1: Likeness | None
    """None: FLAIR alone in both, because one has no T1."""
    flair: Likeness


@dataclass(frozen=True, slots=True, kw_only=True)
class _Couple:
    """A series of the baseline with one of the follow-up."""

    baseline: Choice
    follow_up: Choice
    likeness: Likeness

    def rank(self, rules: SeriesRules) -> tuple[float, tuple[int, ...]]:
        """Smaller is better: own scores and likeness in one sum, then what decides between equal scores."""
        alike = rules.thresholds.alikeness_points * self.likeness.score
        worth = self.baseline.score + self.follow_up.score + alike
        return -round(worth, 6), (*preference(self.baseline.header), *preference(self.follow_up.header))


def select_pair(
    baseline: Iterable[SeriesHeader],
    follow_up: Iterable[SeriesHeader],
    rules: SeriesRules | None = None,
    *,
    flair_only: bool = False,
) -> PairSelection:
    """The two FLAIRs and the two T1s, best and most alike; the order of the headers does not matter.

    A series competes while it is within `plausible_within` points of the best of its study, so that likeness never
    makes a bad series good. With `flair_only` a study without T1 is not refused: FLAIR alone then serves for both,
    since a T1 on one side would look like change.

    Raises:
        MissingFlair, MissingT1: a study has none; the message says which.
        AmbiguousSeries: two couples cannot be told apart.
    """
    rules = rules or packaged_rules()
    headers = list(baseline), list(follow_up)
    flairs = _candidates(headers, "FLAIR", rules, (None, None))
    flair = _couple(flairs, "FLAIR", rules)
    taken = flair.baseline.header.key, flair.follow_up.header.key
    try:
        t1 = _couple(_candidates(headers, "T1", rules, taken), "T1", rules)
    except MissingT1:
        if not flair_only:
            raise
        alone = (Selection(t1=None, flair=choice) for choice in (flair.baseline, flair.follow_up))
        return PairSelection(baseline=next(alone), follow_up=next(alone), t1=None, flair=flair.likeness)
    return PairSelection(
        baseline=Selection(t1=t1.baseline, flair=flair.baseline),
        follow_up=Selection(t1=t1.follow_up, flair=flair.follow_up),
        t1=t1.likeness,
        flair=flair.likeness,
    )


def _candidates(
    headers: Pair[list[SeriesHeader]], sequence: SequenceName, rules: SeriesRules, taken: Pair[str | None]
) -> list[list[Choice]]:
    """Of each study; what is missing is said with the study's name."""
    found = []
    for name, study, key in zip(TIME_POINTS, headers, taken, strict=True):
        try:
            found.append(candidates(study, sequence, rules, apart_from=key))
        except (MissingFlair, MissingT1) as error:
            raise type(error)(f"{name}: {error.message}") from error
    return found


def _couple(ranked_of_both: list[list[Choice]], sequence: SequenceName, rules: SeriesRules) -> _Couple:
    before, after = (_plausible(ranked, rules) for ranked in ranked_of_both)
    couples = [_of(one, other, rules) for one, other in itertools.product(before, after)]
    ranked = sorted(couples, key=lambda couple: couple.rank(rules))
    if len(ranked) > 1 and ranked[0].rank(rules) == ranked[1].rank(rules):
        raise ambiguous(sequence)
    best = ranked[0]
    return replace(best, baseline=_explained(best.baseline, before), follow_up=_explained(best.follow_up, after))


def _plausible(ranked: list[Choice], rules: SeriesRules) -> list[Choice]:
    least = ranked[0].score - rules.thresholds.plausible_within
    return [choice for choice in ranked if choice.score >= least]


def _of(one: Choice, other: Choice, rules: SeriesRules) -> _Couple:
    score, reasons = alikeness(one.header, other.header, rules)
    return _Couple(baseline=one, follow_up=other, likeness=Likeness(score=score, reasons=reasons))


def _explained(choice: Choice, ranked: list[Choice]) -> Choice:
    """With a reason where a series of a higher score was left."""
    if choice.score == ranked[0].score:
        return choice
    return replace(choice, reasons=(*choice.reasons, FITS_THE_OTHER))
