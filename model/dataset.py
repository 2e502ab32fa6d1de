"""An endless, resumable stream of synthetic samples."""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from model.synthesis import Patch, make_sample
from model.training_pool import load_pool

Example = tuple[Tensor, Tensor, Tensor]
"""current (2, D, H, W), prior (2, D, H, W), target (1, D, H, W) int64."""


class SyntheticPairs(IterableDataset[Example]):
    """Sample `n` has seed `seed + n`, whatever the number of worker processes; `start` continues a run."""

    def __init__(self, *, data: Path, cache: Path, patch: Patch, seed: int, start: int = 0) -> None:
        super().__init__()
        self._data, self._cache, self._patch = data, cache, patch
        self._first = seed + start

    def __iter__(self) -> Iterator[Example]:
        torch.set_num_threads(1)
        pool = load_pool(self._data, self._cache)
        info = get_worker_info()
        offset, step = (0, 1) if info is None else (info.id, info.num_workers)
        number = self._first + offset
        while True:
            sample = make_sample(pool, number, self._patch)
            target = torch.from_numpy(sample.target[None].astype("int64"))
            yield torch.from_numpy(sample.current), torch.from_numpy(sample.prior), target
            number += step
