"""The longitudinal patients with their authors' transforms and masks, for the benchmarks.

Source: Lesjak et al. 2016, doi:10.1007/s12021-016-9301-1.
"""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk

from model.grid import Grid
from model.resampling import resample
from model.volume import Affine, Volume
from worker.itk import matrix_of

LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def data_folder() -> Path:
    """The longitudinal patients, found through MSDELTA_SHARED_DATA or beside the repository."""
    return Path(os.environ.get("MSDELTA_SHARED_DATA", "../shared")) / "data" / "open_ms_data" / "longitudinal"


@dataclass(frozen=True)
class Visit:
    """One study of one patient."""

    folder: Path
    number: int

    @property
    def name(self) -> str:
        """Patient and study."""
        return f"{self.folder.name} study{self.number}"

    @cached_property
    def flair(self) -> Volume:
        """On its own grid."""
        return _volume(self.folder / f"study{self.number}_FLAIR.nii.gz")

    @cached_property
    def t1(self) -> Volume | None:
        """On its own grid; not every study has one here."""
        path = self.folder / f"study{self.number}_T1W.nii.gz"
        return _volume(path) if path.exists() else None

    @cached_property
    def flair_from_common(self) -> Affine:
        """The authors' transform, mm, LPS."""
        return _transform(self.folder / f"study{self.number}_FLAIR_to_common_space.txt")

    @cached_property
    def t1_from_flair(self) -> Affine:
        """The authors' transform, mm, LPS."""
        return _transform(self.folder / f"study{self.number}_T1W_intrastudy_to_FLAIR.txt")

    @cached_property
    def brain(self) -> Volume:
        """The authors' brain mask, carried onto the FLAIR by their transform."""
        return self._carried("brainmask")

    @cached_property
    def change(self) -> Volume:
        """The authors' mask of change between both visits, of either sign, likewise."""
        return self._carried("gt")

    def link(self, folder: Path) -> Path:
        """The folder, as a study of links; where the visit has no T1 here, the follow-up's stands in for it."""
        folder.mkdir(parents=True)
        own = self.folder / f"study{self.number}_T1W.nii.gz"
        t1 = own if own.exists() else self.folder / "study2_T1W.nii.gz"
        for sequence, path in (("T1", t1), ("FLAIR", self.folder / f"study{self.number}_FLAIR.nii.gz")):
            (folder / f"{sequence}.nii.gz").symlink_to(path.resolve())
        return folder

    def _carried(self, name: str) -> Volume:
        common = _volume(self.folder / f"{name}.nii.gz")
        part = resample(common, Grid.of(self.flair), volume_from_grid=np.linalg.inv(self.flair_from_common))
        return self.flair.like(part >= 0.5)


def patients() -> list[list[Visit]]:
    """The visits with a FLAIR, by patient."""
    folders = sorted(p for p in data_folder().iterdir() if p.is_dir())
    return [[Visit(f, n) for n in (1, 2) if (f / f"study{n}_FLAIR.nii.gz").exists()] for f in folders]


def _volume(path: Path) -> Volume:
    image = nib.load(path)
    return Volume(array=np.asarray(image.dataobj, np.float32), affine=LPS_FROM_RAS @ image.affine)


def _transform(path: Path) -> Affine:
    return matrix_of(sitk.ReadTransform(str(path)))
