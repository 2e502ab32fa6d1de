"""Scans of a patient who is left out of the training, painted and real, as a labelled folder to score methods on."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from model.anatomy import Anatomy
from model.blocks import Triple
from model.preprocess import bounding_box, z_score
from model.rescan import rescanned
from model.synthesis import Sample, make_sample
from model.training_pool import held_out_pool

FIRST_SEED = 9_500_000
"""Far above those of a training, and of the validation patches of `model.evaluate`."""
RESCAN_SEED = 1
"""Of the scanner that the real scan's prior is simulated with."""


def write_held_out_pairs(data: Path, cache: Path, out: Path, *, patient: str, pairs: int, size: Triple) -> Path:
    """A folder in nnU-Net's layout: each painted pair is a patient of two visits with known lesions.

    The real scan is one more patient, under its own name: the whole brain with its consensus lesions, its prior a
    simulated rescan.

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
    patients[patient] = [f"{patient}_prior", f"{patient}_current"]
    _write_pair(real_pair(pool.anatomies[0]), out, patients[patient])
    (out / "dataset.json").write_text(json.dumps({"channel_names": {"0": "T1", "1": "FLAIR"}}))
    listed.write_text(json.dumps(patients))
    return out


def real_pair(anatomy: Anatomy) -> Sample:
    """A real scan as it is, cut to the brain and z-scored in it, and a simulated rescan of it as its prior.

    Raises:
        ValueError: the anatomy has no images.
    """
    if anatomy.t1 is None or anatomy.flair is None or anatomy.lesions is None:
        raise ValueError("anatomy: expected a real scan, saw a label map")
    brain = anatomy.brain_distance < 0
    box = bounding_box(brain)
    inside = brain[box]
    scan = np.stack([z_score(image[box], inside=inside, keep=inside) for image in (anatomy.t1, anatomy.flair)])
    lesions = (anatomy.lesions[box] > 0) & inside
    return Sample(current=scan, prior=rescanned(scan, RESCAN_SEED), target=lesions, prior_target=lesions)


def _write_pair(sample: Sample, out: Path, names: list[str]) -> None:
    visits = ((sample.prior, sample.prior_target), (sample.current, sample.target))
    for name, (scan, lesions) in zip(names, visits, strict=True):
        for number, channel in enumerate(scan):
            write_image(channel, out / "imagesTr" / f"{name}_{number:04d}.nii.gz")
        write_image(lesions.astype(np.uint8), out / "labelsTr" / f"{name}.nii.gz")


def write_image(array: NDArray[Any], path: Path) -> None:
    """A NIfTI file of 1 mm voxels; array axes superior, anterior, right."""
    image = sitk.GetImageFromArray(array)
    image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path), useCompression=True)
