"""Plans of other people: rebuilt exactly, or refused by name."""

from typing import Any

import pytest
import torch

from model.longiseg import read_plans, rename
from model.unet import build_unet

CHECKPOINT = {"trainer_name": "LongiSegTrainerDiffWeighting", "init_args": {"configuration": "3d_fullres"}}
DATASET = {"channel_names": {"0": "T1", "1": "FLAIR"}, "labels": {"background": 0, "lesion": 1}}


def plans(
    *,
    network: str = "PlainConvUNet",
    transpose: tuple[int, ...] = (0, 1, 2),
    layers: dict[str, Any] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    blocks = "n_blocks_per_stage" if network == "ResidualEncoderUNet" else "n_conv_per_stage"
    architecture = {
        "network_class_name": f"dynamic_network_architectures.architectures.unet.{network}",
        "arch_kwargs": {
            "features_per_stage": [4, 8],
            "kernel_sizes": [[3, 3, 3], [3, 3, 3]],
            "strides": [[1, 1, 1], [1, 2, 2]],
            blocks: [1, 2],
            "n_conv_per_stage_decoder": [1],
            "conv_bias": True,
            **(layers or {}),
        },
    }
    plan = {
        "architecture": architecture,
        "spacing": [1.0, 1.0, 1.0],
        "patch_size": [16, 16, 16],
        "use_mask_for_norm": [True, True],
        "normalization_schemes": ["ZScoreNormalization", "ZScoreNormalization"],
    }
    return {"transpose_forward": list(transpose), "configurations": {"3d_fullres": {**plan, **changes}}}


@pytest.mark.parametrize(
    ("trainer", "variant"),
    [
        ("LongiSegTrainerDiffWeighting", "difference-weighting"),
        ("LongiSegTrainer", "concat"),
        ("nnUNetTrainerNoLongi", "single"),
        ("nnUNetTrainer", "single"),
    ],
)
def test_the_trainers_name_decides_the_network(trainer: str, variant: str) -> None:
    config, _ = read_plans(plans(), DATASET, {**CHECKPOINT, "trainer_name": trainer})

    assert config.variant == variant


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (plans(resampling_fn_data="resample_torch_fornnunet"), "resampling_fn_data"),
        (plans(resampling_fn_data_kwargs={"order": 1}), "resampling_fn_data_kwargs"),
        (plans(network="SomeOtherUNet"), "PlainConvUNet"),
        (plans(layers={"nonlin": "torch.nn.ReLU"}), "LeakyReLU"),
        (plans(layers={"nonlin_kwargs": {"negative_slope": 0.2}}), "negative_slope"),
        (plans(normalization_schemes=["ZScoreNormalization", "CTNormalization"]), "z-score"),
        (plans(patch_size=[64, 64]), "3 dimensions"),
        (plans(use_mask_for_norm=None), "lacks"),
        ({}, "lacks"),
    ],
)
def test_plans_that_cannot_be_rebuilt_are_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_plans(changed, DATASET, CHECKPOINT)


def test_regions_for_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="regions"):
        read_plans(plans(), {**DATASET, "labels": {"background": 0, "lesion": [1, 2]}}, CHECKPOINT)


def test_names_of_a_residual_encoder_find_their_place() -> None:
    config, _ = read_plans(plans(network="ResidualEncoderUNet"), DATASET, CHECKPOINT)
    pairs = ("weight", "bias")
    conv_norms = ["encoder.stem.convs.0", "decoder.stages.0.convs.0"]
    conv_norms += [f"encoder.stages.{s}.blocks.{b}.conv{c}" for s, b in [(0, 0), (1, 0), (1, 1)] for c in (1, 2)]
    names = [f"backbone.{block}.{layer}.{kind}" for block in conv_norms for layer in ("conv", "norm") for kind in pairs]
    # short cut of the first block of stage 1: pooling has no weights, so its projection is the second entry
    names += [f"backbone.encoder.stages.1.blocks.0.skip.1.{end}" for end in ("conv.weight", "norm.weight", "norm.bias")]
    names += [f"backbone.decoder.{layer}.0.{kind}" for layer in ("transpconvs", "seg_layers") for kind in pairs]
    names += [f"skip_diff_weighting.norm_{stage}.{kind}" for stage in (0, 1) for kind in pairs]

    ours = rename({name: torch.zeros(1) for name in names})

    assert set(ours) == set(build_unet(config).state_dict())
