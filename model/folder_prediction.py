"""A folder of scans in, a folder of masks out, by the reference tool's conventions.

    IN/{scan}_0000.nii.gz, {scan}_0001.nii.gz ...    patients.json: {"patient": ["scan", "scan" ...] in order of time}
    OUT/{scan}.nii.gz

The scans of a patient lie on one grid. Each is segmented given the one before it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal

import SimpleITK as sitk

from model.checkpoint import LoadedModel
from model.patient_list import Patients
from model.reference_mode import Crop, ReferenceScan, read_scan, segment

PriorForFirst = Literal["self", "follow-up"]
CHANNEL_DIGITS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A scan to segment, and the scan it is segmented given."""

    name: str
    prior: str | None
    """None: the scan is its own prior, or the method takes none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderOptions:
    """How the folder is predicted; the defaults are those of the reference's longitudinal tool."""

    prior_for_first: PriorForFirst = "self"
    """`follow-up`: as in the paper."""
    crop: Crop = "none"
    mirroring: bool = True
    ending: str = ".nii.gz"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseOutcome:
    """What became of one scan."""

    case: Case
    problem: str | None
    """None: its mask is written."""


def scans_in(folder: Path, ending: str) -> list[str]:
    """Names of the scans of a folder: its files without channel number and ending."""
    pattern = f"*_{'[0-9]' * CHANNEL_DIGITS}{ending}"
    return sorted({path.name[: -len(ending) - CHANNEL_DIGITS - 1] for path in folder.glob(pattern)})


def cases(folder: Path, patients: Patients | None, options: FolderOptions, *, with_prior: bool = True) -> list[Case]:
    """The scans that are listed and lie in the folder; without a list every scan by itself.

    Args:
        folder: the scans.
        patients: from `model.patient_list.read_patients`.
        options: the prior of a first scan, and the ending of the files.
        with_prior: the method looks at a prior; otherwise none is read, encoded or cropped to.
    """
    here = scans_in(folder, options.ending)
    if patients is None:
        return [Case(name=name, prior=None) for name in here]
    found = []
    for listed in patients.values():
        scans = [name for name in listed if name in here]
        first = scans[1] if options.prior_for_first == "follow-up" and len(scans) > 1 else None
        priors = [first, *scans[:-1]] if with_prior else [None] * len(scans)
        found += [Case(name=name, prior=prior) for name, prior in zip(scans, priors, strict=False)]
    return found


def predict_folder(
    members: Sequence[LoadedModel],
    folder: Path,
    out: Path,
    wanted: Sequence[Case],
    options: FolderOptions,
    *,
    progress: Callable[[int, float], None],
) -> list[CaseOutcome]:
    """Writes one mask per case; a scan that cannot be read does not stop the others.

    Args:
        members: networks of one plan; their logits are averaged.
        folder: the scans.
        out: where the masks go, as `{scan}{ending}`.
        wanted: from `cases`.
        options: how.
        progress: is told the number of the case and the fraction of it that is done.
    """
    preprocessing = members[0].preprocessing

    @lru_cache(maxsize=2)  # a scan is the next one's prior
    def scan(name: str) -> ReferenceScan:
        files = [folder / f"{name}_{n:0{CHANNEL_DIGITS}d}{options.ending}" for n in range(len(preprocessing.channels))]
        return read_scan(files, reoriented=preprocessing.reoriented)

    out.mkdir(parents=True, exist_ok=True)
    outcomes = []
    for number, case in enumerate(wanted):
        progress(number, 0.0)
        try:
            mask = segment(
                members,
                scan(case.name),
                None if case.prior is None else scan(case.prior),
                mirroring=options.mirroring,
                crop=options.crop,
                progress=partial(progress, number),
            )
        except (ValueError, RuntimeError) as error:
            outcomes.append(CaseOutcome(case=case, problem=_problem(error)))
            continue
        _write(mask, out / f"{case.name}{options.ending}", options.ending)
        outcomes.append(CaseOutcome(case=case, problem=None))
    return outcomes


def _problem(error: Exception) -> str:
    """A line of ours; SimpleITK's own errors hold paths."""
    return str(error) if isinstance(error, ValueError) else "an image is missing or cannot be read"


def _write(mask: sitk.Image, path: Path, ending: str) -> None:
    """Whole or not at all."""
    part = path.with_name(f".part{ending}")
    sitk.WriteImage(mask, str(part), useCompression=True)
    part.replace(path)
