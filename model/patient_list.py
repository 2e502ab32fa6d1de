"""Which scans are of which patient, by the reference tool's `patients.json`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Patients = Mapping[str, Sequence[str]]
"""Scans of each patient in order of time."""


def read_patients(path: Path) -> Patients:
    """The reference's `patients.json`.

    Raises:
        ValueError: not JSON, or not a list of scans for each patient.
    """
    try:
        patients: Any = json.loads(path.read_text())
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError("patients: expected a JSON file") from error
    if not isinstance(patients, dict) or not all(isinstance(scans, list) for scans in patients.values()):
        raise ValueError("patients: expected an object with a list of scans for each patient")
    names = [name for scans in patients.values() for name in scans]
    if not all(isinstance(name, str) for name in names):
        raise ValueError("patients: expected names of scans")
    if len(set(names)) < len(names):
        raise ValueError("patients: a scan is listed twice")
    return patients
