"""Lesion probability of both time points from a prepared pair."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from numpy.typing import NDArray
from torch import Tensor

from model.calling import Thresholds
from model.checkpoint import LoadedModel
from model.sliding_window import WindowSettings, predict_asked
from service.contracts.options import CompareOptions
from worker.case import NetworkInput, Prediction

Report = Callable[[float], None]
Scan = Float32[NDArray[Any], "channel d h w"]
Probability = Float32[NDArray[Any], "d h w"]


Asked = tuple[int, int]
"""A scan and its prior, by their numbers; the same number twice: the scan is its own prior."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble:
    """Networks of one plan on one device; their logits are averaged."""

    members: tuple[LoadedModel, ...]
    device: torch.device
    window: WindowSettings

    def thresholds(self, options: CompareOptions) -> Thresholds:
        """As the options ask, else as the weights' card states them."""
        of_card = self.members[0].card.thresholds
        return replace(
            of_card,
            voxel=of_card.voxel if options.threshold is None else options.threshold,
            lesion=of_card.lesion if options.lesion_threshold is None else options.lesion_threshold,
        )

    def alone(self, asked: Sequence[Asked], options: CompareOptions) -> list[Asked]:
        """The second opinions of a pair or course, each scan its own prior; none where nothing is made of them.

        Of the scans that are asked for given another: one that is its own prior anyway has said it already.
        """
        for_certainty = options.certainty and options.prior_for_first == "follow-up"
        wanted = for_certainty or self.thresholds(options).self_prior > 0
        return [(scan, scan) for scan in sorted({scan for scan, prior in asked if scan != prior})] if wanted else []


def predict(prepared: NetworkInput, *, ensemble: Ensemble, options: CompareOptions, progress: Report) -> Prediction:
    """Probabilities on the common grid; outside the brain there is no lesion.

    Without a baseline the scan is its own prior. Second opinions are asked for of a pair whose scans are each other's
    priors, and of every pair where the weights' card gives them a part in how sure a lesion is.
    """
    scans = [scan for scan in (prepared.baseline, prepared.follow_up) if scan is not None]
    first = [(0, 0)] if len(scans) == 1 else asked_of_pair((0, 1), options)
    second = ensemble.alone(first, options)
    found = predict_asked_of(scans, [*first, *second], ensemble=ensemble, options=options, progress=progress)
    maps = [np.where(prepared.brain, one, np.float32(0.0)) for one in found]
    alone = {scan: one for (scan, _), one in zip(second, maps[len(first) :], strict=True)}
    return Prediction(
        baseline=maps[0] if prepared.baseline is not None else None,
        follow_up=maps[len(first) - 1],
        baseline_alone=alone.get(0),
        follow_up_alone=alone.get(1),
    )


def asked_of_pair(pair: tuple[int, int], options: CompareOptions) -> list[Asked]:
    """The earlier scan and the later one, each with its prior."""
    first, second = pair
    return [(first, first if options.prior_for_first == "self" else second), (second, first)]


def predict_asked_of(
    scans: Sequence[Scan], asked: Sequence[Asked], *, ensemble: Ensemble, options: CompareOptions, progress: Report
) -> list[Probability]:
    """Lesion probability of each scan that is asked for, given its prior; the mean logits of the ensemble.

    Args:
        scans: on one 1 mm grid, (channel, d, h, w), T1 and FLAIR.
        asked: what to predict; each scan goes through each encoder once.
        ensemble: the networks.
        options: of the comparison: mirroring.
        progress: of 1.
    """
    tensors = [_on_device(scan, ensemble) for scan in scans]
    totals: list[Tensor] = []
    for number, member in enumerate(ensemble.members):
        share = _share(progress, number, len(ensemble.members))
        settings = _window(ensemble, options)
        logits = predict_asked(member.network, tensors, asked, settings=settings, progress=share)
        totals = [a + b for a, b in zip(totals, logits, strict=True)] if totals else logits
    return [torch.softmax(total / len(ensemble.members), dim=0)[1].cpu().numpy() for total in totals]


def _window(ensemble: Ensemble, options: CompareOptions) -> WindowSettings:
    axes = ensemble.members[0].preprocessing.mirror_axes if options.mirroring else ()
    return replace(ensemble.window, mirror_axes=axes)


def _on_device(array: Scan, ensemble: Ensemble) -> Tensor:
    """Channels in the order of the checkpoint; ours is T1, FLAIR."""
    order = [("T1", "FLAIR").index(name) for name in ensemble.members[0].preprocessing.channels]
    return torch.from_numpy(np.ascontiguousarray(array[order])).to(ensemble.device)


def _share(progress: Report, number: int, count: int) -> Report:
    return lambda part: progress((number + part) / count)
