"""What every network for a pair of scans offers, whatever it does with the prior.

current --encode--> features --+
                               +--decode--> logits of the current scan
prior ----encode--> features --+            (and, the other way round, of the prior)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int32, Int64
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from model.blocks import Features

Scan = Float[Tensor, "batch _modality _depth _height _width"]
Logits = Float[Tensor, "batch classes _depth _height _width"]
Target = Int64[Tensor, "batch 1 _depth _height _width"]
Territories = Int32[Tensor, "batch 1 _depth _height _width"]
"""Which lesion of its example each voxel is nearest to (`model.territories`)."""
Segmentation = Callable[[Sequence[Tensor], Tensor, Tensor | None], Tensor]
"""Loss of logits (every decoder stage, finest first) against a target and, where they are known, its territories."""
UNKNOWN = -1
"""In a target: a voxel that may or may not be lesion (nnU-Net's `ignore`); no loss looks at it."""


class NetworkSize(BaseModel):
    """What the sliding window and the training need to know of any network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    modalities: int = 2
    classes: int = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """Two scans of one head each, on one grid, with the lesions of both."""

    current: Scan
    prior: Scan
    target: Target
    """1 in the lesions of the current scan, 0 elsewhere, `UNKNOWN` where nobody can tell."""
    prior_target: Target
    """Likewise of the prior."""
    territories: Territories | None = None
    """Of the target's lesions; None: nobody has looked for them."""
    prior_territories: Territories | None = None
    """Of the prior target's."""

    def turned(self) -> "Batch":
        """The prior as the current scan, the current one as its prior."""
        return Batch(
            current=self.prior,
            prior=self.current,
            target=self.prior_target,
            prior_target=self.target,
            territories=self.prior_territories,
            prior_territories=self.territories,
        )


class PairNetwork(nn.Module):
    """`encode` each scan once, `decode` one scan given the other.

    `forward` gives a list of logits of the current scan: finest only in evaluation, every decoder stage while
    training.
    """

    config: NetworkSize

    def encode(self, scan: Scan) -> list[Features]:
        """What `decode` needs of one scan; computed once per scan and used for both directions."""
        raise NotImplementedError

    def decode(self, current: list[Features], prior: list[Features]) -> list[Logits]:
        """Logits of the current scan given the prior."""
        raise NotImplementedError

    def channels_last(self) -> "PairNetwork":
        """The network itself, 3D kernels laid out for speed; `Module.to` fails where there are 2D ones beside them."""
        for parameter in self.parameters():
            if parameter.dim() == 5:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last_3d)
        return self

    def forward(self, current: Scan, prior: Scan) -> list[Logits]:
        of_current = self.encode(current)
        of_prior = of_current if prior is current else self.encode(prior)
        return self.decode(of_current, of_prior)

    def loss(self, batch: Batch, segmentation: Segmentation) -> Float[Tensor, ""]:
        """Mean of both temporal directions; each scan is encoded once, and its own prior needs no second direction."""
        if torch.equal(batch.current, batch.prior) and torch.equal(batch.target, batch.prior_target):
            alone = self.encode(batch.current)
            return segmentation(self.decode(alone, alone), batch.target, batch.territories)
        of_current, of_prior = self.encode(batch.current), self.encode(batch.prior)
        there = segmentation(self.decode(of_current, of_prior), batch.target, batch.territories)
        back = segmentation(self.decode(of_prior, of_current), batch.prior_target, batch.prior_territories)
        return torch.stack((there, back)).mean()
