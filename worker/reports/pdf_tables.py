"""The tables of the PDF report: every number with the decimals of the page (`report.html`)."""

from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib.colors import HexColor
from reportlab.platypus import Paragraph, Table

from service.contracts.report import LesionRow, LesionStatus, Report
from worker.reports.pdf_page import BOLD, CELL, FONT, GREY, INK, RULE, SHADE, SMALL, WIDTH
from worker.reports.status_marks import COLOURS, LIGHTS, SYMBOLS

Cells = list[list[Any]]
Style = list[tuple[str, tuple[int, int], tuple[int, int], *tuple[Any, ...]]]
PLAIN: Style = [
    ("FONT", (0, 0), (-1, 0), BOLD, 7.5, 9),
    ("FONT", (0, 1), (-1, -1), FONT, 7.5, 9),
    ("TEXTCOLOR", (0, 0), (-1, -1), INK),
    ("BACKGROUND", (0, 0), (-1, 0), SHADE),
    ("LINEBELOW", (0, 0), (-1, -1), 0.4, RULE),
    ("ALIGN", (1, 0), (-1, -1), "RIGHT"),
    ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
    ("TOPPADDING", (0, 0), (-1, -1), 2),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 2.6),
    ("LEFTPADDING", (0, 0), (-1, -1), 3),
    ("RIGHTPADDING", (0, 0), (-1, -1), 3),
]
BAR = 1.6
"""Width of the stripe in the colour of a status, points; the word and the symbol stand beside it."""


def status_words(status: str) -> str:
    """`▲ enlarging`."""
    return f"{SYMBOLS[status]} {status}"


def change_table(report: Report) -> Table | None:
    """Lesions of each status by both size rules; None where no change is given."""
    if report.counts is None or report.counts_from_3_mm3 is None:
        return None
    statuses = [status.value for status in LesionStatus]
    counts, every = report.counts.model_dump(), report.counts_from_3_mm3.model_dump()
    cells: Cells = [
        ["Lesions by change", *(status_words(s) for s in statuses)],
        ["from 14 mm³ (counted)", *(str(counts[s]) for s in statuses)],
        ["from 3 mm³", *(str(every[s]) for s in statuses)],
    ]
    style: Style = [*PLAIN, ("FONT", (1, 1), (-1, 1), BOLD, 12, 14), ("TEXTCOLOR", (0, 2), (-1, 2), GREY)]
    style += [("LINEABOVE", (n, 0), (n, 0), BAR, HexColor(COLOURS[s])) for n, s in enumerate(statuses, start=1)]
    style.append(("ALIGN", (1, 0), (-1, -1), "CENTER"))
    return Table(cells, colWidths=_across(CHANGES_MM), style=style)


def load_table(report: Report) -> Table:
    """Lesions and volume of each time point, and the change of the volume where one is given."""
    cells: Cells = [["Lesion load", "Lesions from 14 mm³", "Lesions from 3 mm³", "Volume, ml"]]
    counts, volumes = report.lesion_counts, report.volumes_ml
    if report.baseline is not None and volumes.baseline is not None:
        cells.append(_time_point("Baseline", counts.baseline, counts.baseline_from_3_mm3, volumes.baseline))
    cells.append(_time_point("Follow-up", counts.follow_up, counts.follow_up_from_3_mm3, volumes.follow_up))
    if report.comparable and volumes.baseline is not None:
        cells.append(["Change of volume", "", "", _change(volumes.baseline, volumes.follow_up)])
    return Table(cells, colWidths=_across(LOAD_MM), style=PLAIN)


def lesion_table(report: Report) -> Table:
    """A row per lesion, the header again on every page; lesions that do not count are grey and marked by a star."""
    compared = report.counts is not None
    head, widths = (COMPARED, COMPARED_MM) if compared else (ALONE, ALONE_MM)
    cells: Cells = [list(head), *(_compared(row) if compared else _alone(row) for row in report.lesions)]
    style: Style = [*PLAIN, ("FONT", (0, 0), (-1, 0), BOLD, 6.6, 8), ("FONT", (0, 1), (-1, -1), FONT, 6.8, 8)]
    style += [("VALIGN", (0, 0), (-1, 0), "BOTTOM")]
    for n, row in enumerate(report.lesions, start=1):
        if not row.counted:
            style.append(("TEXTCOLOR", (0, n), (-1, n), GREY))
        if row.status is not None and compared:
            style.append(("LINEBEFORE", (1, n), (1, n), BAR, HexColor(COLOURS[row.status.value])))
    if compared:
        style.append(("ALIGN", (1, 0), (1, -1), "LEFT"))
    return Table(cells, colWidths=_across(widths), style=style, repeatRows=1)


