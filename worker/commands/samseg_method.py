"""The table's method without learning on a folder of scans: FreeSurfer's SAMSEG, or the mixture that is built in.

    IN/{scan}_0000.nii.gz T1, {scan}_0001.nii.gz FLAIR  ->  OUT/{scan}.nii.gz

The scans of a patient lie on one grid and are segmented together.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import SimpleITK as sitk
from jaxtyping import Bool
from numpy.typing import NDArray

from model.folder_prediction import CHANNEL_DIGITS, Case, CaseOutcome, scans_in
from model.grid import Grid
from model.longitudinal_mixture import segment_visits
from model.patient_list import Patients
from model.reference_mode import ReferenceScan, nonzero_mask, read_scan
from model.resampling import onto_grid, resample
from model.volume import Affine, Volume
from service.contracts.errors import MsDeltaError, ProcessingFailed
from service.contracts.input_errors import EmptyStudy, UnusableScans
from worker.case import IDENTITY_4X4
from worker.commands.progress_bar import progress_bar
from worker.itk import volume_of
from worker.samseg import FreeSurfer, Visit, segment_with_freesurfer

Backend = Literal["auto", "freesurfer", "built-in"]
Chosen = Literal["freesurfer", "built-in"]

ENDING = ".nii.gz"
CHANNELS = 2
WORKING_MM = 1.0
LARGEST_BRAIN_ML = 2600.0
"""Brains end below 2000; loosely stripped ones carry scalp. A whole head with its air or its neck has more."""
RECORD = "predict.json"
GRID_TOLERANCE_MM = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Patient:
    """What could be read of a patient, and what could not."""

    scans: Mapping[str, ReferenceScan]
    problems: Mapping[str, str]


def predict_with_samseg(
    scans: Path, patients: Patients | None, out: Path, backend: Backend = "auto", *, threads: int = 1
) -> tuple[CaseOutcome, ...]:
    """Writes one mask per scan, on the scan's own grid, and a record.

    Args:
        scans: the folder.
        patients: the scans of each patient; None takes each scan as a patient of its own.
        out: where the masks go.
        backend: `auto` takes FreeSurfer where it is installed. Without it the scans must be zero outside the brain.
        threads: of FreeSurfer.

    Raises:
        EmptyStudy: no scan to segment.
        BackendUnavailable: FreeSurfer was asked for and is not there.
        UnusableScans: some scans have no mask; the record says which and why.
    """
    chosen = chosen_backend(backend)
    here = scans_in(scans, ENDING)
    listed = patients or {name: [name] for name in here}
    wanted = [[name for name in names if name in here] for names in listed.values()]
    if not any(wanted):
        raise EmptyStudy(f"expected scans named like SCAN_0000{ENDING} that are listed, saw none")
    out.mkdir(parents=True, exist_ok=True)
    outcomes: list[CaseOutcome] = []
    with progress_bar() as bar:
        task = bar.add_task("predicting", total=sum(len(names) for names in wanted))
        for names in wanted:
            outcomes += _predicted(_read(scans, names), names, out, chosen, threads)
            bar.update(task, completed=len(outcomes))
    rows = [{"scan": o.case.name, "problem": o.problem} for o in outcomes]
    (out / RECORD).write_text(json.dumps({"method": "samseg", "backend": chosen, "scans": rows}, indent=1))
    failed = sum(outcome.problem is not None for outcome in outcomes)
    if failed:
        raise UnusableScans(f"{failed} of {len(outcomes)} scans have no mask; {RECORD} says which and why")
    return tuple(outcomes)


def chosen_backend(backend: Backend) -> Chosen:
    """The backend itself; for `auto` FreeSurfer where it is installed."""
    if backend != "auto":
        return backend
    return "built-in" if FreeSurfer.find() is None else "freesurfer"


def segment_patient(
    scans: Sequence[ReferenceScan], backend: Backend = "auto", *, threads: int = 1
) -> list[Bool[NDArray[Any], "_ _ _"]]:
    """Lesion mask of each scan on its own grid, array axes as the scan's.

    Args:
        scans: of one patient, T1 and FLAIR, on one grid, reoriented to RAS.
        backend: see `predict_with_samseg`.
        threads: of FreeSurfer.

    Raises:
        ValueError: no scan, other channels, scans on different grids; built in: not stripped, or no brain.
        BackendUnavailable, ProcessingFailed: FreeSurfer is not there, or failed.
    """
    if not scans or any(len(scan.data) != CHANNELS for scan in scans):
        raise ValueError("scans: expected at least one, each with two channels, T1 and FLAIR")
    first = volume_of(scans[0].image)
    if not all(_same_grid(first, volume_of(scan.image)) for scan in scans):
        raise ValueError("scans: the scans of a patient lie on different grids")
    if chosen_backend(backend) == "freesurfer":
        visits = [Visit(t1=first.like(scan.data[0]), flair=first.like(scan.data[1])) for scan in scans]
        return [mask.array for mask in segment_with_freesurfer(visits, threads=threads)]
    return _built_in(scans, Grid.of(first))


def _built_in(scans: Sequence[ReferenceScan], grid: Grid) -> list[NDArray[np.bool_]]:
    brains = [nonzero_mask(scan.data) for scan in scans]
    largest_ml = max(float(brain.sum()) for brain in brains) * grid.voxel_volume_mm3 / 1000.0
    if largest_ml > LARGEST_BRAIN_ML:
        raise ValueError(
            f"scans: expected images that are zero outside the brain, saw {largest_ml:.0f} ml that are not zero"
        )
    fine = _one_millimetre(grid)
    found = segment_visits([_on(fine, scan, brain, grid) for scan, brain in zip(scans, brains, strict=True)])
    return [onto_grid(visit.mask, fine, grid, target_from_grid=IDENTITY_4X4) >= 0.5 for visit in found]


def _on(fine: Grid, scan: ReferenceScan, brain: NDArray[np.bool_], grid: Grid) -> NDArray[np.float32]:
    """The channels on the working grid, zero outside the brain."""
    volumes = [Volume(array=array, affine=grid.affine) for array in (*scan.data, brain)]
    t1, flair, part = (resample(volume, fine, volume_from_grid=IDENTITY_4X4) for volume in volumes)
    return np.where(part >= 0.5, np.stack([t1, flair]), np.float32(0.0))


def _one_millimetre(grid: Grid) -> Grid:
    """The same field of view and axes with voxels of 1 mm; a grid that has them is kept as it is."""
    spacing = np.array(grid.spacing)
    if np.allclose(spacing, WORKING_MM, rtol=0, atol=GRID_TOLERANCE_MM):
        return grid
    d, h, w = (int(n) for n in np.ceil(np.array(grid.shape) * spacing / WORKING_MM))
    affine: Affine = grid.affine.copy()
    affine[:3, :3] = grid.affine[:3, :3] * (WORKING_MM / spacing)
    outer_corner = grid.affine[:3, :3] @ np.full(3, -0.5)
    affine[:3, 3] = grid.affine[:3, 3] + outer_corner - affine[:3, :3] @ np.full(3, -0.5)
    return Grid(shape=(d, h, w), affine=affine)


def _read(folder: Path, names: Sequence[str]) -> _Patient:
    scans, problems = {}, {}
    for name in names:
        files = [folder / f"{name}_{channel:0{CHANNEL_DIGITS}d}{ENDING}" for channel in range(CHANNELS)]
        try:
            scans[name] = read_scan(files)
        except (ValueError, RuntimeError) as error:
            problems[name] = _line(error)
    return _Patient(scans=scans, problems=problems)


def _predicted(patient: _Patient, names: Sequence[str], out: Path, backend: Chosen, threads: int) -> list[CaseOutcome]:
    """Segments what could be read; a scan that could not be read does not stop the patient's others."""
    problems = dict(patient.problems)
    try:
        masks = segment_patient(list(patient.scans.values()), backend, threads=threads) if patient.scans else []
    except (ValueError, ProcessingFailed) as error:
        problems |= dict.fromkeys(patient.scans, _line(error))
    else:
        for (name, scan), mask in zip(patient.scans.items(), masks, strict=True):
            _write(mask, scan, out / f"{name}{ENDING}")
    return [CaseOutcome(case=Case(name=name, prior=None), problem=problems.get(name)) for name in names]


def _line(error: Exception) -> str:
    """A line of ours; SimpleITK's own errors hold paths."""
    return str(error) if isinstance(error, (ValueError, MsDeltaError)) else "an image is missing or cannot be read"


def _write(mask: NDArray[np.bool_], scan: ReferenceScan, path: Path) -> None:
    """In the axes of the scan's file; whole or not at all."""
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    image.CopyInformation(scan.image)
    part = path.with_name(f".part{ENDING}")
    sitk.WriteImage(sitk.DICOMOrient(image, scan.orientation), str(part), useCompression=True)
    part.replace(path)


def _same_grid(one: Volume, other: Volume) -> bool:
    same = np.allclose(one.affine, other.affine, rtol=0, atol=GRID_TOLERANCE_MM)
    return one.array.shape == other.array.shape and bool(same)
