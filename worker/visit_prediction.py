"""Lesion probability of every visit from the pairs that are predicted."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

from service.contracts.options import CompareOptions
from worker.inference import Ensemble, predict
from worker.visit_case import FollowedVisits

Probability = Float32[NDArray[Any], "d h w"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VisitPredictions:
    """Of each visit that is followed, on the common grid."""

    probabilities: tuple[Probability, ...]
    """The mean over the pairs that it takes part in."""
    opinions: tuple[tuple[Probability, ...], ...]
    """The scan as its own prior, where that was asked for."""


def predict_visits(
    followed: FollowedVisits, *, ensemble: Ensemble, options: CompareOptions, progress: Callable[[float], None]
) -> VisitPredictions:
    """Every compared pair predicted as in a comparison; a second opinion is asked for once of each visit."""
    found: list[list[Probability]] = [[] for _ in followed.chain]
    alone: list[tuple[Probability, ...]] = [() for _ in followed.chain]
    for number, pair in enumerate(followed.pairs):

        def share(part: float, number: int = number) -> None:
            progress((number + part) / len(followed.pairs))

        asked = options.certainty and not all(alone[place] for place in pair)
        one = predict(
            followed.network_input(pair),
            ensemble=ensemble,
            options=options.model_copy(update={"certainty": asked}),
            progress=share,
        )
        both = (one.baseline, one.baseline_alone), (one.follow_up, one.follow_up_alone)
        for place, (probability, opinion) in zip(pair, both, strict=True):
            if probability is not None:
                found[place].append(probability)
            if opinion is not None and not alone[place]:
                alone[place] = (opinion,)
    means = tuple(np.asarray(np.mean(one, axis=0, dtype=np.float32)) for one in found)
    return VisitPredictions(probabilities=means, opinions=tuple(alone))
