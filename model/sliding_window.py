"""Gaussian-weighted tiles over a whole image, both scans of a pair predicted together.

  tile 0
|-------------|
       |-------------|   tile 1       along one axis, patch 8, image 14, step 0.5: starts 0 3 6
              |-------------|         (the step shrinks so that the last tile ends with the image)
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from model.blocks import Triple
from model.checkpoint import LoadedModel
from model.kept_memory import freed_memory_kept
from model.network import PairNetwork

Image = Float[Tensor, "modality _depth _height _width"]
Scan = Float32[NDArray[Any], "modality _depth _height _width"]
Probability = Float32[NDArray[Any], "_depth _height _width"]
Map = Float[Tensor, "classes _depth _height _width"]
Progress = Callable[[float], None]
Box = tuple[slice, slice, slice]
TilePass = Callable[[Sequence[Tensor]], list[Tensor]]
"""Tiles of the scans, (1, modality, *patch) each -> logits per output, (1, classes, *patch) each."""

EMPTY_LOGIT = 20.0
"""Background logit of a skipped tile: a lesion probability of 2e-9."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSettings:
    """How tiles are laid and computed; the defaults are the reference's, but for fp32 accumulation."""

    patch: Triple
    step: float = 0.5
    """Distance of neighbouring tiles as a part of the patch, at most."""
    mirror_axes: tuple[int, ...] = ()
    """Spatial axes (0 1 2); logits are averaged over all combinations of mirrored axes."""
    bf16: bool = False
    skip_empty: bool = False
    """Leave out tiles in which every scan is zero: they are background."""


def predict_asked(
    network: PairNetwork,
    scans: Sequence[Image],
    asked: Sequence[tuple[int, int]],
    *,
    settings: WindowSettings,
    progress: Progress,
) -> list[Map]:
    """fp32 logits of a scan given a prior, for each (scan, prior) that is asked for; a scan may be its own prior.

    Each tile's encoder pass of each scan is computed once, however often the scan is asked for, and so is its decoder
    pass with each prior.
    """

    def tile_pass(tiles: Sequence[Tensor]) -> list[Tensor]:
        features = [network.encode(tile) for tile in tiles]
        logits = {(scan, prior): network.decode(features[scan], features[prior])[0] for scan, prior in set(asked)}
        return [logits[one] for one in asked]

    return _run(network, scans, tile_pass, outputs=len(asked), settings=settings, progress=progress)


def predict_pair(
    network: PairNetwork, baseline: Image, follow_up: Image, *, settings: WindowSettings, progress: Progress
) -> tuple[Map, Map]:
    """fp32 logits of the baseline given the follow-up, and of the follow-up given the baseline."""
    asked = [(0, 1), (1, 0)]
    first, second = predict_asked(network, [baseline, follow_up], asked, settings=settings, progress=progress)
    return first, second


def window_of(model: LoadedModel, *, mirroring: bool = False) -> WindowSettings:
    """As the service computes on a processor: in bf16."""
    return WindowSettings(
        patch=model.preprocessing.patch,
        bf16=True,
        skip_empty=True,
        mirror_axes=model.preprocessing.mirror_axes if mirroring else (),
    )


def lesion_probabilities(
    network: PairNetwork, baseline: Scan, follow_up: Scan, window: WindowSettings
) -> tuple[Probability, Probability]:
    """Lesion probability of both scans of a pair on a 1 mm network grid.

    Outside the brain, where both scans are zero, there is no lesion.
    """
    first, second = _probabilities(network, (baseline, follow_up), [(0, 1), (1, 0)], window)
    return first, second


def lesion_opinions(
    network: PairNetwork, baseline: Scan, follow_up: Scan, window: WindowSettings
) -> tuple[tuple[Probability, Probability], tuple[Probability, Probability]]:
    """As `lesion_probabilities`, and likewise of each scan alone: what a pair's lesions are called from."""
    asked = [(0, 1), (1, 0), (0, 0), (1, 1)]
    first, second, first_alone, second_alone = _probabilities(network, (baseline, follow_up), asked, window)
    return (first, second), (first_alone, second_alone)


def _probabilities(
    network: PairNetwork, scans: tuple[Scan, Scan], asked: Sequence[tuple[int, int]], window: WindowSettings
) -> list[Probability]:
    tensors = [torch.from_numpy(scan) for scan in scans]
    maps = predict_asked(network, tensors, asked, settings=window, progress=lambda _: None)
    brain = np.any(scans[0], axis=0) | np.any(scans[1], axis=0)
    return [one.softmax(0)[1].numpy() * brain for one in maps]


