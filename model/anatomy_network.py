"""Brain and regions of a head image: any contrast, any orientation, thick slices or thin, with skull or without.

image --2 mm grid--> scaled --tiles--> probability of every `Region` --linear--> mask on the image's own grid
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float32, UInt8
from numpy.typing import NDArray
from scipy import ndimage

from model.checkpoint import LoadedModel
from model.grid import Grid, corners, grid_around
from model.head_labels import Region
from model.head_synthesis import SPACING_MM, scaled
from model.resampling import field_of_view, onto_grid, resample
from model.sliding_window import WindowSettings, predict_one
from model.volume import Volume

SHIPPED = Path(__file__).with_name("weights") / "anatomy.safetensors"
"""Its weights."""
IN_PLACE = np.eye(4)

FOREGROUND = 0.08
"""Of the scaled image: below is air, which the tiles need not cover."""
MARGIN_MM = 10.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RegionMap:
    """How likely each region is at each point of a 2 mm grid over the head."""

    probability: Float32[NDArray[Any], "region d h w"]
    """Adds up to 1; zero where the image shows nothing."""
    grid: Grid
    explained: float
    """Correlation ratio, 0 to 1: how far the regions say what the image shows inside the head. Of noise: near 0."""

    def brain(self, target: Grid, *, csf: float = 0.5) -> Bool[NDArray[Any], "i j k"]:
        """The brain on a grid of the same world, in one piece without holes.

        Args:
            target: usually the image's own grid.
            csf: how much of the fluid around the brain counts; 0 leaves it out.
        """
        part = self.probability[1:].sum(axis=0) - (1.0 - csf) * self.probability[Region.CSF]
        there = onto_grid(part, self.grid, target, target_from_grid=IN_PLACE)
        return np.asarray(ndimage.binary_fill_holes(_largest(there >= 0.5)))

    def regions(self, target: Grid) -> UInt8[NDArray[Any], "i j k"]:
        """The likeliest `Region` at each point of a grid of the same world."""
        best = np.zeros(target.shape, np.float32)
        chosen = np.zeros(target.shape, np.uint8)
        for region in Region:
            there = onto_grid(self.probability[region], self.grid, target, target_from_grid=IN_PLACE)
            chosen[there > best] = region
            best = np.maximum(best, there)
        return chosen

    def volumes_ml(self) -> dict[str, float]:
        """Expected volume of each region inside the head."""
        voxel_ml = self.grid.voxel_volume_mm3 / 1000.0
        sums = self.probability.sum(axis=(1, 2, 3), dtype=np.float64)
        return {region.name.lower(): float(sums[region] * voxel_ml) for region in Region if region}


def region_map(image: Volume, *, model: LoadedModel, bf16: bool = False) -> RegionMap:
    """The regions of one image.

    Args:
        image: float32; direction and spacing come from its affine.
        model: the anatomy network.
        bf16: faster where the processor has it.

    Raises:
        ValueError: the weights are those of another network, or the image has a value that is no number.
    """
    if model.preprocessing.channels != ("any",) or model.config.classes != len(Region):
        raise ValueError("model: expected the anatomy network")
    if not np.isfinite(image.array).all():
        raise ValueError("image: expected finite values")
    whole = grid_around(corners(Grid.of(image)), spacing_mm=SPACING_MM)
    values = resample(image, whole, volume_from_grid=IN_PLACE)
    seen = field_of_view(image, whole, volume_from_grid=IN_PLACE)
    ready = scaled(np.where(seen, values, np.float32(0.0)))
    box = _head(ready)
    tile = model.preprocessing.patch
    device = next(model.network.parameters()).device
    tensor = torch.from_numpy(np.ascontiguousarray(ready[box])[None]).to(device)
    settings = WindowSettings(patch=tile, bf16=bf16)
    logits = predict_one(model.network, tensor, None, settings=settings, progress=lambda _: None)
    probability = torch.softmax(logits, dim=0).cpu().numpy() * seen[box]
    probability = probability.astype(np.float32)
    return RegionMap(probability=probability, grid=whole.crop(box), explained=_explained(ready[box], probability))


def _explained(image: NDArray[np.float32], probability: NDArray[np.float32]) -> float:
    """The root of the part of the image's variance that lies between the regions."""
    labels = probability.argmax(axis=0)
    inside = labels != Region.OUTSIDE
    values, groups = image[inside].astype(np.float64), labels[inside]
    if values.size == 0 or values.var() == 0:
        return 0.0
    counts = np.bincount(groups, minlength=len(Region))
    means = np.bincount(groups, values, len(Region)) / np.maximum(counts, 1)
    return float(np.sqrt((counts * (means - values.mean()) ** 2).sum() / values.size / values.var()))


def _head(ready: NDArray[np.float32]) -> tuple[slice, slice, slice]:
    """The box around what is brighter than air."""
    bright = ndimage.binary_opening(ndimage.gaussian_filter(ready, 1.0) > FOREGROUND)
    found = ndimage.find_objects(bright.astype(np.uint8))
    if not found:
        return (slice(0, ready.shape[0]), slice(0, ready.shape[1]), slice(0, ready.shape[2]))
    margin = round(MARGIN_MM / SPACING_MM)
    a, b, c = (
        slice(max(0, s.start - margin), min(n, s.stop + margin)) for s, n in zip(found[0], ready.shape, strict=True)
    )
    return a, b, c


def _largest(mask: Bool[NDArray[Any], "i j k"]) -> Bool[NDArray[Any], "i j k"]:
    labelled, count = ndimage.label(mask)
    if count == 0:
        return np.asarray(mask)
    sizes = np.bincount(labelled.ravel())
    sizes[0] = 0
    return np.asarray(labelled == int(sizes.argmax()))
