"""SwinUNETR on one time point, MONAI's network (Hatamizadeh et al. 2022, arXiv 2201.01266)."""

import torch
from monai.networks.blocks.unetr_block import UnetrBasicBlock
from monai.networks.nets.swin_unetr import SwinUNETR
from torch import Tensor
from torch.nn import functional

from model.blocks import Features
from model.network import Logits, PairNetwork, Scan
from model.swin_unetr_config import SwinUNETRConfig

STRIDE = 32
"""Patch embedding and four merges halve five times: MONAI asks for multiples of this."""


class FullPrecisionBlock(UnetrBasicBlock):
    """MONAI's block, never in bf16: at 2x2x2 voxels oneDNN's bf16 weight gradient reads memory that nobody wrote."""

    def forward(self, inp: Tensor) -> Tensor:
        with torch.autocast(inp.device.type, enabled=False):
            found: Tensor = super().forward(inp.float())  # type: ignore[no-untyped-call]
        return found


class SwinUNETRNetwork(PairNetwork):
    """The prior is not looked at; the scan is padded with zeros to what the windows need."""

    config: SwinUNETRConfig

    def __init__(self, config: SwinUNETRConfig) -> None:
        super().__init__()
        self.config = config
        self.network = SwinUNETR(
            in_channels=config.modalities, out_channels=config.classes, feature_size=config.feature_size
        )
        coarsest = 16 * config.feature_size
        self.network.encoder10 = FullPrecisionBlock(3, coarsest, coarsest, 3, 1, "instance", res_block=True)

    def encode(self, scan: Scan) -> list[Features]:
        size = scan.shape[2:]
        d, h, w = (-n % STRIDE for n in size)
        w = max(w, 2 * STRIDE - size[2])  # the coarsest features need two voxels to be normalised
        logits: Tensor = self.network(functional.pad(scan, (0, w, 0, h, 0, d)))
        return [logits[:, :, : size[0], : size[1], : size[2]]]

    def decode(self, current: list[Features], prior: list[Features]) -> list[Logits]:  # noqa: ARG002 (one interface)
        return current
