"""One update of a network: its loss, its gradient, the rate that is due, and what becomes of a gradient of no use."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from model.network import Batch, PairNetwork, Segmentation
from model.recipes import CLIP, RECIPES
from model.training_settings import TrainingSettings, length
from model.training_state import TrainingState

LARGEST_NORM = 1e6
"""Ordinary gradients are below 100 before they are clipped. On an empty patch each InstanceNorm multiplies rounding
errors by 300, up to 1e17 and infinity in bf16: clipped, that is a step in a random direction."""
MOST_UNUSABLE = 100
"""Unusable gradients in a row are no accident of the patches."""


class Step(nn.Module):
    """The loss as a forward pass, which is what DistributedDataParallel can share."""

    def __init__(self, network: PairNetwork, segmentation: Segmentation) -> None:
        super().__init__()
        self.network, self.segmentation = network, segmentation

    def forward(
        self, current: Tensor, prior: Tensor, target: Tensor, prior_target: Tensor, *territories: Tensor
    ) -> Tensor:
        """The loss of a batch, `territories` of both targets or of none."""
        of_target, of_prior = territories or (None, None)
        batch = Batch(
            current=current,
            prior=prior,
            target=target,
            prior_target=prior_target,
            territories=of_target,
            prior_territories=of_prior,
        )
        return self.network.loss(batch, self.segmentation)


def iterate(
    settings: TrainingSettings, state: TrainingState, step: nn.Module, batch: Sequence[Tensor]
) -> tuple[float, float]:
    """One iteration at the rate that is due; the loss before it, and the rate."""
    torch.manual_seed(settings.seed + state.iteration)  # some losses draw: the same after a stop
    recipe = RECIPES[settings.recipe]
    rate = recipe.rate(state.iteration, length(settings, state), learning_rate=settings.learning_rate)
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    value = update(state, step, batch)
    state.iteration += 1
    return value, rate


def update(state: TrainingState, step: nn.Module, batch: Sequence[Tensor]) -> float:
    """One update, none if the gradient cannot be used; the loss before it."""
    device = next(state.network.parameters()).device
    scans = [tensor.to(device, memory_format=torch.channels_last_3d) for tensor in batch[:2]]
    targets = [tensor.to(device) for tensor in batch[2:]]
    state.network.train()
    with torch.autocast(device.type, dtype=torch.bfloat16):
        value: Tensor = step(*scans, *targets)
    state.optimizer.zero_grad(set_to_none=True)
    value.backward()  # type: ignore[no-untyped-call]
    norm = nn.utils.clip_grad_norm_(state.network.parameters(), CLIP)
    if norm < LARGEST_NORM:
        state.unusable = 0
        state.optimizer.step()
        state.average.update_parameters(state.network)
    else:
        state.unusable += 1
    if state.unusable >= MOST_UNUSABLE:
        raise ValueError(f"learning_rate: no usable gradient in the {MOST_UNUSABLE} iterations to {state.iteration}")
    return value.item()
