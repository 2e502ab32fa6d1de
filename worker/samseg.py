"""SAMSEG's lesion segmentation of FreeSurfer, longitudinal, for sites that have FreeSurfer.

It was written from FreeSurfer's published program and tested against a stand-in that checks its options: the real
program was never run with it.

Source: Cerri et al. 2023, doi:10.1016/j.nicl.2023.103354; `run_samseg_long --help` of FreeSurfer 7.2 and later.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from model.grid import Grid
from model.resampling import resample
from model.volume import Volume
from service.contracts.errors import ProcessingFailed
from service.contracts.input_errors import BackendUnavailable
from worker.case import IDENTITY_4X4
from worker.nifti_writer import write_nifti

LONGITUDINAL, CROSS_SECTIONAL = "run_samseg_long", "run_samseg"
"""The longitudinal program refuses a single time point."""

LESION = 99
"""FreeSurfer's code in `seg.mgz`."""

LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Visit:
    """The images of one time point on one grid; the visits of a patient share it, too."""

    t1: Volume
    flair: Volume


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeSurfer:
    """An installation."""

    home: Path

    @staticmethod
    def find() -> "FreeSurfer | None":
        """That of FREESURFER_HOME, else the one whose `bin` is on the PATH."""
        home = os.environ.get("FREESURFER_HOME")
        if home and (Path(home) / "bin" / LONGITUDINAL).is_file():
            return FreeSurfer(home=Path(home))
        found = shutil.which(LONGITUDINAL)
        return None if found is None else FreeSurfer(home=Path(found).resolve().parent.parent)

    def run(self, program: str, options: Sequence[str], *, timeout_s: float) -> None:
        """Runs one of its programs.

        Raises:
            BackendUnavailable: it cannot be started.
            ProcessingFailed: it ended with an error or took too long.
        """
        folder = self.home / "bin"
        path = os.pathsep.join([str(folder), os.environ.get("PATH", os.defpath)])  # its Python lies beside it
        environment = {**os.environ, "FREESURFER_HOME": str(self.home), "PATH": path}
        try:
            done = subprocess.run(  # noqa: S603 (no shell; the options are ours)
                [str(folder / program), *options],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=timeout_s,
                check=False,
            )
        except OSError as error:
            raise BackendUnavailable(f"FreeSurfer's {program} cannot be started") from error
        except subprocess.TimeoutExpired as error:
            raise ProcessingFailed(f"FreeSurfer's {program} took more than {timeout_s:.0f} s") from error
        if done.returncode != 0:
            raise ProcessingFailed(f"FreeSurfer's {program} ended with status {done.returncode}")


def segment_with_freesurfer(
    visits: Sequence[Visit], *, threads: int = 1, timeout_s: float = 12 * 3600.0
) -> tuple[Volume, ...]:
    """Lesion mask (bool) of each visit on its T1's grid.

    SAMSEG takes heads with or without skull; it ignores voxels that are zero.

    Args:
        visits: of one patient, aligned, on one grid.
        threads: of the program, which takes about an hour a visit on one.
        timeout_s: of the whole patient.

    Raises:
        BackendUnavailable: FreeSurfer is not there.
        ProcessingFailed: it ended with an error, took too long, or left no segmentation.
    """
    installation = FreeSurfer.find()
    if installation is None:
        raise BackendUnavailable("samseg needs FreeSurfer: neither FREESURFER_HOME nor PATH leads to run_samseg_long")
    with tempfile.TemporaryDirectory(prefix="msdelta-samseg-") as name:
        folder = Path(name)
        files = [_written(visit, folder, number) for number, visit in enumerate(visits, start=1)]
        program, inputs, outputs = _plan(files, folder / "out")
        shared = ["--output", str(folder / "out"), "--threads", str(threads), "--pallidum-separate", "--lesion"]
        # per image: a lesion may have any intensity in T1 (0), and is brighter than cortex in FLAIR (1)
        pattern = ["--lesion-mask-pattern", "0", "1"]
        installation.run(program, [*inputs, *shared, *pattern], timeout_s=timeout_s)
        return tuple(_lesions(path, visit.t1) for path, visit in zip(outputs, visits, strict=True))


def _plan(files: Sequence[tuple[str, str]], out: Path) -> tuple[str, list[str], list[Path]]:
    """The program, its inputs, and where it leaves the segmentation of each visit."""
    if len(files) == 1:
        return CROSS_SECTIONAL, ["--input", *files[0]], [out / "seg.mgz"]
    inputs = [word for pair in files for word in ("--timepoint", *pair)]
    return LONGITUDINAL, inputs, [out / f"tp{number:03d}" / "seg.mgz" for number in range(1, len(files) + 1)]


def _written(visit: Visit, folder: Path, number: int) -> tuple[str, str]:
    paths = folder / f"visit{number}_t1.nii.gz", folder / f"visit{number}_flair.nii.gz"
    for image, path in zip((visit.t1, visit.flair), paths, strict=True):
        write_nifti(image.like(np.maximum(image.array, 0).astype(np.float32)), path)  # it takes logarithms
    return str(paths[0]), str(paths[1])


def _lesions(path: Path, like: Volume) -> Volume:
    try:
        image: Any = nib.load(path)
        labels = np.asarray(image.dataobj)
    except (OSError, EOFError, ValueError, nib.filebasedimages.ImageFileError) as error:
        raise ProcessingFailed("FreeSurfer's SAMSEG left no segmentation that can be read") from error
    if labels.ndim != 3:
        raise ProcessingFailed(f"FreeSurfer's SAMSEG left a segmentation of {labels.ndim} dimensions, expected 3")
    found = Volume(array=labels == LESION, affine=LPS_FROM_RAS @ np.asarray(image.affine, np.float64))
    return like.like(resample(found, Grid.of(like), volume_from_grid=IDENTITY_4X4) >= 0.5)
