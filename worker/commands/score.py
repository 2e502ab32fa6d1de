"""`msdelta score`: a folder of masks against a folder of true masks, as the paper scores them."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from rich.console import Console
from rich.table import Table

from model.change_scores import SCORED, ChangeScore, change_score, total
from model.grid import Grid
from model.metrics import Mask, Scores, mean_over_patients, score
from model.patient_list import Patients, read_patients
from model.statistics import Interval, PairedDifference, bootstrap_interval, paired_difference
from service.contracts.input_errors import EmptyStudy, InvalidOption, UnusableScans
from worker.commands.progress_bar import progress_bar
from worker.itk import volume_of

ENDING = ".nii.gz"
GEOMETRY_TOLERANCE_MM = 1e-2

FILTERS = {"from_3_mm3": 3.0, "all": 0.0}
"""Lesions below this many mm3 are dropped from truth and prediction: the paper's two tables."""
METRICS = ("dice", "hd95_mm", "lesion_f1")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRequest:
    """One run of the command."""

    truth: Path
    prediction: Path
    against: Path | None
    """Another method's masks of the same scans."""
    patients: Path | None
    """None: each scan is a patient of its own, and no change is scored."""
    out: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodScores:
    """One folder of predictions."""

    scans: dict[str, dict[str, Scores]]
    """By filter and scan."""
    change: ChangeScore | None

    def of_patients(self, patients: Patients, name: str, metric: str) -> list[float | None]:
        """The mean of a metric over each patient's scans; None where no scan has it."""
        means = [mean_over_patients({p: [self.scans[name][s] for s in scans]}) for p, scans in patients.items()]
        return [getattr(mean, metric) for mean in means]


def score_folders(request: ScoreRequest) -> None:
    """Prints the paper's table, and writes `scores.csv` and `scores.json`.

    Raises:
        EmptyStudy, InvalidOption: nothing can be scored.
        UnusableScans: a mask is missing, unreadable or on another grid than its truth; nothing is scored then, for a
            mean without the failed scans would flatter.
    """
    patients = _patients(request)
    ours = _score_method(request.truth, request.prediction, patients, with_change=request.patients is not None)
    summary = {"prediction": _summary(ours, patients)}
    methods = {"prediction": ours}
    if request.against is not None:
        theirs = _score_method(request.truth, request.against, patients, with_change=request.patients is not None)
        methods["against"] = theirs
        summary["against"] = _summary(theirs, patients)
        summary["prediction_minus_against"] = _comparison(ours, theirs, patients)
    _print(summary, methods, len(patients), sum(len(scans) for scans in patients.values()))
    if request.out is not None:
        request.out.mkdir(parents=True, exist_ok=True)
        (request.out / "scores.json").write_text(json.dumps(summary, indent=1))
        _write_rows(request.out / "scores.csv", methods, patients)


def _patients(request: ScoreRequest) -> Patients:
    """The patients with a true mask, and their scans in order of time."""
    scans = {path.name.removesuffix(ENDING) for path in request.truth.glob(f"*{ENDING}")}
    if not scans:
        raise EmptyStudy(f"expected true masks SCAN{ENDING}, saw none")
    if request.patients is None:
        return {name: [name] for name in sorted(scans)}
    try:
        listed = read_patients(request.patients)
    except ValueError as error:
        raise InvalidOption(str(error)) from error
    there = {patient: [name for name in names if name in scans] for patient, names in listed.items()}
    left_out = len(scans) - sum(len(names) for names in there.values())
    if left_out:
        raise InvalidOption(f"patients: expected every scan that has a true mask, saw {left_out} left out")
    return {patient: names for patient, names in there.items() if names}


def _score_method(truth: Path, folder: Path, patients: Patients, *, with_change: bool) -> MethodScores:
    scans: dict[str, dict[str, Scores]] = {name: {} for name in FILTERS}
    changes: list[ChangeScore] = []
    failed = 0
    with progress_bar() as bar:
        for names in bar.track(patients.values(), description="scoring"):
            before: tuple[Mask, Mask, Grid] | None = None
            for name in names:
                try:
                    true, predicted, grid = _masks(truth / f"{name}{ENDING}", folder / f"{name}{ENDING}")
                except (RuntimeError, ValueError):
                    failed += 1
                    continue
                for key, smallest in FILTERS.items():
                    scans[key][name] = score(true, predicted, grid, smallest_mm3=smallest)
                if with_change and before is not None and _same(before[2], grid):
                    changes.append(change_score((before[0], true), (before[1], predicted), grid))
                before = (true, predicted, grid)
    if failed:
        count = sum(len(names) for names in patients.values())
        raise UnusableScans(f"{failed} of {count} masks are missing, unreadable or not on the grid of their truth")
    return MethodScores(scans=scans, change=total(changes) if changes else None)


def _masks(truth: Path, prediction: Path) -> tuple[Mask, Mask, Grid]:
    """Both masks, and their grid.

    Raises:
        ValueError: not on one grid, or not of 3 dimensions.
        RuntimeError: SimpleITK cannot read one.
    """
    true, predicted = (_mask(path) for path in (truth, prediction))
    if not _same(true[1], predicted[1]):
        raise ValueError("prediction: expected the grid of its truth")
    return true[0], predicted[0], true[1]


