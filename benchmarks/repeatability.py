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
from itertools import product
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from model.anatomy_network import SHIPPED
from model.calling import Thresholds, call_lesions
from model.changes import ChangeAnalysis, LesionChange, Masks, compare
from model.checkpoint import LoadedModel, load
from model.grid import network_grid
from model.real_pairs import COMPLETE_OR_NEARLY, read_real_pair
from model.repeatability import within_lesion_sd
from model.rescan import Scan, rescanned
from model.rules import Rules
from model.sliding_window import lesion_opinions, window_of
from model.statuses import DIRECTION, Status, is_noise, status_of
from worker.measurement_rules import packaged_measurement_rules

WEIGHTS = SHIPPED.with_name("compact.safetensors")
LARGEST_SHIFT_MM = 0.3
"""Undamaged pairs come back to 0.04 to 0.64 mm when they are aligned there and back (`worker/quality_limits.py`)."""
SIZES_MM3 = ((3.0, 50.0), (50.0, 500.0), (500.0, np.inf))
"""Classes of volume: fewer lesions would say nothing of a class."""
SAME_IOU = 0.1
"""Two groups of two measurements are one from here, if each is the other's best."""
WHOLE = 10.0
"""Of two volumes: what is so many times larger at one visit came or went but for a bit, which is not its noise."""
CERTAINTIES = ((0.0, 0.6), (0.6, 0.95), (0.95, 1.01))


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
    card = load(arguments.weights).card
    thresholds = card.thresholds
    found = list(measurements(arguments.data, arguments.weights, arguments.repeats, arguments.maps))
    for settled in (True, False):
        tables = [[analysed(one, thresholds, settled=settled) for one in of_patient] for of_patient in found]
        print(f"\nmasks {'settled by FLAIR' if settled else 'as they are'}: {len(found)} patients")
        twice = [pair for first, *others in tables for pair in product([first], others)]
        matched = [pair for first, second in twice for pair in same_groups(first, second)]
        of_volumes(matched)
        of_totals(twice)
        if settled:
            of_directions(twice, matched)
            of_places(matched)


def analysed(measured: Measurement, thresholds: Thresholds, *, settled: bool) -> ChangeAnalysis:
    masks = call_lesions(*measured.given_other, thresholds, measured.flair if settled else None, alone=measured.alone)
    return compare(
        Masks(
            baseline=masks[0],
            follow_up=masks[1],
            baseline_probability=measured.given_other[0],
            follow_up_probability=measured.given_other[1],
            seen_in_both=np.ones(masks[1].shape, bool),
            grid=network_grid(masks[1].shape),
            baseline_opinions=measured.alone[:1],
            follow_up_opinions=measured.alone[1:],
            threshold=thresholds.voxel,
        )
    )


def same_groups(first: ChangeAnalysis, second: ChangeAnalysis) -> list[tuple[LesionChange, LesionChange]]:
    """Groups of two measurements of one pair that are the same."""
    both = np.stack([first.groups.ravel(), second.groups.ravel()])
    sizes = [np.bincount(groups) for groups in both]
    pairs, shared = np.unique(both[:, (both > 0).all(axis=0)], axis=1, return_counts=True)
    iou = {(a, b): n / (sizes[0][a] + sizes[1][b] - n) for (a, b), n in zip(pairs.T.tolist(), shared, strict=True)}
    best = [{}, {}]
    for pair, value in iou.items():
        for side in (0, 1):
            if value > iou.get(best[side].get(pair[side]), SAME_IOU):
                best[side][pair[side]] = pair
    mutual = [pair for number, pair in best[0].items() if best[1].get(pair[1]) == pair]
    return [(first.changes[a - 1], second.changes[b - 1]) for a, b in mutual]


