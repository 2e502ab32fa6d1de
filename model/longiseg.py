"""Model folders of LongiSeg and nnU-Net, read as they stand and without executing pickles.

folder/plans.json  dataset.json  fold_X/checkpoint_final.pth
"""

import json
import pickle
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from model.checkpoint import Card, LoadedModel, Preprocessing, load, save
from model.unet import UNetConfig, Variant, build_unet

SAFE_GLOBALS: list[Any] = [
    np.float64(0).__reduce__()[0],  # the constructor of numpy scalars, by the name that checkpoints use
    np.dtype,
    np.dtypes.Float64DType,
    np.dtypes.Float32DType,
]
"""What a checkpoint may hold besides tensors and plain values: numpy scalars (the best score so far)."""

TRAINERS: tuple[tuple[str, Variant], ...] = (
    (r"^LongiSegTrainer.*DiffWeighting", "difference-weighting"),
    (r"^LongiSegTrainer", "concat"),
    (r"^nnUNetTrainer", "single"),
)
"""First pattern that fits the trainer's name decides the network."""

RENAMES: tuple[tuple[str, str], ...] = (
    (r"^backbone\.", ""),
    (r"^skip_diff_weighting\.norm_(\d+)\.", r"weighting.norms.\1."),
    (r"^encoder\.stages\.(\d+)\.0\.convs\.", r"encoder.stages.\1.convs."),
    (r"^encoder\.stem\.convs\.", "encoder.stem.convs."),
    (r"^encoder\.stages\.(\d+)\.blocks\.(\d+)\.conv2\.conv\.", r"encoder.stages.\1.blocks.\2.conv2."),
    (r"^encoder\.stages\.(\d+)\.blocks\.(\d+)\.conv2\.norm\.", r"encoder.stages.\1.blocks.\2.norm2."),
    (r"^encoder\.stages\.(\d+)\.blocks\.(\d+)\.skip\.\d+\.conv\.", r"encoder.stages.\1.blocks.\2.project.0."),
    (r"^encoder\.stages\.(\d+)\.blocks\.(\d+)\.skip\.\d+\.norm\.", r"encoder.stages.\1.blocks.\2.project.1."),
    (r"^decoder\.transpconvs\.", "decoder.upsample."),
    (r"^decoder\.seg_layers\.", "decoder.heads."),
)
"""Names of the reference's state dict -> ours."""

LAYERS: dict[str, Any] = {
    "conv_op": "Conv3d",
    "norm_op": "InstanceNorm3d",
    "norm_op_kwargs": {"eps": 1e-5, "affine": True},
    "nonlin": "LeakyReLU",
    "nonlin_kwargs": {"negative_slope": 0.01},
}
"""Layers that our networks have; others may load and give wrong masks."""

RESAMPLING: dict[str, Any] = {
    "resampling_fn_data": "resample_data_or_seg_to_shape",
    "resampling_fn_data_kwargs": {"order": 3, "order_z": 0, "force_separate_z": None},
    "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
    "resampling_fn_probabilities_kwargs": {"order": 1, "order_z": 0, "force_separate_z": None},
}
"""What `model/reference_resampling.py` does, in the words of plans.json."""

ALIASES = (".all_modules.", "decoder.encoder.")
"""The same tensors under second names."""


def convert_longiseg(folder: Path, out: Path, folds: Sequence[str] = ()) -> tuple[LoadedModel, ...]:
    """Writes one safetensors file per fold into `out`, and gives the loaded networks.

    Args:
        folder: with `plans.json`, `dataset.json` and `fold_*/checkpoint_final.pth`.
        out: a folder.
        folds: `0`, `1`, `all`...; none: every fold there is.

    Raises:
        ValueError: the folder is not a model folder of LongiSeg or nnU-Net, lacks a fold that was asked for, or a
            checkpoint holds more than tensors and plain values.
    """
    plans, dataset = _json(folder / "plans.json"), _json(folder / "dataset.json")
    checkpoints = [folder / f"fold_{fold}" / "checkpoint_final.pth" for fold in folds]
    checkpoints = checkpoints or sorted(folder.glob("fold_*/checkpoint_final.pth"))
    if not checkpoints or not all(path.is_file() for path in checkpoints):
        raise ValueError(f"folder: expected fold_{'X' if folds else '*'}/checkpoint_final.pth, saw none")
    loaded = []
    for path in checkpoints:
        checkpoint = load_checkpoint(path)
        config, preprocessing = read_plans(plans, dataset, checkpoint)
        network = build_unet(config)
        try:
            network.load_state_dict(rename(checkpoint["network_weights"]))
        except RuntimeError as error:
            raise ValueError("folder: the weights do not fit the plans") from error
        target = out / f"{path.parent.name}.safetensors"
        record = f"imported from LongiSeg, trainer {checkpoint['trainer_name']}, {path.parent.name}"
        save(target, network, preprocessing, Card(name=plans.get("dataset_name", "imported"), record=record))
        loaded.append(load(target))
    return tuple(loaded)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """The values of a .pth file; anything but tensors, plain values and numpy scalars is refused.

    Raises:
        ValueError: the file is no checkpoint, or would execute code.
    """
    try:
        with torch.serialization.safe_globals(SAFE_GLOBALS):
            stored: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ValueError("path: not a checkpoint of tensors and plain values alone") from error
    if not isinstance(stored, dict) or not {"network_weights", "trainer_name"} <= stored.keys():
        raise ValueError("path: expected network_weights and trainer_name in the checkpoint")
    return stored


