"""The benchmark as Markdown, in the form of the paper's tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model.change_scores import SCORED

METRICS = {"dice": ("Dice", 100.0), "hd95_mm": ("HD95", 1.0), "lesion_f1": ("F1", 100.0)}
FILTERS = {"from_3_mm3": "lesions from 3 mm3", "all": "all lesions"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """What one training took."""

    iterations: int
    seconds: float
    parameters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One method."""

    method: str
    efforts: tuple[Effort, ...]
    """One per training; none for a method that is not trained."""
    scores: Mapping[str, Any]
    """`prediction` of its scores.json."""
    real: Mapping[str, Any] | None = None
    """The same of the real scan of the patient who is held out."""


def as_markdown(results: Sequence[Result], plan: Mapping[str, str]) -> str:
    """Segmentation, change, effort, and what was equal for all methods and what was not."""
    blocks = [
        "# Benchmark",
        "Dice and F1 in per cent, HD95 in mm: mean over a patient's scans, then over patients. For research use.",
        _segmentation({result.method: result.scores for result in results}),
    ]
    if any("change" in result.scores for result in results):
        pairs = max(result.scores.get("change", {}).get("pairs", 0) for result in results)
        blocks += [
            f"## Change ({pairs} pairs)",
            "Found of true lesions (sensitivity), and false ones per pair; lesions are counted from 14 mm3.",
            _change(results),
        ]
    real = {result.method: result.real for result in results if result.real is not None}
    if real:
        blocks += [REAL, _segmentation(real), FALSE, _false(real)]
    blocks += ["## Effort", _effort(results), "## Equal for all methods", _equal(plan), NOT_EQUAL]
    return "\n\n".join(blocks) + "\n"


NOT_EQUAL = """## Not equal

- The number of parameters, and what an iteration costs: under a budget of iterations the time differs, under a budget
  of minutes the iterations.
- The loss: Denner's network is also trained to register, Wu's to find new lesions.
- Recipe and rate are those of nnU-Net or of ours for every method; none was tuned for each.
- A method without iterations was not trained: its parameters are its authors'."""


REAL = """## The real scan of the patient who is held out

The whole brain, as it was scanned, with the consensus of its readers; its prior is a simulated rescan, and it is the
prior of that. Nothing changed between the two."""
FALSE = "False lesions of it, from 14 mm3, by what they seem to do:"


def _segmentation(scores: Mapping[str, Mapping[str, Any]]) -> str:
    head = ["method", *(f"{label}, {name}" for name in FILTERS.values() for label, _ in METRICS.values())]
    columns = [(name, metric, factor) for name in FILTERS for metric, (_, factor) in METRICS.items()]
    rows = [[method, *(_mean(of[name][key], factor) for name, key, factor in columns)] for method, of in scores.items()]
    return _table(head, rows)


def _false(scores: Mapping[str, Mapping[str, Any]]) -> str:
    head = ["method", *(status.value for status in SCORED)]
    return _table(head, [[m, *(str(of["change"][s.value]["false"]) for s in SCORED)] for m, of in scores.items()])


def _change(results: Sequence[Result]) -> str:
    head = ["method", *(f"{status.value} {what}" for status in SCORED for what in ("found", "false")), "load, ml off"]
    rows = []
    for result in results:
        change = result.scores.get("change")
        if change is None:
            continue
        cells = [cell for status in SCORED for cell in _found(change[status.value])]
        rows.append([result.method, *cells, f"{change['volume_change_error_ml']:.2f}"])
    return _table(head, rows)


def _effort(results: Sequence[Result]) -> str:
    rows = []
    for result in results:
        efforts = result.efforts
        if not efforts:
            rows.append([result.method, "-", "-", "-", "-"])
            continue
        iterations = sum(effort.iterations for effort in efforts)
        seconds = sum(effort.seconds for effort in efforts)
        parameters = f"{efforts[0].parameters / 1e6:.2f}"
        rows.append([result.method, str(len(efforts)), str(iterations), f"{seconds:.0f}", parameters])
    return _table(["method", "trainings", "iterations", "seconds trained", "parameters, M"], rows)


def _equal(plan: Mapping[str, str]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in plan.items())


def _mean(metric: Mapping[str, Any], factor: float) -> str:
    return "none" if metric["mean"] is None else f"{metric['mean'] * factor:.2f}"


def _found(row: Mapping[str, Any]) -> tuple[str, str]:
    sensitivity = "" if row["sensitivity"] is None else f" ({row['sensitivity'] * 100:.0f} %)"
    return f"{row['found']} of {row['true']}{sensitivity}", f"{row['false_per_pair']:.2f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    line = "|---|" + "---:|" * (len(head) - 1)
    return "\n".join([f"| {' | '.join(head)} |", line, *(f"| {' | '.join(row)} |" for row in rows)])