def of_volumes(matched: list[tuple[LesionChange, LesionChange]]) -> None:
    """Deviations by size: of a volume, and of each of the two volumes of a change."""
    volumes = [(a.baseline_mm3, b.baseline_mm3) for a, b in matched]
    volumes += [(a.follow_up_mm3, b.follow_up_mm3) for a, b in matched]
    volumes = [pair for pair in volumes if min(pair) > 0]
    changes = []
    for a, b in matched:
        all_four = np.array([a.baseline_mm3, a.follow_up_mm3, b.baseline_mm3, b.follow_up_mm3])
        if all_four.min() > 0 and max(_times(all_four[:2]), _times(all_four[2:])) < WHOLE:
            size = float(np.exp(np.log(all_four).mean()))
            changes.append((size, (a.follow_up_mm3 / a.baseline_mm3, b.follow_up_mm3 / b.baseline_mm3)))
    for low, high in SIZES_MM3:
        here = [pair for pair in volumes if low <= np.sqrt(pair[0] * pair[1]) < high]
        ratios = [pair for size, pair in changes if low <= size < high]
        middle = np.exp(np.mean(np.log(here))) if here else np.nan
        print(
            f"{low:.0f} to {high:.0f} mm3, mean {middle:.0f}: "
            f"log SD of a volume {within_lesion_sd(here):.3f} ({len(here)}), "
            f"of each volume of a change {within_lesion_sd(ratios) / np.sqrt(2):.3f} ({len(ratios)})"
        )


def _times(volumes: np.ndarray) -> float:
    """How many times larger the larger of two volumes is."""
    return float(volumes.max() / volumes.min())


def of_totals(twice: list[tuple[ChangeAnalysis, ChangeAnalysis]]) -> None:
    totals = [
        ((a.baseline.total_mm3, a.follow_up.total_mm3), (b.baseline.total_mm3, b.follow_up.total_mm3)) for a, b in twice
    ]
    sums = [pair for a, b in totals for pair in zip(a, b, strict=True)]
    ratios = [(a[1] / a[0], b[1] / b[0]) for a, b in totals]
    print(
        f"all lesions: log SD of a sum {within_lesion_sd(sums):.3f} ({len(sums)}), "
        f"of each sum of a change {within_lesion_sd(ratios) / np.sqrt(2):.3f} ({len(ratios)})"
    )


def of_directions(
    twice: list[tuple[ChangeAnalysis, ChangeAnalysis]], matched: list[tuple[LesionChange, LesionChange]]
) -> None:
    """How many counted rows have the same direction in the other measurement, by certainty."""
    other = {id(a): b for a, b in matched} | {id(b): a for a, b in matched}
    rows = [row for pair in twice for analysis in pair for row in analysis.changes if row.counted]
    kinds = {
        "new or resolved": (Status.NEW, Status.RESOLVED),
        "enlarging or shrinking": (Status.ENLARGING, Status.SHRINKING),
        "stable": (Status.STABLE,),
    }
    for (kind, statuses), (low, high) in product(kinds.items(), CERTAINTIES):
        here = [row for row in rows if row.status in statuses and low <= (row.certainty or 0.0) < high]
        again = [
            row for row in here if id(row) in other and DIRECTION.get(other[id(row)].status) == DIRECTION[row.status]
        ]
        print(f"{kind}, certainty {low:.2f} to {min(high, 1):.2f}: {len(again)} of {len(here)} again")


def of_places(matched: list[tuple[LesionChange, LesionChange]]) -> None:
    """Lesions that grew or shrank in one place alone (decision 0019), and the same lesions in the other measurement."""
    noisy = packaged_measurement_rules().profile("default").rules
    for pair in matched:
        for here, there in (pair, pair[::-1]):
            by_ratio = status_of(here.baseline_mm3, here.follow_up_mm3, Rules())
            if here.status in {Status.ENLARGING, Status.SHRINKING} and by_ratio is Status.STABLE:
                noise = is_noise(here.baseline_mm3, here.follow_up_mm3, noisy)
                print(
                    f"{here.status.value} in one place, {here.baseline_mm3:.0f} to {here.follow_up_mm3:.0f} mm3, "
                    f"whole within its noise: {noise}; again: {there.status.value}, "
                    f"{there.baseline_mm3:.0f} to {there.follow_up_mm3:.0f}"
                )


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
    given_other, alone = lesion_opinions(model.network, *scans, window_of(model))
    return Measurement(name=name, flair=(scans[0][1], scans[1][1]), given_other=given_other, alone=alone)


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
    np.savez_compressed(path, **{name: np.stack(pair) for name, pair in arrays.items()})


def read(path: Path) -> Measurement:
    with np.load(path) as file:
        pairs = {key: tuple(file[key]) for key in ("flair", "given_other", "alone")}
    return Measurement(name=path.stem, **pairs)


if __name__ == "__main__":
    main()
