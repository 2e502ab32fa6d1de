"""How well lesion volumes and their changes repeat: real pairs measured twice, with the shipped weights.

    python benchmarks/repeatability.py [--data ../shared/data] [--weights FILE] [--repeats 1] [--maps FOLDER]

Three real pairs that no weights were trained on, each measured as it is and again with both scans replaced by simulated
rescans of themselves: shifted by up to 0.3 mm along each axis, as a registration leaves it, and as another simulated
scanner would give it (`model/rescan.py`). What the two measurements differ by is noise; it is far more than one scanner
makes. The numbers stand in `worker/measurement_rules.yaml` (decision 0015). `--maps` keeps the probabilities.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from model.anatomy_network import SHIPPED
from model.checkpoint import LoadedModel, load
from model.real_pairs import COMPLETE_OR_NEARLY, read_real_pair
from model.rescan import Scan, rescanned
from model.sliding_window import WindowSettings, predict_pair_and_alone

WEIGHTS = SHIPPED.with_name("compact.safetensors")
LARGEST_SHIFT_MM = 0.3
"""Pairs of one real patient come back to 0.14 to 0.47 mm when they are aligned there and back (`worker/quality.py`)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measurement:
    """One measurement of a pair on a 1 mm grid: baseline and follow-up."""

    name: str
    flair: tuple[np.ndarray, np.ndarray]
    given_other: tuple[np.ndarray, np.ndarray]
    """Lesion probability, each scan with the other as its prior."""
    alone: tuple[np.ndarray, np.ndarray]
    """Each with itself."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--repeats", type=int, default=1, help="of each pair")
    parser.add_argument("--maps", type=Path, help="folder to keep the probabilities in, and to take them from")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    for measured in measurements(arguments.data, arguments.weights, arguments.repeats, arguments.maps):
        print([one.name for one in measured], flush=True)


def measurements(data: Path, weights: Path, repeats: int, maps: Path | None) -> Iterator[list[Measurement]]:
    """Of each patient the measurement of the pair as it is, then those of the rescans."""
    model, regions = load(weights), load(SHIPPED)
    model.network.channels_last()
    for patient in COMPLETE_OR_NEARLY:
        names = [f"{patient}_{number}" for number in range(repeats + 1)]
        kept = [None if maps is None else maps / f"{name}.npz" for name in names]
        if all(path is not None and path.exists() for path in kept):
            yield [read(path) for path in kept if path is not None]
            continue
        pair = read_real_pair(data / "open_ms_data" / "longitudinal" / patient, regions)
        found = []
        for number, (name, path) in enumerate(zip(names, kept, strict=True)):
            scans = pair.baseline, pair.follow_up
            if number > 0:
                scans = tuple(rescan(scan, [number, visit]) for visit, scan in enumerate(scans))
            found.append(predicted(name, scans, model))
            if path is not None:
                write(found[-1], path)
        yield found


def predicted(name: str, scans: tuple[Scan, Scan], model: LoadedModel) -> Measurement:
    tensors = [torch.from_numpy(np.ascontiguousarray(one)) for one in scans]
    window = WindowSettings(patch=model.preprocessing.patch, bf16=True, skip_empty=True)
    logits = predict_pair_and_alone(model.network, *tensors, settings=window, progress=lambda _: None)
    brain = scans[0].any(axis=0) | scans[1].any(axis=0)
    first, second, first_alone, second_alone = (one.softmax(0)[1].numpy() * brain for one in logits)
    return Measurement(
        name=name,
        flair=(scans[0][1], scans[1][1]),
        given_other=(first, second),
        alone=(first_alone, second_alone),
    )


def rescan(scan: Scan, seed: list[int]) -> Scan:
    """Shifted and from another scanner; zero stays zero."""
    rng = np.random.default_rng(seed)
    by = rng.uniform(-LARGEST_SHIFT_MM, LARGEST_SHIFT_MM, 3)
    brain = scan.any(axis=0)
    shifted = np.stack([np.where(brain, ndimage.shift(channel, by, order=3), 0) for channel in scan])
    return rescanned(shifted.astype(np.float32), int(rng.integers(2**31)))


def write(measured: Measurement, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {"flair": measured.flair, "given_other": measured.given_other, "alone": measured.alone}
    np.savez_compressed(path, **{name: np.stack(pair).astype(np.float16) for name, pair in arrays.items()})


def read(path: Path) -> Measurement:
    with np.load(path) as file:
        pairs = {key: tuple(file[key].astype(np.float32)) for key in ("flair", "given_other", "alone")}
    return Measurement(name=path.stem, **pairs)


if __name__ == "__main__":
    main()