def rename(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our state dict from the reference's: aliases dropped once they are seen to be equal."""
    ours: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if any(alias in name for alias in ALIASES):
            continue
        for pattern, replacement in RENAMES:
            name = re.sub(pattern, replacement, name)  # noqa: PLW2901 (a chain of renames)
        ours[name] = tensor
    for name, tensor in weights.items():
        original = _original(name)
        if original != name and original in weights and not torch.equal(weights[original], tensor):
            raise ValueError("weights: two names of one tensor hold different values")
    return ours


def read_plans(
    plans: dict[str, Any], dataset: dict[str, Any], checkpoint: dict[str, Any]
) -> tuple[UNetConfig, Preprocessing]:
    """Architecture and preprocessing from plans.json, dataset.json and the checkpoint's own notes."""
    configuration = checkpoint.get("init_args", {}).get("configuration", "3d_fullres")
    try:
        plan = plans["configurations"][configuration]
        _refuse_what_is_not_rebuilt(plan, dataset)
        network = plan["architecture"]["arch_kwargs"]
        class_name = plan["architecture"]["network_class_name"].rsplit(".", 1)[-1]
        channels = tuple(_sequence(name) for _, name in sorted(dataset["channel_names"].items()))
        residual = class_name == "ResidualEncoderUNet"
        config = UNetConfig(
            variant=_variant(checkpoint["trainer_name"]),
            modalities=len(channels),
            classes=len(dataset["labels"]),
            features=network["features_per_stage"],
            kernels=tuple(_triple(k) for k in network["kernel_sizes"]),
            strides=tuple(_triple(s) for s in network["strides"]),
            encoder_convs=network["n_blocks_per_stage" if residual else "n_conv_per_stage"],
            decoder_convs=network["n_conv_per_stage_decoder"],
            residual=residual,
            bias=network["conv_bias"],
        )
        preprocessing = Preprocessing(
            channels=channels,
            spacing_mm=plan["spacing"],
            patch=plan["patch_size"],
            mask_for_norm=plan["use_mask_for_norm"],
            skull_stripped=all(plan["use_mask_for_norm"]),
            mirror_axes=checkpoint.get("inference_allowed_mirroring_axes") or (),
            reoriented="Reorient" in plans.get("image_reader_writer", "SimpleITKIOWithReorient"),
            transpose=tuple(plans.get("transpose_forward", (0, 1, 2))),
        )
    except (KeyError, TypeError) as error:
        raise ValueError("folder: plans.json or dataset.json lacks what an architecture needs") from error
    return config, preprocessing


def _refuse_what_is_not_rebuilt(plan: dict[str, Any], dataset: dict[str, Any]) -> None:
    """Plans that ask for more than this reader rebuilds would load and give wrong masks."""
    for settings, expected in ((plan, RESAMPLING), (plan["architecture"]["arch_kwargs"], LAYERS)):
        for name, value in expected.items():
            if _other_than(settings.get(name), value):
                raise ValueError(f"folder: expected {value} as {name} in plans.json")
    if plan["architecture"]["network_class_name"].rsplit(".", 1)[-1] not in {"PlainConvUNet", "ResidualEncoderUNet"}:
        raise ValueError("folder: expected PlainConvUNet or ResidualEncoderUNet in plans.json")
    if set(plan["normalization_schemes"]) != {"ZScoreNormalization"}:
        raise ValueError("folder: expected z-score normalisation of every channel in plans.json")
    if len(plan["patch_size"]) != 3:
        raise ValueError("folder: expected a plan of 3 dimensions")
    if any(isinstance(label, list) for label in dataset["labels"].values()):
        raise ValueError("folder: expected exclusive labels, saw regions in dataset.json")


def _other_than(stated: Any, expected: Any) -> bool:
    """Whether the plans state something else; what they leave out is nnU-Net's default."""
    if isinstance(expected, dict):
        return any(_other_than((stated or {}).get(name), value) for name, value in expected.items())
    if isinstance(stated, str) and isinstance(expected, str):
        stated = stated.rsplit(".", 1)[-1]
    return stated is not None and stated != expected


def _variant(trainer: str) -> Variant:
    for pattern, variant in TRAINERS:
        if re.match(pattern, trainer):
            return variant
    raise ValueError("folder: expected a LongiSeg or nnU-Net trainer")


def _sequence(name: str) -> Literal["T1", "FLAIR"]:
    folded = name.upper().replace("-", "").replace("_", "")
    if "FLAIR" in folded:
        return "FLAIR"
    if folded.startswith(("T1", "MPRAGE")):
        return "T1"
    raise ValueError("folder: dataset.json names a channel that is neither T1 nor FLAIR")


def _triple(value: int | list[int]) -> tuple[int, int, int]:
    a, b, c = (value,) * 3 if isinstance(value, int) else value
    return a, b, c


def _original(name: str) -> str:
    """The name under which an aliased tensor is registered first."""
    name = name.replace("decoder.encoder.", "encoder.")
    name = re.sub(r"\.all_modules\.0\.", ".conv.", name)
    return re.sub(r"\.all_modules\.1\.", ".norm.", name)


def _json(path: Path) -> dict[str, Any]:
    try:
        values: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        raise ValueError(f"folder: {path.name} is missing") from None
    except json.JSONDecodeError:
        raise ValueError(f"folder: {path.name} is not JSON") from None
    return values
