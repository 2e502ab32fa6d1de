"""What a training run is, in values: its settings, its scans, its length, and the line that its weights carry."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from model.blocks import Triple
from model.denner import DennerConfig
from model.prepared_patients import PreparedPatient
from model.recipes import RecipeName
from model.swin_unetr_config import SwinUNETRConfig
from model.szeskin import SzeskinConfig
from model.training_state import TrainingState
from model.unet import UNetConfig
from model.wu import WuConfig
from model.zoo import Method, NetworkConfig, Plan

KEPT_APART = "kept_apart"
"""Patients of the validation, in the checkpoint's settings."""
TOO_FEW = 2
"""Voxels across the coarsest stage of a U-Net: at 2x2x2 oneDNN's bf16 weight gradients are not finite.

SwinUNETR may have so few: its coarsest convolutions are not in bf16."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """One run; what is here is written into the checkpoint."""

    out: Path
    data: Path | None = None
    """Folder that synthetic pairs are made from; None: labelled scans alone."""
    method: Method = "difference-weighting"
    plan: Plan = "compact"
    recipe: RecipeName = "adamw"
    patch: Triple = (80, 96, 80)
    iterations: int = 2000
    batch: int = 1
    learning_rate: float | None = None
    """None: the recipe's."""
    lesion_balance: float = 0.0
    """Weight of the loss's term in which every lesion counts the same (`model.losses.lesion_dice_loss`)."""
    ema_decay: float = 0.99
    synthetic_share: float = 0.5
    """Part of the examples that are synthetic where there are labelled scans as well."""
    hold_out: tuple[str, ...] = ()
    """Patients of the synthetic pool that are left out of it."""
    marked_scans: Path | None = None
    """Folder of more real scans for the synthetic pool (`model.mark_scans`)."""
    minutes: float | None = None
    """The run ends, at rate zero, after this time, or after `iterations` if they come first."""
    weights: Path | None = None
    """Weights that the run begins with, of the same method and size; None: fresh ones. A checkpoint goes before."""
    seed: int = 1
    threads: int = 1
    loaders: int = 1
    device: str = "cpu"
    cache: Path | None = None
    """Where prepared scans and the synthetic pool are kept; None: beside `out`."""
    save_every: int = 100
    validate_every: int = 250

    @property
    def kept_in(self) -> Path:
        """The folder of the caches."""
        return self.cache or self.out.parent


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingScans:
    """Labelled scans, patients apart."""

    training: Sequence[PreparedPatient] = ()
    validation: Sequence[PreparedPatient] = ()


def check_patch(config: NetworkConfig, patch: Triple) -> None:
    """Refuses a patch that the network's strides do not divide, or of which they leave next to nothing.

    Raises:
        ValueError: the patch does not fit.
    """
    strides, divided = _strides(config)
    smallest = TOO_FEW if isinstance(config, SwinUNETRConfig) else TOO_FEW + 1
    if any((divided and n % by) or math.ceil(n / by) < smallest for n, by in zip(patch, strides, strict=True)):
        kind = "multiples of" if divided else "more than"
        least = strides if divided else tuple((smallest - 1) * by for by in strides)
        ending = f" and above {TOO_FEW} of them" if divided else ""
        raise ValueError(f"patch: expected {kind} {' '.join(map(str, least))}{ending}, saw {' '.join(map(str, patch))}")


def settings_as_text(settings: TrainingSettings, scans: TrainingScans) -> dict[str, str]:
    """What a checkpoint keeps of a run."""
    values = {key: str(value) for key, value in asdict(settings).items()}
    return {**values, KEPT_APART: kept_apart(scans)}


def kept_apart(scans: TrainingScans) -> str:
    """Names of the patients that are validated on, by comma."""
    return ",".join(sorted(patient.name for patient in scans.validation))


def record(settings: TrainingSettings, scans: TrainingScans, iteration: int) -> str:
    """The line on the training that the weights carry."""
    of = "" if settings.minutes else f" of {settings.iterations}"
    balance = f" with lesion balance {settings.lesion_balance:g}" if settings.lesion_balance else ""
    return (
        f"{settings.recipe}{balance} on {_made_of(settings, scans)}, {iteration}{of} iterations, seed {settings.seed}"
    )


def over(settings: TrainingSettings, state: TrainingState) -> bool:
    """Whether the run has had its iterations or its time."""
    in_time = settings.minutes is None or state.elapsed_s < 60 * settings.minutes
    return state.iteration >= settings.iterations or not in_time


def length(settings: TrainingSettings, state: TrainingState) -> int:
    """Iterations that the run will have; of one that ends by time, at its speed so far."""
    if settings.minutes is None or state.elapsed_s <= 0:
        return settings.iterations
    expected = state.iteration * 60 * settings.minutes / state.elapsed_s
    return min(settings.iterations, max(state.iteration + 1, round(expected)))


def _made_of(settings: TrainingSettings, scans: TrainingScans) -> str:
    words = []
    if scans.training:
        apart = f" ({len(scans.validation)} kept apart)" if scans.validation else ""
        words.append(f"labelled scans of {len(scans.training)} patients{apart}")
    if settings.data is not None:
        share = f" ({settings.synthetic_share:.0%})" if scans.training else ""
        words.append(f"synthetic pairs{share}")
    more = " and scans marked by weights" if settings.marked_scans else ""
    begun = f", begun with {settings.weights.name}" if settings.weights else ""
    without = f" without {', '.join(settings.hold_out)}" if settings.hold_out else ""
    return " and ".join(words) + more + without + begun


def _strides(config: NetworkConfig) -> tuple[Triple, bool]:
    """Voxels of one voxel of the coarsest stage, and whether the patch must be a multiple (others are padded)."""
    match config:
        case UNetConfig():
            a, b, c = (math.prod(stride[axis] for stride in config.strides) for axis in range(3))
            return (a, b, c), True
        case WuConfig():
            return _strides(config.backbone)
        case SwinUNETRConfig():
            coarsest = 32
        case DennerConfig():
            coarsest = 2 ** (len(config.layers) - 1)
        case SzeskinConfig():
            coarsest = 2 ** (len(config.features) - 1)
    return (coarsest, coarsest, coarsest), False
