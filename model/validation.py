"""Dice of a network on whole prepared scans, as it is while it trains."""

from collections.abc import Sequence

import numpy as np
import torch

from model.blocks import Triple
from model.metrics import dice
from model.network import UNKNOWN, PairNetwork
from model.prepared_patients import PreparedPatient
from model.sliding_window import WindowSettings, predict_one


def validation_dice(network: PairNetwork, patients: Sequence[PreparedPatient], *, patch: Triple, bf16: bool) -> float:
    """Mean over each patient's scans, then over patients; the prior is the scan before, of the first one the next.

    The network is left in evaluation mode.
    """
    device = next(network.parameters()).device
    settings = WindowSettings(patch=patch, bf16=bf16)
    means = []
    for patient in patients:
        scans = [torch.tensor(scan, device=device) for scan in patient.scans]
        values = []
        for n, (scan, truth) in enumerate(zip(scans, patient.lesions, strict=True)):
            prior = None if len(scans) == 1 else scans[n - 1 if n else 1]
            logits = predict_one(network, scan, prior, settings=settings, progress=lambda _: None)
            predicted = (logits[1] > logits[0]).cpu().numpy()
            values.append(dice(truth > 0, predicted & (truth != UNKNOWN)))
        means.append(np.mean(values))
    return float(np.mean(means))
