"""What a difference between methods is worth: bootstrap intervals and the paired Wilcoxon test, over patients."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

RESAMPLES = 10_000
CONFIDENCE = 0.95
SEED = 20240920
"""Of the resampling: the same scores give the same interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A 95 % confidence interval."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedDifference:
    """One method minus another, on the same patients."""

    mean: float
    interval: Interval | None
    p_value: float
    """Wilcoxon signed-rank test, two-sided; 1 where no patient differs."""
    patients: int


def bootstrap_interval(values: Sequence[float]) -> Interval | None:
    """Percentile bootstrap interval of the mean; None for fewer than two values.

    Source: Efron and Tibshirani 1993, chapter 13.
    """
    if len(values) < 2:
        return None
    if len(set(values)) == 1:
        return Interval(low=float(values[0]), high=float(values[0]))
    found = stats.bootstrap(
        (np.asarray(values, np.float64),),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    return Interval(low=float(found.low), high=float(found.high))


def paired_difference(ours: Sequence[float], theirs: Sequence[float]) -> PairedDifference:
    """How far two methods lie apart on the same patients, in the same order.

    Raises:
        ValueError: no patient, or lists of different length.
    """
    if not ours or len(ours) != len(theirs):
        raise ValueError(f"ours: expected as many values as theirs and at least one, saw {len(ours)} and {len(theirs)}")
    apart = np.asarray(ours, np.float64) - np.asarray(theirs, np.float64)
    p_value = float(stats.wilcoxon(apart).pvalue) if apart.any() else 1.0
    return PairedDifference(
        mean=float(apart.mean()), interval=bootstrap_interval(apart.tolist()), p_value=p_value, patients=len(apart)
    )
