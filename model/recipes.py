"""How a network is trained: optimiser, learning rate over the run, which patches, which augmentation."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

RecipeName = Literal["adamw", "nnunet"]

POWER = 0.9
"""Of the polynomial decay of the learning rate."""
CLIP = 12.0
"""Largest norm of the gradient."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A way to train, whatever the network."""

    name: RecipeName
    learning_rate: float
    weight_decay: float
    warm_up: int
    """Iterations of linear rise."""
    foreground: float = 1 / 3
    """Part of the patches of real scans that are centred on a lesion voxel, as in nnU-Net."""

    def optimizer(self, parameters: Iterable[nn.Parameter], *, learning_rate: float | None) -> torch.optim.Optimizer:
        """The optimiser, with another base rate if one is given."""
        rate = learning_rate or self.learning_rate
        if self.name == "nnunet":
            return torch.optim.SGD(parameters, lr=rate, momentum=0.99, nesterov=True, weight_decay=self.weight_decay)
        return torch.optim.AdamW(parameters, lr=rate, weight_decay=self.weight_decay, betas=(0.9, 0.98))

    def rate(self, iteration: int, iterations: int, *, learning_rate: float | None = None) -> float:
        """Learning rate of an iteration: warm-up, then polynomial decay to zero."""
        left = max(0.0, 1.0 - iteration / iterations)
        warm = min(1.0, (iteration + 1) / self.warm_up) if self.warm_up else 1.0
        return (learning_rate or self.learning_rate) * warm * float(left**POWER)


RECIPES: dict[RecipeName, Recipe] = {
    "adamw": Recipe(name="adamw", learning_rate=3e-3, weight_decay=1e-2, warm_up=50),
    "nnunet": Recipe(name="nnunet", learning_rate=1e-2, weight_decay=3e-5, warm_up=0),
}
"""adamw: few iterations on CPUs. nnunet: nnU-Net's (Isensee et al. 2021, doi:10.1038/s41592-020-01008-z)."""
