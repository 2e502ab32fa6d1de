"""Weights that travel: one safetensors file with everything that is needed to use them, and no code in it."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from model.blocks import Triple
from model.calling import Thresholds
from model.network import PairNetwork
from model.zoo import NetworkConfig, build, read_config

FORMAT = "msdelta-1"


class Preprocessing(BaseModel):
    """How images become network input."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channels: tuple[Literal["T1", "FLAIR", "any"], ...] = ("T1", "FLAIR")
    """`any`: one image of any contrast (the anatomy network)."""
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
    patch: Triple
    mask_for_norm: tuple[bool, ...] = (True, True)
    """Per channel: z-score inside the nonzero region only."""
    skull_stripped: bool = True
    """The network was trained on brains without skull."""
    mirror_axes: tuple[int, ...] = (0, 1, 2)
    """Axes that test-time mirroring may use."""
    reoriented: bool = True
    """The network was trained on arrays in RAS; otherwise on those of the files."""
    transpose: tuple[int, int, int] = (0, 1, 2)
    """Array axis that each axis of the network is; spacing, patch and mirror axes are the network's."""


class Card(BaseModel):
    """What a report says of the weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    record: str = ""
    """A line on the training."""
    threshold: float = 0.5
    """Lesion probability of a voxel."""
    lesion_threshold: float = 0.0
    """Lesion probability of a lesion's surest voxel (`model/calling.py`)."""
    self_prior: float = 0.0
    """Part of the scan as its own prior in how sure a lesion is."""

    @property
    def thresholds(self) -> Thresholds:
        """From here on there is lesion."""
        return Thresholds(voxel=self.threshold, lesion=self.lesion_threshold, self_prior=self.self_prior)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A network ready to use, in evaluation mode, on the CPU."""

    network: PairNetwork
    config: NetworkConfig
    preprocessing: Preprocessing
    card: Card
    sha256: str


def save(path: Path, network: PairNetwork, preprocessing: Preprocessing, card: Card, *, half: bool = False) -> None:
    """Writes the weights and what is needed to use them; `half` of the size in half precision."""
    tensors: dict[str, Tensor] = {
        key: (value.half() if half else value).detach().cpu().contiguous()
        for key, value in network.state_dict().items()
    }
    metadata = {
        "format": FORMAT,
        "config": network.config.model_dump_json(),
        "preprocessing": preprocessing.model_dump_json(),
        "card": card.model_dump_json(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata)


def load(path: Path) -> LoadedModel:
    """The network of one safetensors file.

    Raises:
        ValueError: not a file of ours, or its tensors do not fit the architecture it states.
    """
    metadata, tensors = _read(path)
    if metadata.get("format") != FORMAT:
        raise ValueError(f"path: expected format {FORMAT}, saw {metadata.get('format')!r}")
    try:
        config = read_config(metadata["config"])
        preprocessing = Preprocessing.model_validate_json(metadata["preprocessing"])
        card = Card.model_validate_json(metadata["card"])
    except (KeyError, ValidationError) as error:
        raise ValueError("path: the metadata does not describe a network") from error
    network = build(config)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise ValueError("path: the tensors do not fit the architecture that the file states") from error
    network.eval().requires_grad_(requires_grad=False)
    return LoadedModel(
        network=network, config=config, preprocessing=preprocessing, card=card, sha256=sha256_of_file(path)
    )


def load_all(path: Path) -> tuple[LoadedModel, ...]:
    """One file, or every `*.safetensors` of a folder: the members of an ensemble, which share a plan.

    Raises:
        ValueError: no weights there, or members of different plans.
    """
    files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    if not files:
        raise ValueError("path: expected a .safetensors file or a folder with some, saw none")
    return load_members(files)


def load_members(files: Sequence[Path]) -> tuple[LoadedModel, ...]:
    """Networks of one plan, in the order of their files.

    Raises:
        ValueError: members of different plans, or not files of ours.
    """
    members = tuple(load(file) for file in files)
    if any((m.config, m.preprocessing) != (members[0].config, members[0].preprocessing) for m in members):
        raise ValueError("path: the members of an ensemble must share architecture and preprocessing")
    return members


def sha256_of_file(path: Path) -> str:
    """Hex digest of the file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    if not path.is_file():
        raise ValueError("path: there is no such file")
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}, {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, json.JSONDecodeError) as error:
        raise ValueError("path: not a safetensors file") from error
