"""`msdelta evaluate`: a trained network on the labelled scans that it did not see."""

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk

from model.folder_prediction import CHANNEL_DIGITS, PriorForFirst
from model.kfold import split
from model.labelled_folder import LabelledPatient, read_labelled_folder
from model.zoo import METHODS
from service.contracts.errors import InvalidOption
from worker.commands.predict import PredictRequest, predict_scans
from worker.commands.score import ScoreRequest, score_folders
from worker.commands.train import Fold


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateRequest:
    """One run of the command."""

    model: str
    """A method of the table, whose weights lie in `run`; or a file, an ensemble's folder, a reference model folder."""
    run: Path | None
    data: Path
    """Labelled scans in nnU-Net's or BIDS layout."""
    out: Path
    fold: Fold | None
    """Patients that were kept apart; None scores all."""
    prior_for_first: PriorForFirst
    mirroring: bool
    device: str


def evaluate_model(request: EvaluateRequest) -> None:
    """Writes masks, `scores.json` and `scores.csv`, and prints the paper's table.

    Raises:
        InvalidOption, InvalidCheckpoint: nothing can be scored.
        UnusableScans: some scans have no mask.
    """
    weights = _weights(request)
    patients = kept_apart(request.data, request.fold)
    request.out.mkdir(parents=True, exist_ok=True)
    listed = request.out / "patients.json"
    listed.write_text(json.dumps({p.name: [scan.name for scan in p.scans] for p in patients}, indent=1))
    with tempfile.TemporaryDirectory(prefix="msdelta-") as folder:
        scans, truth = Path(folder) / "scans", Path(folder) / "truth"
        _lay_out(patients, _channels(weights), scans, truth)
        predict_scans(
            PredictRequest(
                model=weights,
                scans=scans,
                out=request.out / "masks",
                patients=listed,
                folds=(),
                prior_for_first=request.prior_for_first,
                crop="union",
                mirroring=request.mirroring,
                device=request.device,
                resume=False,
            )
        )
        score_folders(
            ScoreRequest(truth=truth, prediction=request.out / "masks", against=None, patients=listed, out=request.out)
        )


def kept_apart(data: Path, fold: Fold | None) -> list[LabelledPatient]:
    """The patients of a fold, or all.

    Raises:
        InvalidOption: the folder cannot be used, or there is no such fold.
    """
    try:
        patients = read_labelled_folder(data)
        apart = split([p.name for p in patients], fold.number, fold.count)[1] if fold else [p.name for p in patients]
    except ValueError as error:
        raise InvalidOption(str(error)) from error
    return [patient for patient in patients if patient.name in apart]


def _weights(request: EvaluateRequest) -> Path:
    if request.model in METHODS:
        if request.run is None:
            raise InvalidOption("run: expected the folder that the method was trained into")
        return request.run / f"{request.model}.safetensors"
    return Path(request.model)


def _channels(model: Path) -> list[int]:
    """Which of our images (T1, FLAIR) is each channel of the model; a reference model folder names its own order."""
    path = model / "dataset.json"
    if not path.is_file():
        return [0, 1]
    names = json.loads(path.read_text()).get("channel_names", {"0": "T1", "1": "FLAIR"})
    return [int("FLAIR" in str(names[number]).upper()) for number in sorted(names, key=int)]


def _lay_out(patients: list[LabelledPatient], channels: list[int], scans: Path, truth: Path) -> None:
    """The images under the names that prediction reads, and binary masks of the truth beside them."""
    for folder in (scans, truth):
        folder.mkdir()
    for scan in (scan for patient in patients for scan in patient.scans):
        for number, channel in enumerate(channels):
            _as_nifti(scan.images[channel], scans / f"{scan.name}_{number:0{CHANNEL_DIGITS}d}.nii.gz")
        mask = sitk.ReadImage(str(scan.label)) > 0
        sitk.WriteImage(mask, str(truth / f"{scan.name}.nii.gz"), useCompression=True)


def _as_nifti(source: Path, target: Path) -> None:
    if source.name.endswith(".nii.gz"):
        shutil.copyfile(source, target)
    else:
        sitk.WriteImage(sitk.ReadImage(str(source)), str(target), useCompression=True)
