"""The methods that the paper compares, by name, in two sizes."""

from typing import Annotated, Literal, get_args

from pydantic import Field, TypeAdapter

from model.denner import DennerConfig, DennerNetwork
from model.network import NetworkSize, PairNetwork
from model.swin_unetr_config import SwinUNETRConfig
from model.szeskin import SzeskinConfig, SzeskinNetwork
from model.unet import UNetConfig, Variant, build_unet
from model.wu import WuConfig, WuNetwork

Plan = Literal["compact", "full"]
Method = Literal["difference-weighting", "longitudinal-concat", "single", "swin-unetr", "denner", "szeskin", "wu"]
METHODS: tuple[Method, ...] = get_args(Method)

NetworkConfig = Annotated[
    UNetConfig | SwinUNETRConfig | DennerConfig | SzeskinConfig | WuConfig, Field(discriminator="variant")
]

FEATURES: dict[Plan, tuple[int, ...]] = {
    "compact": (16, 32, 64, 128, 160),
    "full": (32, 64, 128, 256, 320, 320),
}
"""compact: 4.1 M parameters, for CPUs. full: the paper's MS plan, 31.2 M parameters."""

WITHOUT_PRIOR = ("single", "swin-unetr")

_CONFIG: TypeAdapter[NetworkConfig] = TypeAdapter(NetworkConfig)


def plan(name: Plan, method: Method = "difference-weighting") -> NetworkConfig:
    """The configuration of a method at a size."""
    full = name == "full"
    match method:
        case "difference-weighting" | "single":
            return unet_plan(name, method)
        case "longitudinal-concat":
            return unet_plan(name, "concat")
        case "swin-unetr":
            return SwinUNETRConfig(feature_size=48 if full else 12)
        case "denner":
            return DennerConfig(first=48, growth=12, layers=(4,) * 6) if full else DennerConfig(growth=8)
        case "szeskin":
            return SzeskinConfig(features=(32, 64, 128, 256, 320) if full else (8, 16, 32, 64, 128))
        case "wu":
            return WuConfig(backbone=unet_plan(name, "single"))


def unet_plan(name: Plan, variant: Variant) -> UNetConfig:
    """nnU-Net's plan: two 3x3x3 convolutions a stage, stride 2 between stages."""
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


def build(config: NetworkSize) -> PairNetwork:
    """The network that the config describes, on the default device, with fresh weights."""
    match config:
        case UNetConfig():
            return build_unet(config)
        case SwinUNETRConfig():
            from model.swin_unetr import SwinUNETRNetwork  # noqa: PLC0415 (MONAI takes seconds to import)

            return SwinUNETRNetwork(config)
        case DennerConfig():
            return DennerNetwork(config)
        case SzeskinConfig():
            return SzeskinNetwork(config)
        case WuConfig():
            return WuNetwork(config)
    raise ValueError(f"config: {type(config).__name__} is no network of ours")


def read_config(text: str) -> NetworkConfig:
    """A configuration from its JSON.

    Raises:
        ValidationError: it describes no network of ours.
    """
    return _CONFIG.validate_json(text)


def takes_prior(config: NetworkConfig) -> bool:
    """Whether the method looks at a prior scan at all."""
    return config.variant not in WITHOUT_PRIOR
