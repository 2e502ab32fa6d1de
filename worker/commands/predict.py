"""`msdelta predict`: a drop-in for the reference tool, on its folders and with its preprocessing."""

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from model.checkpoint import LoadedModel, load_all
from model.folder_prediction import CaseOutcome, FolderOptions, PriorForFirst, cases, predict_folder
from model.longiseg import convert_longiseg
from model.patient_list import read_patients
from model.reference_mode import Crop
from model.zoo import takes_prior
from service.contracts.input_errors import EmptyStudy, InvalidCheckpoint, InvalidOption, UnusableScans
from worker.commands.progress_bar import progress_bar
from worker.pipeline_tools import chosen_device

RECORD = "predict.json"
"""What was run, and what became of every scan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictRequest:
    """One run of the command."""

    model: Path
    """Model folder of LongiSeg or nnU-Net; or our own safetensors: a file, or a folder with an ensemble."""
    scans: Path
    out: Path
    patients: Path | None
    folds: Sequence[str]
    prior_for_first: PriorForFirst
    crop: Crop | None
    """None: as the reference's tool for the method, the whole image or, for a single time point, its nonzero box."""
    mirroring: bool
    device: str
    resume: bool
    """Leave out scans whose mask lies in `out`."""


def predict_scans(request: PredictRequest) -> None:
    """Segments every scan of a folder.

    Raises:
        InvalidCheckpoint, InvalidOption, EmptyStudy: nothing was done.
        UnusableScans: some scans have no mask; the record says which and why.
    """
    members = _members(request)
    options = _options(request, members[0])
    try:
        patients = None if request.patients is None else read_patients(request.patients)
    except ValueError as error:
        raise InvalidOption(str(error)) from error
    if patients is None and takes_prior(members[0].config):
        raise InvalidOption("patients: expected for a longitudinal model, saw none")
    wanted = cases(request.scans, patients, options, with_prior=takes_prior(members[0].config))
    if not wanted:
        raise EmptyStudy(f"expected scans named like SCAN_0000{options.ending} that are listed, saw none")
    left = [c for c in wanted if not (request.resume and (request.out / f"{c.name}{options.ending}").exists())]
    with progress_bar() as bar:
        task = bar.add_task("predicting", total=len(left))
        outcomes = predict_folder(
            members,
            request.scans,
            request.out,
            left,
            options,
            progress=lambda number, fraction: bar.update(task, completed=number + fraction),
        )
        bar.update(task, completed=len(left))
    _write_record(request, options, members, outcomes)
    _report(request, len(wanted), outcomes)


def _members(request: PredictRequest) -> tuple[LoadedModel, ...]:
    torch.set_flush_denormal(True)  # denormals slow convolutions on CPUs several-fold
    device = chosen_device(request.device)
    of_reference = (request.model / "plans.json").exists()
    if request.folds and not of_reference:
        raise InvalidOption("fold: expected a model folder with plans.json")
    try:
        if of_reference:
            with tempfile.TemporaryDirectory(prefix="msdelta-") as folder:
                members = convert_longiseg(request.model, Path(folder), request.folds)
        else:
            members = load_all(request.model)
    except ValueError as error:
        raise InvalidCheckpoint(str(error)) from error
    for member in members:
        member.network.to(device)
    return members


def _options(request: PredictRequest, member: LoadedModel) -> FolderOptions:
    """With the file ending that the model's own data had."""
    path = request.model / "dataset.json"
    dataset = json.loads(path.read_text()) if path.exists() else {}
    return FolderOptions(
        prior_for_first=request.prior_for_first,
        crop=request.crop or ("none" if takes_prior(member.config) else "union"),
        mirroring=request.mirroring,
        ending=dataset.get("file_ending", ".nii.gz"),
    )


def _write_record(
    request: PredictRequest, options: FolderOptions, members: Sequence[LoadedModel], outcomes: Sequence[CaseOutcome]
) -> None:
    """The record, and the model's own notes, which the reference's later steps look for beside the masks."""
    record: dict[str, Any] = {
        "method": members[0].config.variant,
        "sha256": [member.sha256 for member in members],
        "prior_for_first": options.prior_for_first,
        "crop": options.crop,
        "mirroring": options.mirroring,
        "scans": [{"scan": o.case.name, "prior": o.case.prior, "problem": o.problem} for o in outcomes],
    }
    (request.out / RECORD).write_text(json.dumps(record, indent=1))
    for name in ("plans.json", "dataset.json"):
        if (request.model / name).exists():
            shutil.copyfile(request.model / name, request.out / name)


def _report(request: PredictRequest, wanted: int, outcomes: Sequence[CaseOutcome]) -> None:
    failed = sum(outcome.problem is not None for outcome in outcomes)
    done = len(outcomes) - failed
    there = wanted - len(outcomes)
    Console().print(f"{done} of {wanted} scans segmented, {there} were there: {request.out}", soft_wrap=True)
    if failed:
        raise UnusableScans(f"{failed} of {wanted} scans have no mask; {RECORD} says which and why")
