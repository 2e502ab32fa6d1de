"""What networks score on the scan that each was trained without: leave-one-patient-out, beside a rescan and alone.

    python benchmarks/unseen_scans.py RUN/WITHOUT19.safetensors@patient19 RUN/WITHOUT07.safetensors@patient07

`python -m model.train_together --beside METHOD@PATIENT` trains them. A row for each setting: Dice and lesion F1
(lesions from 3 mm3), lesions found, false ones, and the volume predicted; with the scan as its own prior, and beside
a simulated rescan, there for each part that the scan alone has in how sure a lesion is (decision 0028).
"""

import argparse
from itertools import product
from pathlib import Path

import torch

from model.calling import Thresholds
from model.checkpoint import load
from model.scan_scores import ScanScore, scan_scores
from model.sliding_window import window_of
from model.training_pool import REAL, load_pool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="+", metavar="WEIGHTS@PATIENT", type=weights_of_patient)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, default=Path("runs/pool"))
    parser.add_argument("--voxel", type=float, nargs="+", default=[0.5, 0.75, 0.85])
    parser.add_argument("--lesion", type=float, nargs="+", default=[0.0, 0.9995, 0.9998])
    parser.add_argument("--self-prior", type=float, nargs="+", default=[0.0, 0.5])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    scans = {one.name: one for one in load_pool(arguments.data, arguments.cache).anatomies if one.t1 is not None}
    kinds = product(arguments.voxel, arguments.lesion, arguments.self_prior)
    settings = [Thresholds(voxel=voxel, lesion=lesion, self_prior=own) for voxel, lesion, own in kinds]
    print(
        f"{'scan':10} {'prior':7}{'voxel':>6} {'lesion':>7} {'alone':>5}   Dice     F1   found false   volume ml",
        flush=True,
    )
    for path, patient in arguments.weights:
        model = load(path)
        for alone in (True, False):
            used = [one for one in settings if not alone or one.self_prior == arguments.self_prior[0]]
            window = window_of(model)
            for score in scan_scores(model.network, scans[patient], window=window, settings=used, alone=alone):
                print(line(score, "itself" if alone else "rescan"), flush=True)


def weights_of_patient(words: str) -> tuple[Path, str]:
    """Raises ArgumentTypeError where there is no such patient with a scan."""
    path, _, patient = words.rpartition("@")
    if patient not in REAL:
        raise argparse.ArgumentTypeError(f"expected WEIGHTS@PATIENT, the patient one of {', '.join(REAL)}")
    return Path(path), patient


def line(score: ScanScore, prior: str) -> str:
    how, scores = score.thresholds, score.scores
    own = "" if prior == "itself" else how.self_prior
    true_ml, found_ml = score.volume_ml
    return (
        f"{score.name:10} {prior:7}{how.voxel:6.2f} {how.lesion:7.4f} {own:>5}   {scores.dice:.3f}"
        f" {scores.lesion_f1:.3f} {score.found:3}/{score.lesions:<3} {score.false:4}   {found_ml:.2f} of {true_ml:.2f}"
    )


if __name__ == "__main__":
    main()
