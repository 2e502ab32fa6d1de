"""A run's weights under a name and with thresholds of their own: `python -m model.export_weights WEIGHTS OUT`.

With `--mean-with` every weight is the mean over several runs that began with the same weights. One network, at the cost
of one, that is often better than each of them (Wortsman et al. 2022, arXiv 2203.05482).
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from model.calling import Thresholds
from model.checkpoint import LoadedModel, load_members, save


def export(
    runs: Sequence[Path], out: Path, *, name: str, thresholds: Thresholds, record: str = "", half: bool = False
) -> None:
    """Writes the same network, or its mean with others, with another card.

    Args:
        runs: weights of one run, or of several with the same plan.
        out: the file to write.
        name: for the card.
        thresholds: likewise.
        record: the card's line on the training; empty: that of each run stays.
        half: in half precision: half of the size.

    Raises:
        ValueError: not files of ours, or not of one plan.
    """
    members = load_members(runs)
    first = members[0]
    first.network.load_state_dict(mean_of(members))
    card = first.card.model_copy(
        update={
            "name": name,
            "threshold": thresholds.voxel,
            "lesion_threshold": thresholds.lesion,
            "record": record or _records(members),
        }
    )
    save(out, first.network, first.preprocessing, card, half=half)


def mean_of(members: Sequence[LoadedModel]) -> dict[str, Tensor]:
    """Each tensor's mean over the networks."""
    states = [one.network.state_dict() for one in members]
    return {
        name: torch.stack([s[name] for s in states]).double().mean(0).to(one.dtype) for name, one in states[0].items()
    }


def _records(members: Sequence[LoadedModel]) -> str:
    records = [one.card.record for one in members]
    return records[0] if len(records) == 1 else "mean of: " + "; ".join(records)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--mean-with", type=Path, nargs="+", default=[], metavar="WEIGHTS")
    parser.add_argument("--name", default="compact")
    parser.add_argument("--record", default="", help="a line on the training; else that of each run")
    parser.add_argument("--half", action="store_true", help="in half precision")
    parser.add_argument("--threshold", type=float, default=0.5)
    parser.add_argument("--lesion-threshold", type=float, default=0.0)
    args = parser.parse_args()
    thresholds = Thresholds(voxel=args.threshold, lesion=args.lesion_threshold)
    export(
        [args.weights, *args.mean_with],
        args.out,
        name=args.name,
        thresholds=thresholds,
        record=args.record,
        half=args.half,
    )


if __name__ == "__main__":
    main()