def _mask(path: Path) -> tuple[Mask, Grid]:
    """Any label is lesion; an empty mask is one, too."""
    volume = volume_of(sitk.ReadImage(str(path)))
    return volume.array > 0, Grid.of(volume)


def _same(a: Grid, b: Grid) -> bool:
    return a.shape == b.shape and bool(np.allclose(a.affine, b.affine, rtol=0, atol=GEOMETRY_TOLERANCE_MM))


def _summary(method: MethodScores, patients: Patients) -> dict[str, Any]:
    summary: dict[str, Any] = {}
    for name, scans in method.scans.items():
        means = mean_over_patients({p: [scans[s] for s in names] for p, names in patients.items()})
        intervals = {
            metric: bootstrap_interval(_known(method.of_patients(patients, name, metric))) for metric in METRICS
        }
        summary[name] = {
            metric: {"mean": getattr(means, metric), "interval": _as_dict(intervals[metric])} for metric in METRICS
        }
        summary[name]["scans_without_hd95"] = sum(one.hd95_mm is None for one in scans.values())
    if method.change is not None:
        summary["change"] = _change_summary(method.change)
    return summary


def _change_summary(change: ChangeScore) -> dict[str, Any]:
    rows = {
        status.value: {
            **asdict(change.by_status[status]),
            "sensitivity": change.by_status[status].sensitivity,
            "false_per_pair": change.false_per_pair(status),
        }
        for status in SCORED
    }
    return {"pairs": change.pairs, "volume_change_error_ml": change.mean_volume_change_error_ml, **rows}


def _comparison(ours: MethodScores, theirs: MethodScores, patients: Patients) -> dict[str, Any]:
    """Paired over the patients for whom both methods have the metric."""
    comparison: dict[str, Any] = {}
    for name in FILTERS:
        comparison[name] = {}
        for metric in METRICS:
            values = [method.of_patients(patients, name, metric) for method in (ours, theirs)]
            both = [(a, b) for a, b in zip(*values, strict=True) if a is not None and b is not None]
            found = paired_difference([a for a, _ in both], [b for _, b in both]) if both else None
            comparison[name][metric] = _as_dict(found)
    return comparison


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _as_dict(value: Interval | PairedDifference | None) -> dict[str, Any] | None:
    return None if value is None else asdict(value)


def _print(summary: Mapping[str, Any], methods: Mapping[str, MethodScores], patients: int, scans: int) -> None:
    console = Console()
    table = Table(title=f"{scans} scans of {patients} patients: mean over patients [95 % interval]")
    for column in ("masks", "lesions", "Dice", "HD95 mm", "lesion F1"):
        table.add_column(column, justify="left" if column in {"masks", "lesions"} else "right")
    for method in methods:
        for name, label in (("from_3_mm3", "from 3 mm3"), ("all", "all")):
            cells = (_cell(summary[method][name][metric], percent=metric != "hd95_mm") for metric in METRICS)
            table.add_row(method, label, *cells)
    console.print(table)
    for method, scores in methods.items():
        if scores.change is not None:
            console.print(_change_table(method, scores.change))
    if "prediction_minus_against" in summary:
        console.print(_comparison_table(summary["prediction_minus_against"]["from_3_mm3"]))


def _cell(value: Mapping[str, Any], *, percent: bool) -> str:
    if value["mean"] is None:
        return "none"
    factor = 100.0 if percent else 1.0
    interval = value["interval"]
    span = f" [{interval['low'] * factor:.1f} {interval['high'] * factor:.1f}]" if interval else ""
    return f"{value['mean'] * factor:.2f}{span}"


def _change_table(method: str, change: ChangeScore) -> Table:
    error = change.mean_volume_change_error_ml
    table = Table(title=f"{method}: lesions by change in {change.pairs} pairs; volume change off by {error:.2f} ml")
    for column in ("status", "true", "found", "false per pair"):
        table.add_column(column, justify="left" if column == "status" else "right")
    for status in SCORED:
        row = change.by_status[status]
        table.add_row(status.value, str(row.true), str(row.found), f"{change.false_per_pair(status):.2f}")
    return table


def _comparison_table(comparison: Mapping[str, Any]) -> Table:
    table = Table(title="prediction minus against, lesions from 3 mm3: paired over patients")
    for column in ("metric", "mean [95 % interval]", "Wilcoxon p", "patients"):
        table.add_column(column, justify="left" if column == "metric" else "right")
    for metric, found in comparison.items():
        if found is None:
            table.add_row(metric, "none", "", "0")
            continue
        cell = _cell(found, percent=metric != "hd95_mm")
        table.add_row(metric, cell, f"{found['p_value']:.3g}", str(found["patients"]))
    return table


def _write_rows(path: Path, methods: Mapping[str, MethodScores], patients: Patients) -> None:
    """A row for each method, filter and scan."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("masks", "lesions", "patient", "scan", *METRICS))
        for method, scores in methods.items():
            for name in FILTERS:
                for patient, scans in patients.items():
                    for scan in scans:
                        one = scores.scans[name][scan]
                        writer.writerow((method, name, patient, scan, *(getattr(one, metric) for metric in METRICS)))
