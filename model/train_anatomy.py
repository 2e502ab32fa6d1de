"""Training of the anatomy network: `python -m model.train_anatomy --out RUN` (resumes from RUN's checkpoint)."""

import argparse
import copy
import logging
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from model.checkpoint import Card, Preprocessing, save
from model.head_labels import Region, read_head
from model.head_synthesis import SPACING_MM, Shape, make_head_sample
from model.losses import DeepSupervision
from model.network import PairNetwork
from model.recipes import CLIP, RECIPES
from model.training_log import TrainingLog
from model.training_state import STATE, TrainingState, averaged, fresh, keep, restore
from model.unet import UNetConfig, build_unet

log = logging.getLogger("model.train_anatomy")

FEATURES = (16, 32, 64, 128, 160)
PATCH: Shape = (96, 112, 80)
"""2 mm voxels: 192 x 224 x 160 mm, a head from the vertex to the skull base."""

HELD_OUT = ("training_seg_19.nii.gz", "training_seg_20.nii.gz")
"""Label maps that are never trained on: `python -m model.evaluate_anatomy` scores the regions there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnatomyRun:
    """One run."""

    labels: Path
    """Folder of whole-head label maps."""
    out: Path
    patch: Shape = PATCH
    iterations: int = 3000
    ema_decay: float = 0.99
    seed: int = 1
    threads: int = 1
    save_every: int = 100


class SyntheticHeads(IterableDataset[tuple[Tensor, Tensor]]):
    """An endless stream: image (1, D, H, W), regions (1, D, H, W) int64; sample `n` has seed `seed + n`."""

    def __init__(self, labels: Path, patch: Shape, seed: int) -> None:
        super().__init__()
        self._labels, self._patch, self._seed = labels, patch, seed

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        torch.set_num_threads(1)
        heads = [read_head(path) for path in sorted(self._labels.glob("*.nii.gz")) if path.name not in HELD_OUT]
        info = get_worker_info()
        offset, step = (0, 1) if info is None else (info.id, info.num_workers)
        number = self._seed + offset
        while True:
            sample = make_head_sample(heads, number, self._patch)
            yield torch.from_numpy(sample.image), torch.from_numpy(sample.regions[None].astype("int64"))
            number += step


def anatomy_config() -> UNetConfig:
    """One image of any contrast in, logits of every `Region` out."""
    stages = len(FEATURES)
    return UNetConfig(
        variant="single",
        modalities=1,
        classes=len(Region),
        features=FEATURES,
        kernels=((3, 3, 3),) * stages,
        strides=((1, 1, 1), *(((2, 2, 2),) * (stages - 1))),
        encoder_convs=(2,) * stages,
        decoder_convs=(1,) * (stages - 1),
    )


def train_anatomy(run: AnatomyRun) -> PairNetwork:
    """The averaged network after `run.iterations`, from the run's checkpoint on if there is one."""
    torch.set_flush_denormal(True)  # denormals slow CPU training several-fold
    torch.set_num_threads(run.threads)
    torch.manual_seed(run.seed)
    run.out.mkdir(parents=True, exist_ok=True)
    recipe = RECIPES["adamw"]
    state = fresh(build_unet(anatomy_config()), recipe, learning_rate=None, ema_decay=run.ema_decay)
    if (run.out / STATE).exists():
        restore(state, run.out / STATE)
    loss, started = DeepSupervision(), time.perf_counter()
    with TrainingLog(run.out, state.iteration) as rows:
        for image, regions in _batches(run, state.iteration):
            if state.iteration >= run.iterations:
                break
            rate = recipe.rate(state.iteration, run.iterations)
            value = _update(state, loss, image, regions, rate)
            elapsed = time.perf_counter() - started
            rows.row(state.iteration, loss=value, learning_rate=rate, elapsed_s=elapsed, validation_dice=None)
            if state.iteration % 20 == 0:
                log.info("iteration %d  loss %.4f  %.1f s", state.iteration, value, elapsed)
            if state.iteration % run.save_every == 0 or state.iteration == run.iterations:
                keep(state, run.out / STATE, {key: str(part) for key, part in asdict(run).items()})
    return averaged(state)


def _update(state: TrainingState, loss: DeepSupervision, image: Tensor, regions: Tensor, rate: float) -> float:
    """One update; the loss before it."""
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    state.network.train()
    fast = image.contiguous(memory_format=torch.channels_last_3d)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = state.network(fast, fast)
    value: Tensor = loss(logits, regions)
    state.optimizer.zero_grad(set_to_none=True)
    value.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(state.network.parameters(), CLIP)
    state.optimizer.step()
    state.average.update_parameters(state.network)
    state.iteration += 1
    return value.item()


def _batches(run: AnatomyRun, done: int) -> DataLoader[tuple[Tensor, Tensor]]:
    return DataLoader(
        SyntheticHeads(run.labels, run.patch, run.seed * 1_000_000 + done),
        batch_size=1,
        num_workers=1,
        prefetch_factor=6,
        multiprocessing_context="spawn",
    )


def save_anatomy(network: PairNetwork, run: AnatomyRun, path: Path) -> None:
    """Writes weights that `model.anatomy_network` uses, in half precision: half the size, the same masks."""
    preprocessing = Preprocessing(
        channels=("any",),
        spacing_mm=(SPACING_MM, SPACING_MM, SPACING_MM),
        patch=run.patch,
        mask_for_norm=(False,),
        skull_stripped=False,
        mirror_axes=(2,),
    )
    record = f"synthetic heads, {run.iterations} iterations, seed {run.seed}"
    save(path, copy.deepcopy(network).half(), preprocessing, Card(name="anatomy", record=record))


def main() -> None:
    """Reads the command line and trains."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", type=Path, default=Path("../shared/data/synthseg_labels"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--iterations", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    run = AnatomyRun(**vars(parser.parse_args()))
    save_anatomy(train_anatomy(run), run, run.out / "anatomy.safetensors")


if __name__ == "__main__":
    main()
