"""`msdelta evaluate`: a trained network on the labelled scans that it did not see."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk

from model.folder_prediction import CHANNEL_DIGITS, PriorForFirst
from model.labelled_folder import LabelledPatient, LabelledScan, read_labelled_folder
from model.zoo import METHODS
from service.contracts.input_errors import InvalidOption
from worker.commands.baselines import BASELINES
from worker.commands.predict import PredictRequest, predict_scans
from worker.commands.score import ScoreRequest, score_folders
from worker.commands.train import Fold, kept_apart


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionOptions:
    """How a network is run on labelled scans."""

    prior_for_first: PriorForFirst = "follow-up"
    """As in the paper."""
    mirroring: bool = False
    device: str = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateRequest:
    """One run of the command."""

    model: str
    """A method of the table; one with weights has them in `run`. Or a file, an ensemble's folder, a reference model
    folder."""
    run: Path | None
    data: Path
    """Labelled scans in nnU-Net's or BIDS layout."""
    out: Path
    fold: Fold | None
    hold_out: Sequence[str]
    """Patients that were kept apart by name. Without a fold and names all are scored."""
    prediction: PredictionOptions


def evaluate_model(request: EvaluateRequest) -> None:
    """Writes masks, `scores.json` and `scores.csv`, and prints the paper's table.

    Raises:
        InvalidOption, InvalidCheckpoint: nothing can be scored.
        UnusableScans: some scans have no mask.
    """
    patients = patients_to_score(request.data, request.fold, request.hold_out)
    masks = request.out / "masks"
    if request.model in BASELINES:
        predict_with_baseline(request.model, patients, masks)
    else:
        predict_with_weights(_weights(request), patients, masks, request.prediction)
    score_masks(patients, masks, request.out)


def patients_to_score(data: Path, fold: Fold | None, hold_out: Sequence[str] = ()) -> list[LabelledPatient]:
    """The patients of a folder that were kept apart, or all.

    Raises:
        InvalidOption: the folder cannot be used, or there is no such fold or patient.
    """
    try:
        patients = read_labelled_folder(data)
        apart = kept_apart(patients, fold, hold_out)
    except ValueError as error:
        raise InvalidOption(str(error)) from error
    if not set(hold_out) <= apart:
        raise InvalidOption("hold_out: expected names of patients in the folder")
    return [patient for patient in patients if not (fold or hold_out) or patient.name in apart]


def predict_with_weights(
    model: Path, patients: Sequence[LabelledPatient], masks: Path, options: PredictionOptions
) -> None:
    """Writes a mask for every scan of the patients.

    Raises:
        InvalidCheckpoint: the model cannot be used.
        UnusableScans: some scans have no mask.
    """
    with _laid_out(patients, _channels(model)) as (scans, listed):
        predict_scans(
            PredictRequest(
                model=model,
                scans=scans,
                out=masks,
                patients=listed,
                folds=(),
                prior_for_first=options.prior_for_first,
                crop="union",
                mirroring=options.mirroring,
                device=options.device,
                resume=False,
            )
        )


def predict_with_baseline(name: str, patients: Sequence[LabelledPatient], masks: Path) -> None:
    """The same for a method that is not trained."""
    with _laid_out(patients, (0, 1)) as (scans, listed):
        BASELINES[name](scans, json.loads(listed.read_text()), masks)


def score_masks(patients: Sequence[LabelledPatient], masks: Path, out: Path) -> None:
    """Prints the paper's table and writes `scores.json`, `scores.csv` and `patients.json`.

    What the labels call unknown is left out on both sides.

    Raises:
        UnusableScans: a mask is missing or not on the grid of its truth.
    """
    out.mkdir(parents=True, exist_ok=True)
    listed = _list(patients, out / "patients.json")
    with tempfile.TemporaryDirectory(prefix="msdelta-") as name:
        truth, known = Path(name) / "truth", Path(name) / "known"
        for folder in (truth, known):
            folder.mkdir()
        scans = [scan for patient in patients for scan in patient.scans]
        for scan in scans:
            label = sitk.ReadImage(str(scan.label))
            sitk.WriteImage(
                label > 0 if scan.ignored is None else (label > 0) & (label != scan.ignored),
                str(truth / f"{scan.name}.nii.gz"),
                useCompression=True,
            )
            _without_unknown(scan, label, masks, known)
        prediction = known if any(scan.ignored is not None for scan in scans) else masks
        score_folders(ScoreRequest(truth=truth, prediction=prediction, against=None, patients=listed, out=out))


def _without_unknown(scan: LabelledScan, label: sitk.Image, masks: Path, out: Path) -> None:
    """The predicted mask where the labels are known; one that is missing or on another grid is left to the scoring."""
    path = masks / f"{scan.name}.nii.gz"
    if scan.ignored is None or not path.exists():
        return
    mask = sitk.ReadImage(str(path))
    if mask.GetSize() == label.GetSize():
        known = label != scan.ignored
        known.CopyInformation(mask)
        mask = sitk.Mask(mask, known)
    sitk.WriteImage(mask, str(out / path.name), useCompression=True)


def _weights(request: EvaluateRequest) -> Path:
    if request.model not in METHODS:
        return Path(request.model)
    if request.run is None:
        raise InvalidOption("run: expected the folder that the method was trained into")
    path = request.run / f"{request.model}.safetensors"
    if not path.exists():
        raise InvalidOption(f"run: expected {path.name} in the folder, saw none; the training may not have ended")
    return path


def _channels(model: Path) -> list[int]:
    """Which of our images (T1, FLAIR) is each channel of the model; a reference model folder names its own order."""
    path = model / "dataset.json"
    if not path.is_file():
        return [0, 1]
    names = json.loads(path.read_text()).get("channel_names", {"0": "T1", "1": "FLAIR"})
    return [int("FLAIR" in str(names[number]).upper()) for number in sorted(names, key=int)]


@contextmanager
def _laid_out(patients: Sequence[LabelledPatient], channels: Sequence[int]) -> Iterator[tuple[Path, Path]]:
    """The images under the names that prediction reads, for a while, and the list of the patients' scans."""
    with tempfile.TemporaryDirectory(prefix="msdelta-") as name:
        scans = Path(name) / "scans"
        scans.mkdir()
        for scan in (scan for patient in patients for scan in patient.scans):
            for number, channel in enumerate(channels):
                _as_nifti(scan.images[channel], scans / f"{scan.name}_{number:0{CHANNEL_DIGITS}d}.nii.gz")
        yield scans, _list(patients, Path(name) / "patients.json")


def _list(patients: Sequence[LabelledPatient], path: Path) -> Path:
    path.write_text(json.dumps({p.name: [scan.name for scan in p.scans] for p in patients}, indent=1))
    return path


def _as_nifti(source: Path, target: Path) -> None:
    if source.name.endswith(".nii.gz"):
        target.symlink_to(source.resolve())
    else:
        sitk.WriteImage(sitk.ReadImage(str(source)), str(target), useCompression=True)