CHANGES_MM = (36, 20, 25, 22, 26, 24, 31)
LOAD_MM = (36, 50, 50, 48)
COMPARED = (
    "Id",
    "Status",
    "Baseline,\nmm³",
    "Follow-up,\nmm³",
    "Change,\nmm³",
    "New part,\nmm³",
    "Parts",
    "Diameter,\nmm",
    "Centre, follow-up,\nmm (LPS)",
    "Centre, baseline,\nmm (LPS)",
    "Prob-\nability",
)
COMPARED_MM = (8, 23, 15, 17, 14, 16, 11, 16, 29, 29, 12)
ALONE = ("Id", "Volume, mm³", "Diameter, mm", "Centre, mm (LPS)", "Probability")
ALONE_MM = (16, 36, 36, 56, 36)
QUALITY_MM = (48, 22, 42, 72)
"""Columns in proportion: a table is as wide as the page."""


def quality_table(report: Report) -> Table:
    """Every gate with its flag in a word and a shape, its value and what is expected."""
    cells: Cells = [["Quality gate", "Flag", "Value", "Expected"]]
    for check in report.quality:
        value = "not measured" if check.value is None else f"{check.value} {check.unit}".strip()
        flag = f"{LIGHTS[check.flag.value]} {check.flag.value}"
        words = (Paragraph(escape(text), CELL) for text in (value, check.expected))
        cells.append([check.name.replace("_", " "), flag, *words])
    bold: Style = [
        ("FONT", (1, n), (1, n), BOLD, 7.5, 9) for n, one in enumerate(report.quality, 1) if one.flag != "green"
    ]
    style: Style = [*PLAIN, ("ALIGN", (1, 0), (-1, -1), "LEFT"), *bold]
    return Table(cells, colWidths=_across(QUALITY_MM), style=style, repeatRows=1)


def lesion_note(report: Report) -> Paragraph:
    """What the columns of the lesion table mean."""
    compared = (
        " Parts: separate lesions at baseline → at follow-up, so that merging and splitting show. New part: growth "
        "more than 1 mm away from the old lesion."
    )
    note = "Grey rows with a star are below 14 mm³ and are not counted."
    return Paragraph(note + (compared if report.counts is not None else ""), SMALL)


def _across(parts: tuple[int, ...]) -> list[float]:
    return [WIDTH * one / sum(parts) for one in parts]


def _time_point(name: str, counted: int | None, every: int | None, volume_ml: float) -> list[Any]:
    return [name, str(counted), str(every), f"{volume_ml:.2f}"]


def _change(before_ml: float, after_ml: float) -> str:
    change = after_ml - before_ml
    return f"{change:+.2f} ({100 * change / before_ml:+.0f} %)" if before_ml > 0 else f"{change:+.2f}"


def _compared(row: LesionRow) -> list[Any]:
    before = row.baseline_volume_mm3 or 0.0
    return [
        _id(row),
        "" if row.status is None else status_words(row.status.value),
        f"{before:.0f}",
        f"{row.follow_up_volume_mm3:.0f}",
        f"{row.follow_up_volume_mm3 - before:+.0f}",
        f"{row.new_part_volume_mm3:.0f}" if row.new_part_volume_mm3 else "",
        f"{row.baseline_components} → {row.follow_up_components}",
        f"{row.equivalent_diameter_mm:.1f}",
        _place(row.centroid_mm),
        "" if row.baseline_centroid_mm is None else _place(row.baseline_centroid_mm),
        f"{row.probability:.2f}",
    ]


def _alone(row: LesionRow) -> list[Any]:
    return [
        _id(row),
        f"{row.follow_up_volume_mm3:.0f}",
        f"{row.equivalent_diameter_mm:.1f}",
        _place(row.centroid_mm),
        f"{row.probability:.2f}",
    ]


def _id(row: LesionRow) -> str:
    return f"{row.id}{'' if row.counted else ' *'}"


def _place(point: tuple[float, float, float]) -> str:
    return " ".join(f"{one:.1f}" for one in point)
