"""What the pipeline needs and loads once per process: the network, the brain masker, and their settings."""

from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

import torch

from model.checkpoint import Preprocessing, load, load_all
from model.preprocess import SPACING_MM
from model.sliding_window import WindowSettings
from service.contracts.input_errors import BackendUnavailable, InvalidCheckpoint
from service.contracts.report_signature import key_of
from service.contracts.settings import Settings
from worker.brain_mask import BrainMasker, NetworkBrainMasker
from worker.inference import Ensemble
from worker.measurement_rules import MeasurementRules, load_measurement_rules, packaged_measurement_rules
from worker.series_rules import SeriesRules
from worker.series_rules_file import load_rules, packaged_rules

SHIPPED_WEIGHTS = "compact.safetensors"
ANATOMY_WEIGHTS = "anatomy.safetensors"
LARGEST_SPACING_ERROR_MM = 0.01
"""A plan's spacing is a mean over images; this much is none in any network's field of view."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """The replaceable parts of the pipeline."""

    ensemble: Ensemble
    brain_masker: BrainMasker
    series_rules: SeriesRules = field(default_factory=packaged_rules)
    measurement_rules: MeasurementRules = field(default_factory=packaged_measurement_rules)
    signing_key: bytes | None = field(default=None, repr=False)
    """Of reports; None: they are not signed."""


def tools_of(settings: Settings) -> Tools:
    """The tools that the settings of a process name, and this installation's key for its reports.

    Raises:
        InvalidOption: a key file or a file of rules cannot be used.
        InvalidCheckpoint, BackendUnavailable: as `load_tools`.
    """
    return load_tools(
        weights=settings.weights,
        device=settings.device,
        series_rules=settings.series_rules,
        measurement_rules=settings.measurement_rules,
        signing_key=key_of(settings),
    )


def load_tools(
    *,
    weights: Path | None = None,
    device: str = "auto",
    series_rules: Path | None = None,
    measurement_rules: Path | None = None,
    signing_key: bytes | None = None,
) -> Tools:
    """Tools with the weights of a file or folder, or the shipped ones.

    Args:
        weights: a safetensors file, or a folder with several (an ensemble).
        device: `cpu`, `cuda`, `cuda:N`, or `auto` for CUDA where there is one.
        series_rules: a site's file of rules for choosing T1 and FLAIR; the shipped ones where left out.
        measurement_rules: a site's file of what its numbers are measured by; likewise.
        signing_key: of reports.

    Raises:
        InvalidOption: a file of rules is not valid.
        InvalidCheckpoint: the weights cannot be used.
        BackendUnavailable: the device is not there.
    """
    rules, measuring = load_rules(series_rules), load_measurement_rules(measurement_rules)
    torch.set_flush_denormal(True)  # denormals slow convolutions on CPUs several-fold
    chosen = chosen_device(device)
    try:
        members = load_all(shipped_weights() if weights is None else weights)
    except ValueError as error:
        raise InvalidCheckpoint(str(error)) from error
    check_fits_pipeline(members[0].preprocessing)
    bf16 = _has_fast_bf16(chosen)
    for member in members:
        member.network.to(chosen)
        if bf16:  # the layout of the tiles (model/sliding_window.py)
            member.network.channels_last()
    window = WindowSettings(patch=members[0].preprocessing.patch, bf16=bf16, skip_empty=True)
    ensemble = Ensemble(members=members, device=chosen, window=window)
    return Tools(
        ensemble=ensemble,
        brain_masker=network_masker(chosen),
        series_rules=rules,
        measurement_rules=measuring,
        signing_key=signing_key,
    )


def network_masker(device: torch.device) -> NetworkBrainMasker:
    """The shipped anatomy network as a brain masker."""
    model = load(_shipped(ANATOMY_WEIGHTS))
    model.network.to(device)
    model.network.channels_last()
    return NetworkBrainMasker(model=model, bf16=_has_fast_bf16(device))


def check_fits_pipeline(preprocessing: Preprocessing) -> None:
    """The pipeline gives 1 mm brains without skull, each channel z-scored inside the brain.

    Raises:
        InvalidCheckpoint: the network was trained on something else, and its masks would be wrong without a sign of it.
    """
    problems = []
    if any(abs(mm - SPACING_MM) > LARGEST_SPACING_ERROR_MM for mm in preprocessing.spacing_mm):
        seen = " x ".join(f"{mm:g}" for mm in preprocessing.spacing_mm)
        problems.append(f"voxels of {seen} mm, expected {SPACING_MM:g} mm in each direction")
    if not preprocessing.skull_stripped:
        problems.append("whole heads, expected brains without skull")
    if not all(preprocessing.mask_for_norm):
        problems.append("normalisation over the whole image, expected inside the brain")
    if preprocessing.transpose != (0, 1, 2):
        problems.append("transposed axes, expected superior, anterior, right")
    if problems:
        raise InvalidCheckpoint("the network was trained on " + "; ".join(problems))


def shipped_weights() -> Path:
    """The lesion network's weights inside the package."""
    return _shipped(SHIPPED_WEIGHTS)


def chosen_device(name: str) -> torch.device:
    """`auto` is CUDA where there is one.

    Raises:
        BackendUnavailable: CUDA was asked for and is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise BackendUnavailable("device cuda was asked for; torch sees no CUDA device here")
    return torch.device(name)


def _shipped(name: str) -> Path:
    return Path(str(files("model"))) / "weights" / name


def _has_fast_bf16(device: torch.device) -> bool:
    """CUDA, or a CPU with bf16 instructions: without them bf16 is emulated and slower than fp32."""
    if device.type == "cuda":
        return True
    return bool(torch.cpu._is_avx512_bf16_supported()) or bool(torch.cpu._is_amx_tile_supported())  # noqa: SLF001
