"""From the lesion probabilities of several visits to their masks: what `model.calling` does for two, for any number."""

from collections.abc import Sequence

import numpy as np

from model.calling import Mask, Probability, Thresholds, called
from model.rules import SeenChangeRules
from model.seen_change import AS_SHIPPED, Image, settle
from model.visit_chain import Pair


def call_visits(
    probabilities: Sequence[Probability],
    thresholds: Thresholds,
    flair: Sequence[Image] | None = None,
    pairs: Sequence[Pair] = (),
    rules: SeenChangeRules = AS_SHIPPED,
    alone: Sequence[Probability | None] = (),
) -> tuple[Mask, ...]:
    """The lesion mask of each visit; reversing the visits reverses the masks.

    A lesion is judged by what all visits show of it: sure at one of them, it is kept at each that marks it. With two
    visits the masks are those of `model.calling.call_lesions`.

    Args:
        probabilities: of each visit, on one grid.
        thresholds: of voxels and lesions.
        flair: of each visit, z-scored in the brain: masks then differ only where these do (`model.seen_change`).
        pairs: the visits that are compared with each other.
        rules: when the images differ.
        alone: lesion probability of each visit as its own prior, which has its part in how sure a lesion is.
    """
    masks = called(probabilities, thresholds, alone)
    return masks if flair is None else settle_visits(masks, flair, pairs, rules)


def settle_visits(
    masks: Sequence[Mask], flair: Sequence[Image], pairs: Sequence[Pair], rules: SeenChangeRules = AS_SHIPPED
) -> tuple[Mask, ...]:
    """Leaves the masks of every compared pair different only where its images are (`model.seen_change.settle`).

    All pairs are settled from the same masks and what each adds is put together, so that their order does not matter. A
    pair is settled again while another has added to one of its masks; masks only grow, so this ends.
    """
    now = [mask.copy() for mask in masks]
    outcome: dict[Pair, tuple[Mask, Mask]] = {}
    unsettled = list(pairs)
    while unsettled:
        for first, second in unsettled:
            settled = settle(now[first], now[second], (flair[first], flair[second]), rules)
            outcome[first, second] = settled.baseline, settled.follow_up
        for pair in unsettled:
            for visit, mask in zip(pair, outcome[pair], strict=True):
                now[visit] = now[visit] | mask
        unsettled = [
            pair
            for pair in pairs
            if any(not np.array_equal(now[visit], mask) for visit, mask in zip(pair, outcome[pair], strict=True))
        ]
    return tuple(now)
