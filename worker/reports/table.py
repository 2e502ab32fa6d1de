"""The lesion table as CSV: one row per lesion group, units in the column names."""

import csv
from pathlib import Path

from service.contracts.report import LesionRow, Report

COLUMNS = (
    "id",
    "status",
    "counted",
    "baseline_volume_mm3",
    "follow_up_volume_mm3",
    "equivalent_diameter_mm",
    "centroid_x_mm_lps",
    "centroid_y_mm_lps",
    "centroid_z_mm_lps",
    "baseline_centroid_x_mm_lps",
    "baseline_centroid_y_mm_lps",
    "baseline_centroid_z_mm_lps",
    "new_part_volume_mm3",
    "baseline_components",
    "follow_up_components",
    "probability",
    "region",
    "surface_mm2",
    "long_axis_mm",
    "flair_change_sd",
    "certainty",
    "baseline_interval_low_mm3",
    "baseline_interval_high_mm3",
    "follow_up_interval_low_mm3",
    "follow_up_interval_high_mm3",
    "tracking_uid",
)


def write_csv(report: Report, path: Path) -> None:
    """Writes the header and a row per lesion; an empty cell means that the value does not exist."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(_cells(row) for row in report.lesions)


def _cells(row: LesionRow) -> list[object]:
    there = row.baseline_centroid_mm or (None, None, None)
    return [
        row.id,
        "" if row.status is None else row.status.value,
        str(row.counted).lower(),
        row.baseline_volume_mm3,
        row.follow_up_volume_mm3,
        row.equivalent_diameter_mm,
        *row.centroid_mm,
        *there,
        row.new_part_volume_mm3,
        row.baseline_components,
        row.follow_up_components,
        row.probability,
        "" if row.region is None else row.region.value,
        row.surface_mm2,
        row.long_axis_mm,
        row.flair_change_sd,
        row.certainty,
        *(row.baseline_interval_mm3 or (None, None)),
        *(row.follow_up_interval_mm3 or (None, None)),
        row.tracking_uid,
    ]
