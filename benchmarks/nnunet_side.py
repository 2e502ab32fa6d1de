"""nnU-Net's own predictor on one pair: the other side of benchmarks/inference.py, run with its Python.

    ENV/bin/python benchmarks/nnunet_side.py FOLDER plain|mirrored THREADS

Reads `pair.npz` and `weights.safetensors` of FOLDER, writes `masks.npz` and prints seconds and memory as JSON. The
network is nnU-Net's PlainConvUNet around which the reference puts the Difference Weighting block; both run as they
stand, on the CPU, in fp32.
"""

import json
import re
import resource
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from safetensors import safe_open
from torch import Tensor, nn

THEIRS: tuple[tuple[str, str], ...] = (
    (r"^encoder\.stages\.(\d+)\.", r"backbone.encoder.stages.\1.0."),
    (r"^decoder\.upsample\.", "backbone.decoder.transpconvs."),
    (r"^decoder\.stages\.", "backbone.decoder.stages."),
    (r"^decoder\.heads\.", "backbone.decoder.seg_layers."),
    (r"^weighting\.norms\.(\d+)\.", r"norms.\1."),
)
"""Our names of the weights -> nnU-Net's; the reverse of those in model/longiseg.py."""


class LongitudinalPlainConvUNet(nn.Module):
    """Current scan first, then the prior, in one tensor; both through the encoder, merged on every skip."""

    def __init__(self, config: dict) -> None:
        super().__init__()
        self.modalities = config["modalities"]
        self.backbone = PlainConvUNet(
            input_channels=config["modalities"],
            n_stages=len(config["features"]),
            features_per_stage=config["features"],
            conv_op=nn.Conv3d,
            kernel_sizes=config["kernels"],
            strides=config["strides"],
            n_conv_per_stage=config["encoder_convs"],
            num_classes=config["classes"],
            n_conv_per_stage_decoder=config["decoder_convs"],
            conv_bias=config["bias"],
            norm_op=nn.InstanceNorm3d,
            norm_op_kwargs={"eps": 1e-5, "affine": True},
            nonlin=nn.LeakyReLU,
            nonlin_kwargs={"inplace": True},
        )
        self.norms = nn.ModuleList(nn.InstanceNorm3d(n, eps=1e-5, affine=True) for n in config["features"])

    def forward(self, x: Tensor) -> Tensor:
        current = self.backbone.encoder(x[:, : self.modalities])
        prior = self.backbone.encoder(x[:, self.modalities :])
        merged = [c * norm(c - p) + c for c, p, norm in zip(current, prior, self.norms, strict=True)]
        return self.backbone.decoder(merged)


def main(folder: Path, mode: str, threads: int) -> None:
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)  # as on our side
    predictor = predictor_for(folder / "weights.safetensors", mirroring=mode == "mirrored")
    pair = np.load(folder / "pair.npz")
    baseline, follow_up = (torch.from_numpy(pair[name]) for name in ("baseline", "follow_up"))
    inputs = [torch.cat([baseline, follow_up]), torch.cat([follow_up, baseline])]
    with torch.inference_mode():
        d, h, w = predictor.configuration_manager.patch_size
        predictor.network(inputs[0][None, :, :d, :h, :w])
    began, cpu = time.perf_counter(), time.process_time()
    logits = [predictor.predict_logits_from_preprocessed_data(one) for one in inputs]
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
    masks = [(one[1] > one[0]).numpy() for one in logits]
    np.savez(folder / "masks.npz", baseline=masks[0], follow_up=masks[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "peak": peak}))


def predictor_for(weights: Path, *, mirroring: bool) -> nnUNetPredictor:
    """The predictor with the weights in nnU-Net's network; tiles and Gaussian are its defaults."""
    with safe_open(weights, framework="pt") as file:
        metadata = file.metadata()
        ours = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    config, preprocessing = (json.loads(metadata[name]) for name in ("config", "preprocessing"))
    network = LongitudinalPlainConvUNet(config).eval()
    missing, unexpected = network.load_state_dict({theirs(name): one for name, one in ours.items()}, strict=False)
    if unexpected or not all(".all_modules." in name or ".decoder.encoder." in name for name in missing):
        raise SystemExit("the weights do not fit nnU-Net's network")  # the rest are second names of the same tensors
    predictor = nnUNetPredictor(
        tile_step_size=0.5,
        use_gaussian=True,
        use_mirroring=mirroring,
        perform_everything_on_device=False,
        device=torch.device("cpu"),
        allow_tqdm=False,
    )
    predictor.manual_initialization(
        network,
        PlansManager({"configurations": {}}),
        SimpleNamespace(patch_size=preprocessing["patch"]),  # all that it is asked for
        [network.state_dict()],
        {"labels": {"background": 0, "lesion": 1}},
        "nnUNetTrainer",
        tuple(preprocessing["mirror_axes"]),
    )
    return predictor


def theirs(name: str) -> str:
    for pattern, replacement in THEIRS:
        name = re.sub(pattern, replacement, name)
    return name


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
