"""Painted pairs of a patient who is left out of the training, as a labelled folder to score methods on."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from model.blocks import Triple
from model.synthesis import Sample, make_sample
from model.training_pool import held_out_pool

FIRST_SEED = 9_500_000
"""Far above those of a training, and of the validation patches of `model.evaluate`."""


def write_held_out_pairs(data: Path, cache: Path, out: Path, *, patient: str, pairs: int, size: Triple) -> Path:
    """A folder in nnU-Net's layout: each pair is a patient of two visits with known lesions.

    Args:
        data: what synthetic pairs are made from.
        cache: of the pool.
        out: the folder to write; one that is complete is left alone.
        patient: whose image and lesions are used, and no others but single lesions of a simulator.
        pairs: how many.
        size: of each scan, voxels of 1 mm.

    Raises:
        ValueError: the patient has no image.
    """
    listed = out / "patientsTr.json"
    if listed.exists():
        return out
    pool = held_out_pool(data, cache, patient)
    patients = {}
    for number in range(pairs):
        sample = make_sample(pool, FIRST_SEED + number, size)
        name = f"pair{number:03d}"
        patients[name] = [f"{name}_prior", f"{name}_current"]
        _write_pair(sample, out, patients[name])
    (out / "dataset.json").write_text(json.dumps({"channel_names": {"0": "T1", "1": "FLAIR"}}))
    listed.write_text(json.dumps(patients))
    return out


def _write_pair(sample: Sample, out: Path, names: list[str]) -> None:
    visits = ((sample.prior, sample.prior_target), (sample.current, sample.target))
    for name, (scan, lesions) in zip(names, visits, strict=True):
        for number, channel in enumerate(scan):
            _write(channel, out / "imagesTr" / f"{name}_{number:04d}.nii.gz")
        _write(lesions.astype(np.uint8), out / "labelsTr" / f"{name}.nii.gz")


def _write(array: NDArray[Any], path: Path) -> None:
    """Array axes superior, anterior, right."""
    image = sitk.GetImageFromArray(array)
    image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path), useCompression=True)
