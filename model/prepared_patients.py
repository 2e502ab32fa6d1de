"""Labelled scans as the network sees them, prepared once: each patient a folder of arrays that are read in place."""

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from jaxtyping import Bool, Float32, Int8
from numpy.typing import NDArray

from model.checkpoint import Preprocessing
from model.labelled_folder import LabelledPatient, LabelledScan
from model.network import UNKNOWN
from model.reference_mode import GEOMETRY_TOLERANCE_MM, ReferenceScan, nonzero_box, preprocess, read_scan
from model.reference_resampling import to_shape

LARGEST_PART = 0.5
"""Of a brain that lesions can be: more is a map of tissues."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PreparedPatient:
    """All visits on one grid (superior, anterior, right), z-scored, in order of time."""

    name: str
    scans: tuple[Float32[NDArray[Any], "2 d h w"], ...]
    lesions: tuple[Int8[NDArray[Any], "d h w"], ...]
    """1 in lesions, 0 elsewhere, `UNKNOWN` where the labels say that nobody can tell."""
    folder: Path | None = None
    """Where the arrays lie: another process opens them there and copies none."""

    def __reduce__(self) -> tuple[Any, ...]:
        if self.folder is None:
            return _in_memory, (self.name, self.scans, self.lesions)
        return stored, (self.name, self.folder)


def prepare_patients(
    patients: Sequence[LabelledPatient], cache: Path, preprocessing: Preprocessing
) -> list[PreparedPatient]:
    """Every patient, opened in the cache or prepared into it.

    Raises:
        ValueError: a scan or mask cannot be read, or does not lie on the grid of the others.
    """
    cache.mkdir(parents=True, exist_ok=True)
    return [_cached(patient, cache, preprocessing) for patient in patients]


def stored(name: str, folder: Path) -> PreparedPatient:
    """A prepared patient, its arrays mapped into memory: pages are read when a patch needs them."""
    scans, lesions = (
        tuple(np.load(path, mmap_mode="r") for path in sorted(folder.glob(pattern)))
        for pattern in ("scan*.npy", "lesions*.npy")
    )
    return PreparedPatient(name=name, scans=scans, lesions=lesions, folder=folder)


def prepare(patient: LabelledPatient, preprocessing: Preprocessing) -> PreparedPatient:
    """One patient, cropped to the nonzero box of all visits as the paper does."""
    scans = [_read(scan) for scan in patient.scans]
    if not all(_on_one_grid(scans[0].image, scan.image) for scan in scans):
        raise ValueError(f"data: the scans of {patient.name} lie on different grids")
    box = nonzero_box(scans)
    arrays = tuple(preprocess(scan, preprocessing, box) for scan in scans)
    masks = [_mask(scan, read)[box] for scan, read in zip(patient.scans, scans, strict=True)]
    spacing, wanted, shape = scans[0].spacing, preprocessing.spacing_mm, arrays[0].shape[1:]

    def resampled(mask: Bool[NDArray[Any], "d h w"]) -> Bool[NDArray[Any], "_ _ _"]:
        part = to_shape(mask[None].astype(np.float32), shape, spacing=spacing, wanted=wanted, order=1)[0]
        return np.asarray(part > 0.5)

    lesions = tuple(np.where(resampled(mask == UNKNOWN), np.int8(UNKNOWN), resampled(mask == 1)) for mask in masks)
    return PreparedPatient(name=patient.name, scans=arrays, lesions=tuple(part.astype(np.int8) for part in lesions))


def _cached(patient: LabelledPatient, cache: Path, preprocessing: Preprocessing) -> PreparedPatient:
    folder = cache / _key(patient, preprocessing)
    if not folder.exists():
        _store(prepare(patient, preprocessing), folder)
    return stored(patient.name, folder)


def _store(patient: PreparedPatient, folder: Path) -> None:
    """Whole or not at all; of several processes that prepare the same patient one leaves its folder."""
    part = folder.with_name(f"{folder.name}.part{os.getpid()}")
    part.mkdir()
    for n, (scan, lesions) in enumerate(zip(patient.scans, patient.lesions, strict=True)):
        np.save(part / f"scan{n:03d}.npy", scan)
        np.save(part / f"lesions{n:03d}.npy", lesions)
    try:
        part.rename(folder)
    except OSError:  # another process was there first
        shutil.rmtree(part)


def _in_memory(name: str, scans: tuple[Any, ...], lesions: tuple[Any, ...]) -> PreparedPatient:
    return PreparedPatient(name=name, scans=scans, lesions=lesions)


def _key(patient: LabelledPatient, preprocessing: Preprocessing) -> str:
    """Of everything that the arrays rest on."""
    digest = hashlib.sha256(preprocessing.model_dump_json().encode())
    for scan in patient.scans:
        for path in (*scan.images, scan.label):
            stat = path.stat()
            digest.update(f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns}".encode())
        digest.update(f"ignored {scan.ignored}".encode())
    return digest.hexdigest()[:24]


def _read(scan: LabelledScan) -> ReferenceScan:
    try:
        return read_scan(scan.images)
    except RuntimeError as error:
        raise ValueError(f"data: an image of {scan.name} cannot be read") from error


def _mask(scan: LabelledScan, read: ReferenceScan) -> Int8[NDArray[Any], "d h w"]:
    try:
        values = sitk.GetArrayFromImage(sitk.DICOMOrient(sitk.ReadImage(str(scan.label)), "RAS"))
    except RuntimeError as error:
        raise ValueError(f"data: the lesion mask of {scan.name} cannot be read") from error
    unknown = np.zeros(values.shape, bool) if scan.ignored is None else values == scan.ignored
    mask = (values > 0) & ~unknown
    if mask.shape != read.data.shape[1:]:
        raise ValueError(f"data: the lesion mask of {scan.name} has shape {mask.shape}, expected {read.data.shape[1:]}")
    if mask.sum() > LARGEST_PART * (read.data != 0).any(axis=0).sum():
        raise ValueError(f"data: the lesion mask of {scan.name} covers most of the image, expected lesions alone")
    return np.where(unknown, np.int8(UNKNOWN), mask).astype(np.int8)


def _on_one_grid(first: sitk.Image, other: sitk.Image) -> bool:
    a, b = (np.array([*i.GetOrigin(), *i.GetSpacing(), *i.GetDirection()]) for i in (first, other))
    return first.GetSize() == other.GetSize() and bool(np.allclose(a, b, rtol=0, atol=GEOMETRY_TOLERANCE_MM))
