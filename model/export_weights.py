"""A run's weights under a name and with thresholds of their own: `python -m model.export_weights WEIGHTS OUT`.

With `--mean-with` every weight is the mean over several runs that began with the same weights. One network, at the cost
of one, that is often better than each of them (Wortsman et al. 2022, arXiv 2203.05482).
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from model.checkpoint import Card, LoadedModel, load_members, save


def export(
    runs: Sequence[Path],
    out: Path,
    card: Card,
    *,
    half: bool = False,
) -> None:
    """Writes the same network, or its mean with others, with another card.

    Args:
        runs: weights of one run, or of several with the same plan.
        out: the file to write.
        card: what it says of them; without a line on the training, that of each run stays.
        half: in half precision: half of the size.

    Raises:
        ValueError: not files of ours, or not of one plan.
    """
    members = load_members(runs)
    first = members[0]
    first.network.load_state_dict(mean_of(members))
    told = card if card.record else card.model_copy(update={"record": _records(members)})
    save(out, first.network, first.preprocessing, told, half=half)


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
    parser.add_argument("--self-prior", type=float, default=0.0, help="part of the scan as its own prior in its logits")
    args = parser.parse_args()
    card = Card(
        name=args.name,
        record=args.record,
        threshold=args.threshold,
        lesion_threshold=args.lesion_threshold,
        self_prior=args.self_prior,
    )
    export([args.weights, *args.mean_with], args.out, card, half=args.half)


if __name__ == "__main__":
    main()
