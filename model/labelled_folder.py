"""Folders of scans with lesion masks: the layouts of nnU-Net / LongiSeg and of BIDS.

    imagesTr/{scan}_0000.nii.gz ...  labelsTr/{scan}.nii.gz  dataset.json  patientsTr.json or patients.json
    sub-*/[ses-*/]anat/*_T1w.nii.gz, *_FLAIR.nii.gz   lesion mask: *lesion*mask*.nii.gz or *dseg*.nii.gz there or
                                                      in derivatives/*/sub-*/[ses-*/]anat/, one of a kind

All scans of a patient lie on one grid.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.folder_prediction import CHANNEL_DIGITS, scans_in
from model.patient_list import read_patients

CHANNELS = ("T1", "FLAIR")
"""The order in which networks of ours take them."""
MASKS = ("*lesion*mask*.nii.gz", "*lesion*dseg*.nii.gz", "*dseg*.nii.gz")
"""The first kind that is there: a `dseg` without the word may as well be of tissues."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledScan:
    """One time point."""

    name: str
    images: tuple[Path, ...]
    """In the order of `CHANNELS`."""
    label: Path
    ignored: int | None = None
    """Value in the mask of voxels of which nobody says whether they are lesion: nnU-Net's label `ignore`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledPatient:
    """Scans in order of time."""

    name: str
    scans: tuple[LabelledScan, ...]


def read_labelled_folder(folder: Path) -> list[LabelledPatient]:
    """The patients of a folder of either layout.

    Raises:
        ValueError: neither layout, an image or mask is missing, or channels other than T1 and FLAIR.
    """
    if (folder / "imagesTr").is_dir():
        return _nnunet(folder)
    if any(folder.glob("sub-*")):
        return _bids(folder)
    raise ValueError("data: expected imagesTr/ and labelsTr/ (nnU-Net, LongiSeg) or sub-*/ (BIDS), saw neither")


def _nnunet(folder: Path) -> list[LabelledPatient]:
    dataset = _dataset(folder / "dataset.json")
    ending = dataset.get("file_ending", ".nii.gz")
    order = _order(dataset.get("channel_names", {}))
    ignored = _ignored(dataset.get("labels", {}))
    names = scans_in(folder / "imagesTr", ending)
    listed = next((folder / n for n in ("patientsTr.json", "patients.json") if (folder / n).exists()), None)
    patients = {name: [name] for name in names} if listed is None else read_patients(listed)

    def scan(name: str) -> LabelledScan:
        files = [folder / "imagesTr" / f"{name}_{n:0{CHANNEL_DIGITS}d}{ending}" for n in order]
        label = folder / "labelsTr" / f"{name}{ending}"
        return _checked(LabelledScan(name=name, images=tuple(files), label=label, ignored=ignored))

    here = set(names)
    found = [
        LabelledPatient(name=patient, scans=tuple(scan(name) for name in scans if name in here))
        for patient, scans in patients.items()
    ]
    return _some([patient for patient in found if patient.scans])


def _bids(folder: Path) -> list[LabelledPatient]:
    patients = []
    for subject in sorted(path for path in folder.glob("sub-*") if path.is_dir()):
        sessions = sorted(path for path in subject.glob("ses-*") if path.is_dir()) or [subject]
        scans = [_session(folder, subject, session) for session in sessions]
        patients.append(LabelledPatient(name=subject.name, scans=tuple(scan for scan in scans if scan is not None)))
    return _some([patient for patient in patients if patient.scans])


def _session(folder: Path, subject: Path, session: Path) -> LabelledScan | None:
    """None: a session without FLAIR is no time point of ours."""
    anat = session / "anat"
    images = [sorted(anat.glob(f"*_{suffix}.nii.gz")) for suffix in ("T1w", "FLAIR")]
    if not images[1]:
        return None
    within = anat.relative_to(folder)
    places = [anat, *sorted((folder / "derivatives").glob(f"*/{within.as_posix()}"))]
    named = [sorted(path for place in places for path in place.glob(pattern)) for pattern in MASKS]
    masks = next((found for found in named if found), [])
    name = subject.name if session == subject else f"{subject.name}_{session.name}"
    for kind, found in (("T1w image", images[0]), ("lesion mask", masks)):
        if not found:
            raise ValueError(f"data: {name} has a FLAIR image and no {kind}")
        if len(found) > 1:
            raise ValueError(f"data: {name}: expected one {kind}, saw {len(found)}")
    return LabelledScan(name=name, images=(images[0][0], images[1][0]), label=masks[0])


def _order(channel_names: dict[str, Any]) -> list[int]:
    """The file number of T1 and of FLAIR; without names as in our own order."""
    if not channel_names:
        return [0, 1]
    texts = {int(number): str(name).upper() for number, name in channel_names.items()}
    flair = [n for n, text in texts.items() if "FLAIR" in text]
    t1 = [n for n, text in texts.items() if "T1" in text and "FLAIR" not in text]
    if len(flair) != 1 or len(t1) != 1:
        raise ValueError(f"data: expected one channel named T1 and one named FLAIR, saw {sorted(texts.values())}")
    return [t1[0], flair[0]]


def _ignored(labels: Any) -> int | None:
    """The value of nnU-Net's label `ignore`, above all others; None where the folder has none."""
    if not isinstance(labels, dict) or "ignore" not in labels:
        return None
    value = labels["ignore"]
    others = [other for name, other in labels.items() if name != "ignore" and isinstance(other, int)]
    if not isinstance(value, int) or value <= max(others, default=0):
        raise ValueError("data: expected the label ignore in dataset.json to be a whole number above all others")
    return value


def _dataset(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text())
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError("data: dataset.json is not JSON") from error
    if not isinstance(found, dict):
        raise ValueError("data: expected an object in dataset.json")  # noqa: TRY004 (the file's fault, not the caller's)
    return found


def _checked(scan: LabelledScan) -> LabelledScan:
    for path in (*scan.images, scan.label):
        if not path.exists():
            raise ValueError(f"data: {path.parent.name}/{path.name} is missing")
    return scan


def _some(patients: Sequence[LabelledPatient]) -> list[LabelledPatient]:
    if not patients:
        raise ValueError("data: no scan with T1, FLAIR and a lesion mask")
    return list(patients)
