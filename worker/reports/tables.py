"""The tables of the report as words and numbers, each made once and set by the page and by the PDF alike."""

from dataclasses import dataclass
from itertools import pairwise

from service.contracts.measures import Interval
from service.contracts.report import Check, LesionRow, LesionStatus, Report
from worker.reports.language import Words
from worker.reports.rule_sizes import sizes
from worker.reports.status_marks import FLAG_SYMBOLS, SYMBOLS


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column by its key, which layouts go by, and its title."""

    key: str
    title: str
    """Empty: the head of the column before it stands over this one, too."""
    text: bool = False
    """Words, set from the left; numbers are set from the right."""
    status: str = ""
    """The colour of its head: a key of `status_marks`."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A text, a smaller one below it, and what it is marked with."""

    text: str
    below: str = ""
    status: str = ""
    flag: str = ""
    above: str = ""
    """The number that the text speaks of."""
    after: str = ""
    """Plain words after the text, which is bold then."""
    span: int = 1
    """Columns that it takes; only the last cell of a row takes more than one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The cells of a line; the first one is its head."""

    cells: tuple[Cell, ...]
    muted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under columns."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    @property
    def heads(self) -> tuple[tuple[Column, int], ...]:
        """The columns that have a title, each with the number of columns that it stands over."""
        at = [n for n, column in enumerate(self.columns) if column.title]
        return tuple((self.columns[n], after - n) for n, after in pairwise([*at, len(self.columns)]))


def status_words(status: str, words: Words) -> str:
    """`▲ enlarging`."""
    return f"{SYMBOLS[status]}\N{NO-BREAK SPACE}{words(f'status.{status}')}".lstrip()  # a lesion alone has no symbol


def status_head(status: str, words: Words) -> str:
    """The same for the head of a narrow column: with soft hyphens."""
    return f"{SYMBOLS[status]}\N{NO-BREAK SPACE}{words(f'status_head.{status}')}"


def interval_words(interval: Interval | None, words: Words, decimals: int, *, sign: bool = False) -> str:
    """`3.10-3.34` (with a dash), with signs `-0.11 to +0.39`; empty where there is none."""
    if interval is None:
        return ""
    low, high = (words.number(one, decimals, sign=sign) for one in interval)
    return words("interval.signed" if sign else "interval.plain", low=low, high=high)


def change_table(report: Report, words: Words) -> Table | None:
    """Lesions of each status by both size rules; None where no change is given."""
    if report.counts is None or report.counts_from_3_mm3 is None:
        return None
    statuses = [status.value for status in LesionStatus]
    counted, every = report.counts.model_dump(), report.counts_from_3_mm3.model_dump()
    columns = [Column(key=s, title=status_head(s, words), status=s) for s in statuses]
    of = sizes(report, words)
    return Table(
        columns=(Column(key="rule", title=words("changes.head"), text=True), *columns),
        rows=(
            Row(
                cells=(
                    Cell(words("changes.counted", **of)),
                    *(Cell(str(counted[s])) for s in statuses),
                )
            ),
            Row(
                cells=(Cell(words("changes.every", **of)), *(Cell(str(every[s])) for s in statuses)),
                muted=True,
            ),
        ),
    )


def load_table(report: Report, words: Words) -> Table:
    """Lesions and volume of each time point, and the change of the volume where one is given."""
    counts, volumes, spread = report.lesion_counts, report.volumes_ml, report.volume_intervals_ml
    rows = []
    if report.baseline is not None and volumes.baseline is not None:
        numbers = (counts.baseline, counts.baseline_from_3_mm3)
        rows.append(_time_point("baseline", numbers, volumes.baseline, spread.baseline, words))
    name = "study" if report.mode == "single_time_point" else "follow_up"
    numbers = (counts.follow_up, counts.follow_up_from_3_mm3)
    rows.append(_time_point(name, numbers, volumes.follow_up, spread.follow_up, words))
    if report.comparable and volumes.baseline is not None:
        change = _change(volumes.baseline, volumes.follow_up, words)
        of = Cell(change, below=interval_words(spread.change, words, 2, sign=True))
        rows.append(Row(cells=(Cell(words("load.change")), Cell(""), Cell(""), of)))
    titles = {key: words(f"load.{key}", **sizes(report, words)) for key in ("time", "counted", "every", "volume")}
    return Table(
        columns=tuple(Column(key=key, title=title, text=key == "time") for key, title in titles.items()),
        rows=tuple(rows),
    )


def region_table(report: Report, words: Words) -> Table | None:
    """Lesions and volumes by region of the brain; None where the regions are not known."""
    if not report.regions:
        return None
    compared = report.comparable
    statuses = [status.value for status in LesionStatus] if compared else []
    columns = [Column(key="region", title=words("regions.head"), text=True)]
    columns += [Column(key="lesions", title=words("regions.lesions", **sizes(report, words)))]
    columns += [Column(key=s, title=status_head(s, words), status=s) for s in statuses]
    columns += [Column(key="baseline", title=words("regions.baseline"))] if compared else []
    columns += [Column(key="follow_up", title=words("regions.follow_up" if compared else "regions.volume"))]
    rows = []
    for one in report.regions:
        of_status = {} if one.counts is None else one.counts.model_dump()
        cells = [Cell(words(f"region.{one.region.value}")), Cell(str(one.lesions))]
        cells += [Cell(str(of_status.get(s, ""))) for s in statuses]
        if compared:
            before = one.baseline_volume_ml
            cells.append(Cell("" if before is None else words.number(before, 2)))
        cells.append(Cell(words.number(one.follow_up_volume_ml, 2)))
        rows.append(Row(cells=tuple(cells)))
    return Table(columns=tuple(columns), rows=tuple(rows))


