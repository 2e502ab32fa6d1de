"""`msdelta train METHOD`: a network of the paper's table on labelled scans, on synthetic pairs, or on both."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from model.checkpoint import Preprocessing
from model.kfold import split
from model.labelled_folder import LabelledPatient, read_labelled_folder
from model.prepared_patients import prepare_patients
from model.processes import first_process, join_processes, leave_processes
from model.train import train
from model.training_pool import check_pool, pool_patients
from model.training_settings import TrainingScans, TrainingSettings, check_patch
from model.training_state import TrainingState
from model.zoo import plan
from service.contracts.input_errors import InvalidOption
from worker.commands.progress_bar import progress_bar
from worker.pipeline_tools import chosen_device


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Which part of the patients is kept apart: `number` of `count`."""

    number: int
    count: int


def train_method(
    settings: TrainingSettings, folders: Sequence[Path], fold: Fold | None, *, resume: Path | None = None
) -> TrainingState:
    """Trains and writes the weights into the run's folder.

    Args:
        settings: the run; its device may be `auto`, its `hold_out` may name patients of the folders as well.
        folders: labelled scans, in nnU-Net's or BIDS layout.
        fold: part of each folder's patients that is kept apart for validation, as `hold_out` is; None: no other.
        resume: a checkpoint to begin from where the run has none of its own.

    Raises:
        InvalidOption: the data cannot be trained on, or the checkpoint is of another network.
        BackendUnavailable: the device is not there.
    """
    device = join_processes(str(chosen_device(settings.device)))
    try:
        check_patch(plan(settings.plan, settings.method), settings.patch)
        settings, scans = _prepared(replace(settings, device=device), folders, fold)
        with progress_bar() as bar:
            bar.disable = not first_process()
            task = bar.add_task(settings.method, total=1.0)

            def show(iteration: int, loss: float, fraction: float) -> None:
                bar.update(task, completed=fraction, description=f"{settings.method} {iteration}  loss {loss:.3f}")

            return train(settings, scans, resume=resume, report=show)
    except ValueError as error:
        raise InvalidOption(str(error)) from error
    finally:
        leave_processes()


def kept_apart(patients: Sequence[LabelledPatient], fold: Fold | None, hold_out: Sequence[str]) -> set[str]:
    """Names of a folder's patients that are not trained on.

    Raises:
        ValueError: there is no such fold.
    """
    names = [patient.name for patient in patients]
    return {name for name in names if name in hold_out} | set(split(names, fold.number, fold.count)[1] if fold else ())


def _prepared(
    settings: TrainingSettings, folders: Sequence[Path], fold: Fold | None
) -> tuple[TrainingSettings, TrainingScans]:
    """Prepared patients of every folder, and the settings with those names to hold out that the pool has.

    Each folder has its own folds, so that `msdelta evaluate` finds the same ones from that folder alone.

    Raises:
        ValueError: a folder cannot be used, there is no such fold, or a name to hold out is nowhere.
    """
    if fold is not None and not folders:
        raise ValueError("fold: expected labelled scans, saw synthetic pairs alone")
    read = [read_labelled_folder(folder) for folder in folders]
    in_pool: set[str] = set()
    if settings.data is not None:
        check_pool(settings.data, (), settings.marked_scans)
        in_pool = pool_patients(settings.data)
    unknown = set(settings.hold_out) - in_pool - {patient.name for patients in read for patient in patients}
    if unknown:
        raise ValueError(f"hold_out: expected names of patients, saw {len(unknown)} that are nowhere in the data")
    training, validation = [], []
    for patients in read:
        apart = kept_apart(patients, fold, settings.hold_out)
        prepared = prepare_patients(patients, settings.kept_in / "prepared", Preprocessing(patch=settings.patch))
        training += [patient for patient in prepared if patient.name not in apart]
        validation += [patient for patient in prepared if patient.name in apart]
    if read and not training:
        raise ValueError("fold: expected some patients to train on, saw all kept apart")
    of_pool = tuple(name for name in settings.hold_out if name in in_pool)
    return replace(settings, hold_out=of_pool), TrainingScans(training=training, validation=validation)
