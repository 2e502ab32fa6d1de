"""A run's weights under a name and with thresholds of their own: `python -m model.export_weights WEIGHTS OUT`."""

import argparse
from pathlib import Path

from model.calling import Thresholds
from model.checkpoint import load, save


def export(weights: Path, out: Path, *, name: str, thresholds: Thresholds) -> None:
    """Writes the same network with another card; the line on its training stays.

    Raises:
        ValueError: not a file of ours.
    """
    model = load(weights)
    named = {"name": name, "threshold": thresholds.voxel, "lesion_threshold": thresholds.lesion}
    save(out, model.network, model.preprocessing, model.card.model_copy(update=named))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--name", default="compact")
    parser.add_argument("--threshold", type=float, default=0.5)
    parser.add_argument("--lesion-threshold", type=float, default=0.0)
    args = parser.parse_args()
    thresholds = Thresholds(voxel=args.threshold, lesion=args.lesion_threshold)
    export(args.weights, args.out, name=args.name, thresholds=thresholds)


if __name__ == "__main__":
    main()
