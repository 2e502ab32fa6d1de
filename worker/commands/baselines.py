"""Methods of the paper's table that are not trained, by name. Another one is one more line here."""

from collections.abc import Callable
from pathlib import Path

from model.patient_list import Patients
from worker.commands.samseg_method import predict_with_samseg

Baseline = Callable[[Path, Patients, Path], None]
"""Folder with SCAN_0000.nii.gz (T1) and SCAN_0001.nii.gz (FLAIR), the scans of each patient in order of time, folder
for the masks SCAN.nii.gz."""


def _samseg(scans: Path, patients: Patients, masks: Path) -> None:
    predict_with_samseg(scans, patients, masks)


BASELINES: dict[str, Baseline] = {"samseg": _samseg}
