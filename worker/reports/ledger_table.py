"""The ledger as CSV: a row per lesion and visit, units in the column names."""

import csv
from pathlib import Path

from service.contracts.series_report import LedgerRow, LesionVisit, SeriesReport

COLUMNS = (
    "id",
    "uid",
    "counted",
    "region",
    "visit",
    "acquired",
    "volume_mm3",
    "components",
    "centroid_x_mm_lps",
    "centroid_y_mm_lps",
    "centroid_z_mm_lps",
    "probability",
    "covered",
    "since_visit",
    "status",
    "new_part_volume_mm3",
    "status_first_to_last",
    "events",
)


def write_ledger_csv(report: SeriesReport, path: Path) -> None:
    """Writes the header and the rows.

    `status` is that of the change since the visit before in the ledger (`since_visit`); `status_first_to_last` stands
    at the last visit. An empty cell means that the value does not exist; several events stand apart by spaces.
    """
    acquired = {visit.visit: visit.study.acquired for visit in report.visits}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in report.ledger:
            for place, at in enumerate(row.visits):
                before = row.visits[place - 1].visit if place else None
                writer.writerow([*_lesion(row), at.visit, acquired[at.visit], *_visit(at), *_change(row, before, at)])


def _lesion(row: LedgerRow) -> tuple[object, ...]:
    return row.id, row.uid, str(row.counted).lower(), "" if row.region is None else row.region.value


def _visit(at: LesionVisit) -> tuple[object, ...]:
    centroid = at.centroid_mm or (None, None, None)
    return at.volume_mm3, at.components, *centroid, at.probability, str(at.covered).lower()


def _change(row: LedgerRow, before: int | None, at: LesionVisit) -> tuple[object, ...]:
    by_pair = {(change.baseline, change.follow_up): change for change in row.changes}
    change = None if before is None else by_pair.get((before, at.visit))
    ends = row.visits[0].visit, row.visits[-1].visit
    whole = by_pair.get(ends) if at.visit == ends[1] else None
    return (
        before,
        None if change is None else change.status.value,
        None if change is None else round(sum(part.new_part_volume_mm3 for part in change.parts), 2),
        None if whole is None else whole.status.value,
        " ".join(event.kind for event in row.events if event.visit == at.visit),
    )
