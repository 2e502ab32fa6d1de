"""Endless, resumable streams of pairs: synthetic ones, a user's own, or both in a stated proportion."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from model.augmentation import augment, reach
from model.blocks import Triple
from model.prepared_patients import PreparedPatient
from model.rescan import rescanned
from model.synthesis import make_sample
from model.territories import territories_of
from model.training_pool import TrainingPool, load_pool

Example = tuple[Tensor, ...]
"""current (2, D, H, W), prior (2, D, H, W), target (1, D, H, W) int64, prior_target (1, D, H, W) int64.

Where a loss asks for them `model.territories` of both targets follow, (1, D, H, W) int32 each.

Targets are 1 in lesions and -1 where nobody can tell (`model.network.UNKNOWN`).
"""


@runtime_checkable
class Source(Protocol):
    """Where examples come from; a number always gives the same one."""

    def example(self, number: int) -> Example:
        """The example of this number."""
        ...


@dataclass(frozen=True, kw_only=True)
class SyntheticPairs:
    """Painted pairs; the pool is read by the process that first needs it."""

    data: Path
    cache: Path
    patch: Triple
    hold_out: tuple[str, ...] = ()
    """Patients whose images and lesions are not in the pool."""
    marked_scans: Path | None = None
    """Folder of more real scans."""

    @cached_property
    def pool(self) -> TrainingPool:
        """Anatomies and lesions."""
        return load_pool(self.data, self.cache, hold_out=self.hold_out, marked_scans=self.marked_scans)

    def example(self, number: int) -> Example:
        """The sample of this seed."""
        sample = make_sample(self.pool, number, self.patch)
        targets = [torch.from_numpy(t[None].astype("int64")) for t in (sample.target, sample.prior_target)]
        return torch.from_numpy(sample.current), torch.from_numpy(sample.prior), targets[0], targets[1]


@dataclass(frozen=True, kw_only=True)
class RealPairs:
    """Patches of labelled scans; every ordered couple of visits occurs, so both temporal directions do."""

    patients: Sequence[PreparedPatient] = field(repr=False)
    patch: Triple
    batch: int = 1
    foreground: float = 1 / 3
    """Part of the patches that are centred on a lesion voxel."""
    augmented: bool = True
    same_scan: float = 0.1
    """Part of the samples whose prior is the scan itself, or half of the time a simulated rescan of it."""

    def example(self, number: int) -> Example:
        """A patch of this number."""
        rng = np.random.default_rng(number)
        patient = self.patients[int(rng.integers(len(self.patients)))]
        now, before = self._visits(patient, rng)
        size = reach(self.patch) if self.augmented else self.patch
        start = _start(patient.lesions[now], self.patch, rng, forced=self._forced(number, rng))
        box = _about(start, self.patch, size)
        scans = [_cut(patient.scans[n], box, size) for n in (now, before)]
        masks = [_cut(patient.lesions[n][None], box, size) for n in (now, before)]
        rescan = now == before and rng.random() < 0.5
        if rescan:
            scans[1] = _as_rescanned(scans[0], int(rng.integers(2**31)))
        images = torch.from_numpy(np.concatenate(scans).astype(np.float32))
        labels = torch.from_numpy(np.concatenate(masks).astype(np.int16))
        if self.augmented:
            images, labels = augment(images, labels, self.patch, number)
        prior = images[:2] if now == before and not rescan else images[2:]  # its own prior to the last bit
        return images[:2], prior.clone(), labels[:1].long(), labels[1:].long()

    def _visits(self, patient: PreparedPatient, rng: np.random.Generator) -> tuple[int, int]:
        count = len(patient.scans)
        now = int(rng.integers(count))
        if count == 1 or rng.random() < self.same_scan:
            return now, now
        return now, (now + int(rng.integers(1, count))) % count

    def _forced(self, number: int, rng: np.random.Generator) -> bool:
        """The last samples of each batch, as nnU-Net does; for a batch of one a part of all samples.

        A batch begins at a multiple of its size (`PairStream`).
        """
        if self.batch == 1:
            return bool(rng.random() < self.foreground)
        return number % self.batch >= round(self.batch * (1 - self.foreground))


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which batches a stream gives: those of one process among several (`torchrun`), from one batch on.

    Batch `k` holds the examples `k * size` to `k * size + size - 1`, whatever the number of processes:

        rank 0, loader 0:  batch 0  4  8        2 ranks with 2 loaders each
        rank 0, loader 1:  batch 2  6 10
        rank 1, loader 0:  batch 1  5  9
        rank 1, loader 1:  batch 3  7 11
    """

    first: int = 0
    """Batch to begin with, of rank 0."""
    size: int = 1
    rank: int = 0
    ranks: int = 1


