"""`msdelta train METHOD`: a network of the paper's table on labelled scans, on synthetic pairs, or on both."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from model.checkpoint import Preprocessing
from model.kfold import split
from model.labelled_folder import LabelledPatient, read_labelled_folder
from model.prepared_patients import PreparedPatient, prepare_patients
from model.train import TrainingScans, TrainingSettings, join_processes, train
from service.contracts.errors import InvalidOption
from worker.commands.progress_bar import progress_bar
from worker.pipeline_tools import chosen_device


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Which part of the patients is kept apart: `number` of `count`."""

    number: int
    count: int


def train_method(
    settings: TrainingSettings, folders: Sequence[Path], fold: Fold | None, *, resume: Path | None = None
) -> Path:
    """Trains and gives the file of the weights.

    Args:
        settings: the run; its device may be `auto`.
        folders: labelled scans, in nnU-Net's or BIDS layout.
        fold: kept apart for validation; None trains on all patients.
        resume: a checkpoint to begin from where the run has none of its own.

    Raises:
        InvalidOption: the data cannot be trained on, or the checkpoint is of another network.
        BackendUnavailable: the device is not there.
    """
    device = join_processes(chosen_device(settings.device).type if settings.device == "auto" else settings.device)
    settings = replace(settings, device=device)
    try:
        scans = read_training_scans(folders, fold, settings)
        with progress_bar() as bar:
            task = bar.add_task(settings.method, total=settings.iterations)

            def show(iteration: int, loss: float) -> None:
                bar.update(task, completed=iteration, description=f"{settings.method}  loss {loss:.3f}")

            train(settings, scans, resume=resume, report=show)
    except ValueError as error:
        raise InvalidOption(str(error)) from error
    return settings.out / f"{settings.method}.safetensors"


def read_training_scans(folders: Sequence[Path], fold: Fold | None, settings: TrainingSettings) -> TrainingScans:
    """Prepared patients of every folder, those of the fold apart.

    Raises:
        ValueError: a folder cannot be used, or there is no such fold.
    """
    patients = [patient for folder in folders for patient in read_labelled_folder(folder)]
    if not patients:
        return TrainingScans()
    apart = _apart(patients, fold)
    cache = settings.out.parent / "prepared"
    prepared = prepare_patients(patients, cache, Preprocessing(patch=settings.patch))
    return TrainingScans(
        training=_those(prepared, apart, wanted=False), validation=_those(prepared, apart, wanted=True)
    )


def _apart(patients: Sequence[LabelledPatient], fold: Fold | None) -> set[str]:
    if fold is None:
        return set()
    return set(split([patient.name for patient in patients], fold.number, fold.count)[1])


def _those(patients: Sequence[PreparedPatient], apart: set[str], *, wanted: bool) -> list[PreparedPatient]:
    return [patient for patient in patients if (patient.name in apart) == wanted]
