"""The tables of a series of visits as words and numbers, set by its page and by its PDF alike."""

from collections.abc import Iterable

from service.contracts.report import LesionStatus, Reason
from service.contracts.series_report import LedgerRow, PairSummary, SeriesReport
from worker.reports.language import Words
from worker.reports.rule_sizes import sizes
from worker.reports.series_words import lesion_notes, visit_name
from worker.reports.tables import Cell, Column, Row, Table, flag_words, gate_cells, status_head

AT_VISIT = "at_visit"
"""Key of the ledger's columns of visits, one for each that is followed."""


def visit_table(report: SeriesReport, words: Words) -> Table:
    """Lesions and volume of every visit, and whether it is followed."""
    of = sizes(report, words)
    return Table(
        columns=(
            Column(key="visit", title=words("series.visit_head"), text=True),
            Column(key="followed", title=words("series.in_ledger"), text=True),
            *(Column(key=key, title=words(f"load.{key}", **of)) for key in ("counted", "every", "volume")),
        ),
        rows=tuple(
            Row(
                cells=(
                    Cell(visit_name(visit, words)),
                    Cell(words("answers.yes" if visit.followed else "series.not_followed")),
                    Cell(str(visit.lesions)),
                    Cell(str(visit.lesions_from_3_mm3)),
                    Cell(words.number(visit.volume_ml, 2)),
                )
            )
            for visit in report.visits
        ),
    )


def pair_table(report: SeriesReport, words: Words) -> Table | None:
    """Lesions of each status by both size rules, for each pair that the ledger uses; None where there is none."""
    used = [pair for pair in report.pairs if pair.role != "not_used"]
    statuses = [status.value for status in LesionStatus]
    columns = (
        Column(key="pair", title=words("series.sizes", **sizes(report, words)), text=True),
        Column(key="role", title="", text=True),
        *(Column(key=s, title=status_head(s, words), status=s) for s in statuses),
    )
    return Table(columns=columns, rows=tuple(_pair(pair, statuses, words) for pair in used)) if used else None


def ledger_table(report: SeriesReport, words: Words) -> Table | None:
    """Every lesion at every visit that is followed; None without a lesion. Rows that do not count are muted."""
    if not report.ledger:
        return None
    regions = any(row.region is not None for row in report.ledger)
    followed = [visit for visit in report.visits if visit.followed]
    columns = [Column(key="id", title=words("lesions_table.id"), text=True)]
    columns += [Column(key="region", title=words("regions.head"), text=True)] if regions else []
    for visit in followed:
        name = visit_name(visit, words).replace(", ", ",\n")
        columns.append(Column(key=AT_VISIT, title=f"{name}, mm³"))
    whole = len(followed) > 2  # of two visits the columns say it
    columns += [Column(key="first_to_last", title=words("series.first_to_last"), text=True)] if whole else []
    rows = []
    for row in report.ledger:
        cells = [Cell(str(row.id))]
        cells += [Cell(words(f"region.{row.region.value}" if row.region else "answers.unknown"))] if regions else []
        cells += [_at_visit(row, place, words) for place in range(len(row.visits))]
        cells += [_whole(row, words)] if whole else []
        rows.append(Row(cells=tuple(cells), muted=not row.counted))
    return Table(columns=tuple(columns), rows=tuple(rows))


def series_quality_table(report: SeriesReport, words: Words) -> Table:
    """Every gate of every pair that was tried, and below them why the pair cannot be compared, or only with care."""
    titles = {key: words(f"quality.{key}") for key in ("gate", "flag", "value", "expected")}
    return Table(
        columns=(
            Column(key="compared", title=words("series.compared"), text=True),
            *(Column(key=key, title=title, text=True) for key, title in titles.items()),
        ),
        rows=tuple(row for pair in report.pairs for row in _quality(pair, words)),
    )


def _pair(pair: PairSummary, statuses: list[str], words: Words) -> Row:
    """`1 (1)`: those that count, and all that are listed."""
    name = Cell(words("series.pair", baseline=pair.baseline, follow_up=pair.follow_up))
    role = Cell(words(f"series.role.{pair.role}"))
    if pair.counts is None or pair.counts_from_3_mm3 is None:
        return Row(cells=(name, role, Cell(words("series.not_compared"), span=len(statuses))))
    counted, every = pair.counts.model_dump(), pair.counts_from_3_mm3.model_dump()
    return Row(cells=(name, role, *(Cell(str(counted[s]), after=f"({every[s]})") for s in statuses)))


def _at_visit(row: LedgerRow, place: int, words: Words) -> Cell:
    """The volume at one of the visits that are followed, the change since the one before, and what happened."""
    at = row.visits[place]
    before = row.visits[place - 1].visit if place else None
    change = next((c for c in row.changes if (c.baseline, c.follow_up) == (before, at.visit)), None)
    volume, notes = words.number(at.volume_mm3, 0), lesion_notes(row, at, words)
    if change is None:
        return Cell(volume, below=notes)
    return Cell(_status(change.status, words), above=volume, below=notes, status=change.status.value)


def _whole(row: LedgerRow, words: Words) -> Cell:
    """The status from the first to the last visit, where it is given."""
    ends = row.visits[0].visit, row.visits[-1].visit
    change = next((c for c in row.changes if (c.baseline, c.follow_up) == ends), None)
    return Cell("") if change is None else Cell(_status(change.status, words), status=change.status.value)


def _status(status: LesionStatus, words: Words) -> str:
    """With soft hyphens: the columns are narrow."""
    return status_head(status.value, words)


def _quality(pair: PairSummary, words: Words) -> Iterable[Row]:
    name = Cell(f"{pair.baseline} → {pair.follow_up}")
    for check in pair.quality:
        yield Row(cells=(name, *gate_cells(check, words)))
    for reason in pair.reasons:
        yield Row(cells=(name, _reason(reason, pair, words)))


def _reason(reason: Reason, pair: PairSummary, words: Words) -> Cell:
    """Flag, words and code over the columns of a gate."""
    said = f"{words.reason(reason, pair.quality)} ({reason.code})"
    return Cell(flag_words(reason.flag.value, words), flag=reason.flag.value, after=said, span=4)
