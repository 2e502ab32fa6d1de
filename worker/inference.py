"""Lesion probability of both time points from a prepared pair."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from numpy.typing import NDArray
from torch import Tensor

from model.calling import Thresholds
from model.checkpoint import LoadedModel
from model.sliding_window import WindowSettings, predict_one, predict_pair, predict_pair_and_alone
from service.contracts.options import CompareOptions
from worker.case import NetworkInput, Prediction

Report = Callable[[float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble:
    """Networks of one plan on one device; their logits are averaged."""

    members: tuple[LoadedModel, ...]
    device: torch.device
    window: WindowSettings

    def thresholds(self, options: CompareOptions) -> Thresholds:
        """As the options ask, else as the weights' card states them."""
        card = self.members[0].card
        return Thresholds(
            voxel=card.threshold if options.threshold is None else options.threshold,
            lesion=card.lesion_threshold if options.lesion_threshold is None else options.lesion_threshold,
        )


def predict(prepared: NetworkInput, *, ensemble: Ensemble, options: CompareOptions, progress: Report) -> Prediction:
    """Probabilities on the common grid.

    Without a baseline the scan is its own prior, and one encoder pass serves both. Second opinions are asked for of a
    pair whose scans are each other's priors.
    """
    scans = [_on_device(array, ensemble) for array in (prepared.baseline, prepared.follow_up) if array is not None]
    window = _window(ensemble, options)
    totals: list[Tensor] = []
    for number, member in enumerate(ensemble.members):
        share = _share(progress, number, len(ensemble.members))
        logits = _logits(member, scans, window, options, share)
        totals = [a + b for a, b in zip(totals, logits, strict=True)] if totals else logits
    maps = [_probability(total / len(ensemble.members), prepared) for total in totals]
    return Prediction(
        baseline=maps[0] if prepared.baseline is not None else None,
        follow_up=maps[min(1, len(maps) - 1)],
        baseline_alone=maps[2] if len(maps) == 4 else None,
        follow_up_alone=maps[3] if len(maps) == 4 else None,
    )


def _logits(
    member: LoadedModel, scans: list[Tensor], window: WindowSettings, options: CompareOptions, progress: Report
) -> list[Tensor]:
    network = member.network
    if len(scans) == 1:
        return [predict_one(network, scans[0], None, settings=window, progress=progress)]
    baseline, follow_up = scans
    if options.prior_for_first == "follow-up" and options.certainty:
        return list(predict_pair_and_alone(network, baseline, follow_up, settings=window, progress=progress))
    if options.prior_for_first == "follow-up":
        return list(predict_pair(network, baseline, follow_up, settings=window, progress=progress))
    first = predict_one(network, baseline, None, settings=window, progress=_share(progress, 0, 2))
    second = predict_one(network, follow_up, baseline, settings=window, progress=_share(progress, 1, 2))
    return [first, second]


def _window(ensemble: Ensemble, options: CompareOptions) -> WindowSettings:
    axes = ensemble.members[0].preprocessing.mirror_axes if options.mirroring else ()
    return replace(ensemble.window, mirror_axes=axes)


def _on_device(array: Float32[NDArray[Any], "channel d h w"], ensemble: Ensemble) -> Tensor:
    """Channels in the order of the checkpoint; ours is T1, FLAIR."""
    order = [("T1", "FLAIR").index(name) for name in ensemble.members[0].preprocessing.channels]
    return torch.from_numpy(np.ascontiguousarray(array[order])).to(ensemble.device)


def _probability(logits: Tensor, prepared: NetworkInput) -> Float32[NDArray[Any], "d h w"]:
    """Softmax of the lesion class; outside the brain there is no lesion."""
    lesion = torch.softmax(logits, dim=0)[1].cpu().numpy()
    return np.where(prepared.brain, lesion, np.float32(0.0))


def _share(progress: Report, number: int, count: int) -> Report:
    return lambda part: progress((number + part) / count)