class PairStream(IterableDataset[Example]):
    """The examples of a place's batches, one after the other; `shares` says how often each source is drawn from."""

    def __init__(
        self, sources: Sequence[Source], shares: Sequence[float], place: Place, *, territories: bool = False
    ) -> None:
        super().__init__()
        if len(sources) != len(shares) or not sources or min(shares) < 0 or sum(shares) <= 0:
            raise ValueError(f"shares: expected one per source, saw {list(shares)} for {len(sources)}")
        self._sources = sources
        self._limits = np.cumsum(np.asarray(shares, np.float64)) / sum(shares)
        self._place = place
        self._territories = territories

    def __iter__(self) -> Iterator[Example]:
        torch.set_num_threads(1)
        info = get_worker_info()
        offset, step = (0, 1) if info is None else (info.id, info.num_workers)
        place = self._place
        for batch in itertools.count(place.first + place.rank + offset * place.ranks, step * place.ranks):
            for number in range(batch * place.size, (batch + 1) * place.size):
                example = self.source_of(number).example(number)
                yield _with_territories(example) if self._territories else example

    def source_of(self, number: int) -> Source:
        """The source that this number draws from."""
        if len(self._sources) == 1:
            return self._sources[0]
        drawn = np.random.default_rng((number, 1)).random()
        return self._sources[int(np.searchsorted(self._limits, drawn, side="right"))]


def _with_territories(example: Example) -> Example:
    """Both targets' territories after the rest; found once where nothing changes."""
    target, prior_target = example[2:]
    of_target = territories_of(target)
    of_prior = of_target.clone() if torch.equal(target, prior_target) else territories_of(prior_target)
    return (*example, of_target, of_prior)


def _start(lesions: np.ndarray, patch: Triple, rng: np.random.Generator, *, forced: bool) -> Triple:
    """First voxel of a patch: centred on a lesion voxel, or anywhere inside the scan; on a smaller scan centred."""
    voxels = np.flatnonzero(lesions > 0) if forced else np.empty(0, int)
    if voxels.size:
        centre = np.unravel_index(int(rng.choice(voxels)), lesions.shape)
        a, b, c = (int(at) - n // 2 for at, n in zip(centre, patch, strict=True))
        return a, b, c
    room = [whole - n for whole, n in zip(lesions.shape, patch, strict=True)]
    a, b, c = (int(rng.integers(0, left + 1)) if left > 0 else left // 2 for left in room)
    return a, b, c


def _about(start: Triple, patch: Triple, size: Triple) -> Triple:
    """First voxel of a larger box about the same middle: what the augmentation turns and scales into the patch."""
    a, b, c = (low + n // 2 - whole // 2 for low, n, whole in zip(start, patch, size, strict=True))
    return a, b, c


def _cut(array: np.ndarray, start: Triple, size: Triple) -> np.ndarray:
    """The patch of (channel, d, h, w), zero where it lies outside."""
    out = np.zeros((len(array), *size), array.dtype)
    source, target = [slice(None)], [slice(None)]
    for low, n, whole in zip(start, size, array.shape[1:], strict=True):
        first, last = max(0, low), min(whole, low + n)
        source.append(slice(first, max(first, last)))
        target.append(slice(first - low, max(first, last) - low))
    out[tuple(target)] = array[tuple(source)]
    return out


def _as_rescanned(scan: np.ndarray, seed: int) -> np.ndarray:
    """The patch as another scanner would give it, with the mean and spread that it had."""
    inside = scan.any(axis=0)
    if not all(channel[inside].any() for channel in scan):
        return scan
    again = rescanned(scan.astype(np.float32), seed)
    channels = [
        np.where(inside, one * before[inside].std() + before[inside].mean(), 0.0)
        for one, before in zip(again, scan, strict=True)
    ]
    return np.stack(channels).astype(np.float32)
