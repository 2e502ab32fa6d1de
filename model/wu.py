"""All lesions and new lesions from a pair, with a constraint between the two.

Source: Wu et al. 2023 (CoactSeg), arXiv 2307.04513: one network sees baseline, follow-up and their difference, segments
all lesions and new lesions with a head each, and a relation between the two regularises it. The backbone (our U-Net),
the form of the relation and the training in both directions are ours.
"""

from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from model.blocks import Features
from model.network import Batch, Logits, NetworkSize, PairNetwork, Scan, Segmentation
from model.new_lesions import new_lesion_target
from model.unet import Decoder, Encoder, UNetConfig

RELATION_WEIGHT = 0.5


class WuConfig(NetworkSize):
    """The backbone is a U-Net of the plan."""

    variant: Literal["wu"] = "wu"
    backbone: UNetConfig


class WuNetwork(PairNetwork):
    """Current, prior and their difference as channels of one input; two heads on one decoder."""

    config: WuConfig

    def __init__(self, config: WuConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config.backbone, 3 * config.modalities)
        self.decoder = Decoder(config.backbone)
        self.new_head = nn.Conv3d(config.backbone.features[0], 2, 1)

    def encode(self, scan: Scan) -> list[Features]:
        return [scan]

    def decode(self, current: list[Features], prior: list[Features]) -> list[Logits]:
        stages = self._stages(current[0], prior[0])
        return self._all_lesions(stages)

    def new_lesions(self, current: Scan, prior: Scan) -> Float[Tensor, "batch 2 _depth _height _width"]:
        """Logits of what is lesion now and was none before."""
        logits: Tensor = self.new_head(self._stages(current, prior)[0])
        return logits

    def loss(self, batch: Batch, segmentation: Segmentation) -> Float[Tensor, ""]:
        return torch.stack((self._loss(batch, segmentation), self._loss(batch.turned(), segmentation))).mean()

    def _loss(self, batch: Batch, segmentation: Segmentation) -> Tensor:
        stages = self._stages(batch.current, batch.prior)
        lesions, new = self._all_lesions(stages), self.new_head(stages[0])
        of_new = segmentation([new], new_lesion_target(batch.target, batch.prior_target), None)
        of_all = segmentation(lesions, batch.target, batch.territories)
        return of_all + of_new + RELATION_WEIGHT * relation(lesions[0], new, batch.prior_target)

    def _stages(self, current: Scan, prior: Scan) -> list[Features]:
        return self.decoder.stages_of(self.encoder(torch.cat((current, prior, current - prior), dim=1)))

    def _all_lesions(self, stages: list[Features]) -> list[Logits]:
        heads = list(self.decoder.heads)[::-1]  # finest first, as the stages are
        used = zip(stages, heads, strict=True) if self.training else [(stages[0], heads[0])]
        return [head(stage) for stage, head in used]


def relation(
    lesions: Float[Tensor, "batch classes d h w"],
    new: Float[Tensor, "batch 2 d h w"],
    prior_target: Int64[Tensor, "batch 1 d h w"],
) -> Float[Tensor, ""]:
    """How far new lesions lie outside all lesions of the current scan, or inside those of the prior."""
    p_all, p_new = (logits.float().softmax(1)[:, 1] for logits in (lesions, new))
    outside = torch.relu(p_new - p_all).mean()
    old = prior_target > 0
    inside_old = (p_new * old[:, 0]).sum() / old.sum().clamp(min=1)
    return outside + inside_old
