"""What a SwinUNETR is built from: apart from the network, which imports MONAI and all that it brings."""

from typing import Literal

from model.network import NetworkSize


class SwinUNETRConfig(NetworkSize):
    """MONAI's defaults but for the width."""

    variant: Literal["swin-unetr"] = "swin-unetr"
    feature_size: int = 48
