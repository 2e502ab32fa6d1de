"""A training run's averaged weights as one safetensors file: `python -m model.export_weights RUN WEIGHTS`."""

import argparse
from pathlib import Path

import torch

from model.calling import Thresholds
from model.checkpoint import Card, Preprocessing, save
from model.zoo import build, plan


def export(run: Path, out: Path, *, name: str, thresholds: Thresholds) -> int:
    """Writes the moving average of the weights in `run/state.pt`; the number of iterations behind it.

    Raises:
        ValueError: the run has no checkpoint yet.
    """
    path = run / "state.pt"
    if not path.exists():
        raise ValueError("run: expected a folder with state.pt")
    state = torch.load(path, weights_only=True, map_location="cpu")
    settings, iteration = state["settings"], int(state["iteration"])
    network = build(plan(settings["plan"], settings["method"]))
    prefix = "module."
    network.load_state_dict({k.removeprefix(prefix): v for k, v in state["average"].items() if k.startswith(prefix)})
    a, b, c = (int(n) for n in settings["patch"].strip("()").split(","))
    record = f"synthetic pairs, {iteration} of {settings['iterations']} iterations, seed {settings['seed']}"
    card = Card(name=name, record=record, threshold=thresholds.voxel, lesion_threshold=thresholds.lesion)
    save(out, network, Preprocessing(patch=(a, b, c)), card)
    return iteration


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--name", default="compact")
    parser.add_argument("--threshold", type=float, default=0.5)
    parser.add_argument("--lesion-threshold", type=float, default=0.0)
    args = parser.parse_args()
    thresholds = Thresholds(voxel=args.threshold, lesion=args.lesion_threshold)
    export(args.run, args.out, name=args.name, thresholds=thresholds)


if __name__ == "__main__":
    main()