def quality_table(report: Report, words: Words) -> Table:
    """Every gate with its flag in a word and a shape, its value and what is expected."""
    titles = ("gate", "flag", "value", "expected")
    return Table(
        columns=tuple(Column(key=key, title=words(f"quality.{key}"), text=True) for key in titles),
        rows=tuple(Row(cells=gate_cells(check, words)) for check in report.quality),
    )


def gate_cells(check: Check, words: Words) -> tuple[Cell, Cell, Cell, Cell]:
    """A gate, its flag, its value and what is expected."""
    return (
        Cell(words.gate(check.name)),
        Cell(flag_words(check.flag.value, words), flag=check.flag.value),
        Cell(words.value(check)),
        Cell(words.limits(check.expected)),
    )


def flag_words(flag: str, words: Words) -> str:
    """`◆ amber`."""
    return f"{FLAG_SYMBOLS[flag]} {words(f'flag.{flag}')}"


def lesion_table(report: Report, words: Words) -> Table:
    """A row per lesion; columns that no lesion has a value for are left out, rows that do not count are muted."""
    compared = report.counts is not None
    keys = [key for key in (COMPARED if compared else ALONE) if _known(key, report)]
    title = words("lesions_table.volume" if not compared else "lesions_table.follow_up")
    columns = [
        Column(
            key=key,
            title=title if key == "follow_up" else words(f"lesions_table.{key}"),
            text=key in {"status", "region"},
        )
        for key in keys
    ]
    rows = []
    for row in report.lesions:
        cells = _cells(row, words)
        rows.append(Row(cells=tuple(cells[key] for key in keys), muted=not row.counted))
    return Table(columns=tuple(columns), rows=tuple(rows))


COMPARED = (
    "id",
    "status",
    "region",
    "baseline",
    "follow_up",
    "change",
    "diameter",
    "long_axis",
    "flair",
    "centre",
    "certainty",
    "probability",
)
ALONE = ("id", "region", "follow_up", "diameter", "long_axis", "centre", "probability")
OPTIONAL = {"region": "region", "long_axis": "long_axis_mm", "flair": "flair_change_sd", "certainty": "certainty"}
"""Columns that reports may lack, and the field that each shows."""


def _known(key: str, report: Report) -> bool:
    return key not in OPTIONAL or any(getattr(row, OPTIONAL[key]) is not None for row in report.lesions)


def _cells(row: LesionRow, words: Words) -> dict[str, Cell]:
    """Every column's cell of a lesion."""
    before = row.baseline_volume_mm3 or 0.0
    return {
        "id": Cell(f"{row.id}{'' if row.counted else ' *'}"),
        "status": _status(row, words),
        "region": Cell("" if row.region is None else words(f"region.{row.region.value}")),
        "baseline": Cell(words.number(before, 0), interval_words(row.baseline_interval_mm3, words, 0)),
        "follow_up": Cell(
            words.number(row.follow_up_volume_mm3, 0), interval_words(row.follow_up_interval_mm3, words, 0)
        ),
        "change": Cell(words.number(row.follow_up_volume_mm3 - before, 0, sign=True)),
        "diameter": Cell(words.number(row.equivalent_diameter_mm, 1)),
        "long_axis": Cell("" if row.long_axis_mm is None else words.number(row.long_axis_mm, 1)),
        "flair": Cell("" if row.flair_change_sd is None else words.number(row.flair_change_sd, 1, sign=True)),
        "centre": Cell(" ".join(words.number(one, 1) for one in row.centroid_mm)),
        "certainty": Cell("" if row.certainty is None else words.number(row.certainty, 2)),
        "probability": Cell(words.number(row.probability, 2)),
    }


def _status(row: LesionRow, words: Words) -> Cell:
    """The status; below it what of a growing lesion is new, and how many parts a split or merged one has."""
    if row.status is None:
        return Cell("")
    grown, parts = row.new_part_volume_mm3, (row.baseline_components, row.follow_up_components)
    notes = [words("lesions_table.new_part", volume=words.number(grown, 0))] if grown else []
    if max(parts) > 1:
        notes.append(words("lesions_table.parts", before=parts[0], after=parts[1]))
    return Cell(status_words(row.status.value, words), below=", ".join(notes), status=row.status.value)


def _time_point(
    name: str, numbers: tuple[int | None, int | None], volume_ml: float, spread: Interval | None, words: Words
) -> Row:
    volume = Cell(words.number(volume_ml, 2), below=interval_words(spread, words, 2))
    return Row(cells=(Cell(words(f"time.{name}")), *(Cell(str(n)) for n in numbers), volume))


def _change(before_ml: float, after_ml: float, words: Words) -> str:
    change = after_ml - before_ml
    absolute = words.number(change, 2, sign=True)
    return f"{absolute} ({words.number(100 * change / before_ml, 0, sign=True)} %)" if before_ml > 0 else absolute