def predict_one(
    network: PairNetwork, current: Image, prior: Image | None, *, settings: WindowSettings, progress: Progress
) -> Map:
    """fp32 logits of the current scan; without a prior the scan is its own, at one encoder pass."""
    scans = [current] if prior is None else [current, prior]
    return predict_asked(network, scans, [(0, len(scans) - 1)], settings=settings, progress=progress)[0]


def tile_starts(size: int, patch: int, step: float) -> list[int]:
    """First voxel of each tile along one axis, evenly spread; the last tile ends with the image."""
    if size <= patch:
        return [0]
    count = int(np.ceil((size - patch) / (patch * step))) + 1
    return [int(np.round((size - patch) / (count - 1) * n)) for n in range(count)]


@lru_cache(maxsize=4)
def gaussian_weight(patch: Triple) -> Float[Tensor, "_ _ _"]:
    """Weight of each voxel of a tile: a Gaussian with sigma = patch / 8, scaled to 1 at the centre, never zero."""
    impulse = np.zeros(patch)
    impulse[patch[0] // 2, patch[1] // 2, patch[2] // 2] = 1
    weight = ndimage.gaussian_filter(impulse, [n / 8 for n in patch], mode="constant")
    weight /= weight.max()
    weight[weight == 0] = weight[weight > 0].min()
    return torch.from_numpy(weight.astype(np.float32))


@freed_memory_kept()
@torch.inference_mode()
def _run(
    network: PairNetwork,
    scans: Sequence[Image],
    tile_pass: TilePass,
    *,
    outputs: int,
    settings: WindowSettings,
    progress: Progress,
) -> list[Map]:
    network.eval()
    padded, inner = _pad(scans, settings.patch)
    size = padded[0].shape[1:]
    weight = gaussian_weight(settings.patch).to(padded[0].device)
    totals = [weight.new_zeros((network.config.classes, *size)) for _ in range(outputs)]
    norm = weight.new_zeros(size)
    boxes = _boxes(tuple(size), settings)
    for number, box in enumerate(boxes):
        progress(number / len(boxes))
        norm[box] += weight
        tiles = [scan[(slice(None), *box)][None] for scan in padded]
        for total, logits in zip(totals, _tile_logits(tile_pass, tiles, outputs, settings), strict=True):
            total[(slice(None), *box)] += logits * weight
    progress(1.0)
    return [(total / norm)[(slice(None), *inner)].clone() for total in totals]


def _tile_logits(tile_pass: TilePass, tiles: list[Tensor], outputs: int, settings: WindowSettings) -> list[Tensor]:
    """fp32 logits of one tile, averaged over the mirrored versions; (classes, *patch) or a broadcastable constant."""
    if settings.skip_empty and not any(bool(tile.any()) for tile in tiles):
        return [tiles[0].new_tensor([EMPTY_LOGIT, 0.0])[:, None, None, None]] * outputs
    sums: list[Tensor] = []
    versions = _mirror_sets(settings.mirror_axes)
    layout = torch.channels_last_3d if settings.bf16 else torch.contiguous_format  # what the norms are fast in
    for axes in versions:
        dims = [axis + 2 for axis in axes]
        flipped = [torch.flip(tile, dims).contiguous(memory_format=layout) for tile in tiles]
        with torch.autocast(tiles[0].device.type, dtype=torch.bfloat16, enabled=settings.bf16):
            logits = tile_pass(flipped)
        straight = [torch.flip(one.float(), dims)[0] for one in logits]
        sums = [a + b for a, b in zip(sums, straight, strict=True)] if sums else straight
    return [one / len(versions) for one in sums]


def _mirror_sets(axes: tuple[int, ...]) -> list[tuple[int, ...]]:
    return [chosen for count in range(len(axes) + 1) for chosen in itertools.combinations(axes, count)]


def _boxes(size: tuple[int, ...], settings: WindowSettings) -> list[Box]:
    starts = [tile_starts(n, patch, settings.step) for n, patch in zip(size, settings.patch, strict=True)]
    a, b, c = settings.patch
    return [(slice(i, i + a), slice(j, j + b), slice(k, k + c)) for i, j, k in itertools.product(*starts)]


def _pad(scans: Sequence[Image], patch: Triple) -> tuple[list[Image], Box]:
    """Zero-padded to at least one patch, the image in the middle; and the box that cuts it out again."""
    size = scans[0].shape[1:]
    missing = [max(0, p - n) for n, p in zip(size, patch, strict=True)]
    before = [m // 2 for m in missing]
    widths = [width for m, b in zip(missing[::-1], before[::-1], strict=True) for width in (b, m - b)]
    inner = [slice(b, b + n) for b, n in zip(before, size, strict=True)]
    return [functional.pad(scan.float(), widths) for scan in scans], (inner[0], inner[1], inner[2])
