"""How well a lesion volume repeats: intervals of volumes, limits of agreement, and the numbers behind them.

Lesions differ in volume by powers of ten and their errors with them, so everything is in logarithms:

    s = sqrt(mean((ln V1 - ln V2)^2) / 2)     within-lesion standard deviation, from unchanged lesions measured twice
    V exp(-1.96 s) ... V exp(1.96 s)          95 % interval of a volume
    |ln V2 - ln V1| <= 1.96 sqrt(2) s         95 % limits of agreement of two volumes

Source: Bland and Altman 1986, doi:10.1016/S0140-6736(86)90837-8; the same 1996, doi:10.1136/bmj.312.7047.1654.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from model.rules import NoiseRules

NORMAL_95 = 1.96
"""Of a normal distribution, 95 % lie within so many standard deviations."""

Interval = tuple[float, float]


def within_lesion_sd(volumes_mm3: Iterable[tuple[float, float]]) -> float:
    """Standard deviation of the log of a volume, from lesions that were measured twice; NaN without any."""
    pairs = np.array(list(volumes_mm3), np.float64).reshape(-1, 2)
    if len(pairs) == 0:
        return float("nan")
    difference = np.diff(np.log(pairs), axis=1)
    return float(np.sqrt(np.mean(difference**2) / 2))


def log_sd(volume_mm3: float, table: Mapping[float, float]) -> float | None:
    """The table's deviation at a volume: linear in the log of the volume, constant beyond the ends."""
    if not table or volume_mm3 <= 0:
        return None
    volumes = sorted(table)
    return float(np.interp(np.log(volume_mm3), np.log(volumes), [table[volume] for volume in volumes]))


def volume_interval(volume_mm3: float, table: Mapping[float, float]) -> Interval | None:
    """95 % interval of one lesion's volume; None where there is no lesion or nothing is known."""
    deviation = log_sd(volume_mm3, table)
    return None if deviation is None else _around(volume_mm3, deviation)


def total_interval(total: float, deviation: float) -> Interval | None:
    """95 % interval of a sum of volumes, in the unit of the sum; None where nothing is known of it."""
    return _around(total, deviation) if deviation > 0 and total > 0 else None


def total_change_interval(baseline: float, follow_up: float, deviation: float) -> Interval | None:
    """95 % interval of follow-up minus baseline; None where nothing is known of it.

    The errors of the two sums are independent; swapping them turns the interval's sign.
    """
    if deviation <= 0:
        return None
    spread = NORMAL_95 * deviation * float(np.hypot(baseline, follow_up))
    change = follow_up - baseline
    return change - spread, change + spread


def change_limit(volume_mm3: float, noise: NoiseRules) -> float:
    """Largest amount of `ln V2 - ln V1` that is noise at a volume; -1 where nothing is known: no change is noise."""
    deviation = log_sd(volume_mm3, noise.change_log_sd)
    return -1.0 if deviation is None else NORMAL_95 * float(np.sqrt(2.0)) * deviation


def _around(value: float, deviation: float) -> Interval:
    factor = float(np.exp(NORMAL_95 * deviation))
    return value / factor, value * factor
