"""Networks by name."""

from typing import Literal

from model.unet import UNetConfig, Variant

Plan = Literal["compact", "full"]

FEATURES: dict[Plan, tuple[int, ...]] = {
    "compact": (16, 32, 64, 128, 160),
    "full": (32, 64, 128, 256, 320, 320),
}
"""compact: 4.1 M parameters, for CPUs. full: the paper's MS plan, 31.2 M parameters."""


def plan(name: Plan, variant: Variant = "difference-weighting") -> UNetConfig:
    """The configuration of a plan: two 3x3x3 convolutions a stage, stride 2 between stages."""
    features = FEATURES[name]
    stages = len(features)
    return UNetConfig(
        variant=variant,
        features=features,
        kernels=((3, 3, 3),) * stages,
        strides=((1, 1, 1), *(((2, 2, 2),) * (stages - 1))),
        encoder_convs=(2,) * stages,
        decoder_convs=(2,) * (stages - 1),
    )
