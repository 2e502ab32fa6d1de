"""Which patients are kept apart: k folds by patient, the same for the same names."""

import hashlib
from collections.abc import Sequence


def split(patients: Sequence[str], fold: int, folds: int) -> tuple[list[str], list[str]]:
    """Patients to train on and patients kept apart, each patient apart in exactly one fold.

    The order rests on a hash of the names, so that neither their order nor their numbering (by site, by load) matters.

    Raises:
        ValueError: there is no such fold, fewer patients than folds, or a name twice.
    """
    if not 0 <= fold < folds or folds < 2:
        raise ValueError(f"fold: expected 0 to {folds - 1} of at least 2 folds, saw {fold} of {folds}")
    if len(set(patients)) < len(patients):
        raise ValueError("patients: a name is there twice")
    if len(patients) < folds:
        raise ValueError(f"folds: {folds} folds need as many patients, saw {len(patients)}")
    shuffled = sorted(patients, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    apart = set(shuffled[fold::folds])
    return [p for p in patients if p not in apart], [p for p in patients if p in apart]
