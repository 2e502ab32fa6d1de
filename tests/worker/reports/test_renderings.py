"""One value, five renderings: counts, volumes and lesion rows are the same numbers wherever the report is read."""

import csv
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
import pypdf
import pytest

from service.contracts.report import LesionStatus, Report
from tests.fixtures import report_case
from tests.fixtures.measured_report import measured_report
from tests.fixtures.page_tables import Tables
from tests.fixtures.small_studies import FLAIR_HEADER, small_volume
from worker.artifacts import write_dicom, write_pages
from worker.dicom_index import index_folder
from worker.dicom_reader import read_headers, read_stack
from worker.dicom_writer import write_mr_series
from worker.reports.dicom_seg import LesionImages
from worker.reports.dicom_sr import TREND
from worker.reports.status_marks import SYMBOLS

BOTH = ("baseline", "follow_up")
MARKS = {f"{SYMBOLS[status.value]} " for status in LesionStatus}
STATUSES = [status.value for status in LesionStatus]


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a rendering says, as it says it: decimals are those of the rendering."""

    volumes_ml: dict[str, float]
    lesions: dict[int, dict[str, object]]
    counts: dict[str, int] | None = None
    """None: a rendering of rows alone."""
    numbers: dict[str, int] | None = None
    """Lesions that count at each time."""


@pytest.fixture(scope="module")
def report() -> Report:
    return measured_report()


@pytest.fixture(scope="module")
def folder(report, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("renderings")
    write_pages(out, report, report_case.pictures())
    time_points = []
    for name in BOTH:
        write_mr_series(small_volume(), out / "scans" / name, header=FLAIR_HEADER)
        stack = read_stack(index_folder(out / "scans" / name).series[0])
        ids = np.zeros(stack.volume.array.shape, np.int32)
        for row in report.lesions:
            ids[4 * row.id : 4 * row.id + 3, 10:13, 5:7] = row.id
        images = stack.volume.like(ids)
        time_points.append(LesionImages(time_point=name, ids=images, headers=read_headers(stack.instances)))
    write_dicom(out, report, time_points)
    return out


def row_of(cells: list[str]) -> tuple[int, dict[str, object]]:
    """A row of the lesion table of the page or the PDF."""
    number, status, region, before, after, _, diameter, axis, flair, centre, certainty, probability = cells
    return int(number), {
        "status": status.split()[-1],
        "region": region.replace(" ", "_"),
        "baseline_mm3": float(before),
        "follow_up_mm3": float(after),
        "diameter_mm": float(diameter),
        "long_axis_mm": float(axis),
        "flair_sd": float(flair),
        "centre": tuple(float(one) for one in centre.split()),
        "certainty": float(certainty),
        "probability": float(probability),
    }


def of_html(folder: Path) -> Said:
    tables = Tables((folder / "report.html").read_text(encoding="utf-8")).rows
    load = [[cell.strip() for cell in row] for row in tables["load"][1:]]
    return Said(
        counts=dict(zip(STATUSES, (int(one) for one in tables["changes"][1][1:]), strict=True)),
        numbers={name: int(row[1]) for name, row in zip(BOTH, load, strict=False)},
        volumes_ml={name: float(row[3]) for name, row in zip(BOTH, load, strict=False)},
        lesions=dict(row_of([cell.strip() for cell in row]) for row in tables["lesions"][1:]),
    )


def of_pdf(folder: Path) -> Said:
    """A cell is a line of the text, the longest region two; intervals and remarks stand in lines of their own."""
    pages = pypdf.PdfReader(io.BytesIO((folder / "report.pdf").read_bytes())).pages
    text = "\n".join(page.extract_text() for page in pages).replace("deep white\nmatter", "deep white matter")
    lines = [line.strip() for line in text.split("\n")]
    lines = [line for line in lines if not re.match(r"\d+\N{EN DASH}|new part|parts ", line)]
    counted = lines.index("from 14 mm³ (counted)")
    first, second = lines.index("Baseline"), lines.index("Follow-up")
    volume = [line for line in lines if re.fullmatch(r"\d\.\d\d", line)]
    begins = [n for n, line in enumerate(lines[:-1]) if line.isdigit() and " ".join(lines[n + 1].split())[:2] in MARKS]
    rows = [lines[n : n + 12] for n in begins]
    assert {lines[first + 3], lines[second + 3]} <= set(volume)
    return Said(
        counts=dict(zip(STATUSES, (int(one) for one in lines[counted + 1 : counted + 7]), strict=True)),
        numbers={"baseline": int(lines[first + 1]), "follow_up": int(lines[second + 1])},
        volumes_ml={"baseline": float(lines[first + 3]), "follow_up": float(lines[second + 3])},
        lesions=dict(row_of(row) for row in rows),
    )


def of_csv(folder: Path) -> Said:
    with (folder / "lesions.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    lesions = {
        int(row["id"]): {
            "uid": row["tracking_uid"],
            "status": row["status"],
            "region": row["region"],
            "baseline_mm3": float(row["baseline_volume_mm3"]),
            "follow_up_mm3": float(row["follow_up_volume_mm3"]),
            "diameter_mm": float(row["equivalent_diameter_mm"]),
            "long_axis_mm": float(row["long_axis_mm"]),
            "flair_sd": float(row["flair_change_sd"]),
            "centre": tuple(float(row[f"centroid_{axis}_mm_lps"]) for axis in "xyz"),
            "certainty": float(row["certainty"]),
            "probability": float(row["probability"]),
        }
        for row in rows
    }
    volumes = {name: sum(float(row[f"{name}_volume_mm3"]) for row in rows) / 1000 for name in BOTH}
    statuses = [row["status"] for row in rows if row["counted"] == "true"]
    return Said(volumes_ml=volumes, lesions=lesions, counts={name: statuses.count(name) for name in STATUSES})


def meaning(item) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeMeaning)


def of_sr(folder: Path) -> Said:
    """Read without the library that wrote it."""
    status_of = {code.value: status.value for status, code in TREND.items()}
    content = pydicom.dcmread(folder / "report.dcm").ContentSequence
    volumes, numbers, lesions = {}, {}, {}
    for group in next(one for one in content if meaning(one) == "Imaging Measurements").ContentSequence:
        said = {meaning(one): one for one in group.ContentSequence}
        values = {
            name: float(one.MeasuredValueSequence[0].NumericValue)
            for name, one in said.items()
            if one.ValueType == "NUM"
        }
        time, name = str(said["Time Point"].TextValue).replace("-", "_"), str(said["Tracking Identifier"].TextValue)
        if name.endswith("totals"):
            volumes[time], numbers[time] = values["Volume"] / 1000, int(values["Number of lesions"])
            continue
        lesion = lesions.setdefault(int(name.rsplit(maxsplit=1)[-1]), {"baseline_mm3": 0.0, "follow_up_mm3": 0.0})
        lesion["uid"] = str(said["Tracking Unique Identifier"].UID)
        lesion[f"{time}_mm3"] = values["Volume"]
        lesion["status"] = status_of[said["Trend"].ConceptCodeSequence[0].CodeValue]
        lesion["certainty"], lesion["probability"] = values["Certainty of Finding"] / 100, values["Probability"]
        region = said["Finding Site"].ContentSequence[0].ConceptCodeSequence[0].CodeMeaning
        lesion["region"] = str(region).lower().replace(" ", "_")
        if time == "follow_up":
            lesion["centre"] = tuple(said["Center"].GraphicData)
        if "Long axis" in values:
            lesion["long_axis_mm"] = values["Long axis"]
    return Said(volumes_ml=volumes, numbers=numbers, lesions=lesions)


def of_fhir(folder: Path) -> Said:
    bundle = json.loads((folder / "report.fhir.json").read_text(encoding="utf-8"))
    volumes, numbers, lesions, counts = {}, {}, {}, {}
    for one in (entry["resource"] for entry in bundle["entry"]):
        if one["resourceType"] != "Observation":
            continue
        code = one["code"]["coding"][0]["code"]
        parts = {
            part["code"]["coding"][0]["code"]: part.get(
                "valueInteger", part.get("valueString", part.get("valueQuantity", {}).get("value"))
            )
            for part in one.get("component", [])
        }
        if code.endswith("-lesion-volume"):
            volumes[code.removesuffix("-lesion-volume").replace("-", "_")] = one["valueQuantity"]["value"]
        elif code in {"baseline-lesions", "follow-up-lesions"}:
            numbers[code.removesuffix("-lesions").replace("-", "_")] = one["valueInteger"]
        elif code == "lesions-by-change":
            counts = {name.removesuffix("-lesions"): value for name, value in parts.items()}
        elif code == "lesion-change":
            lesions[parts["row"]] = {
                "uid": parts["tracking-uid"],
                "status": one["valueCodeableConcept"]["coding"][0]["code"],
                "region": one["bodySite"]["coding"][0]["code"],
                "baseline_mm3": parts["baseline-volume"],
                "follow_up_mm3": parts["follow-up-volume"],
                "diameter_mm": parts["equivalent-diameter"],
                "long_axis_mm": parts["long-axis"],
                "flair_sd": parts["flair-change"],
                "centre": tuple(parts[f"centroid-{axis}-lps"] for axis in "xyz"),
                "certainty": parts["certainty"],
                "probability": parts["probability"],
            }
    return Said(volumes_ml=volumes, numbers=numbers, lesions=lesions, counts=counts)


def of_report(report: Report) -> Said:
    return Said(
        counts=report.counts.model_dump(),
        numbers={"baseline": report.lesion_counts.baseline, "follow_up": report.lesion_counts.follow_up},
        volumes_ml={"baseline": report.volumes_ml.baseline, "follow_up": report.volumes_ml.follow_up},
        lesions={
            row.id: {
                "uid": row.tracking_uid,
                "status": row.status.value,
                "region": row.region.value,
                "baseline_mm3": row.baseline_volume_mm3,
                "follow_up_mm3": row.follow_up_volume_mm3,
                "diameter_mm": row.equivalent_diameter_mm,
                "long_axis_mm": row.long_axis_mm,
                "flair_sd": row.flair_change_sd,
                "centre": row.centroid_mm,
                "certainty": row.certainty,
                "probability": row.probability,
            }
            for row in report.lesions
        },
    )


READERS = {"html": of_html, "pdf": of_pdf, "csv": of_csv, "sr": of_sr, "fhir": of_fhir}
PRINTED = {"mm3": 0.5, "mm": 0.05, "sd": 0.05, "centre": 0.05, "certainty": 0.005, "probability": 0.005, "ml": 0.005}
"""What the decimals of a page leave open; other renderings are exact, but for the places of DICOM."""
OPEN_BY = {"html": PRINTED, "pdf": PRINTED, "sr": {"centre": 1e-5}}  # coordinates are 32-bit floats


@pytest.mark.parametrize("rendering", READERS)
def test_every_rendering_says_the_numbers_of_the_report(folder: Path, report: Report, rendering: str) -> None:
    said, true = READERS[rendering](folder), of_report(report)
    open_by = OPEN_BY.get(rendering, {})

    assert said.counts in (None, true.counts)
    assert said.numbers in (None, true.numbers)
    assert said.volumes_ml == pytest.approx(true.volumes_ml, abs=open_by.get("ml", 0) + 1e-6)
    assert said.lesions.keys() == true.lesions.keys()
    for number, lesion in said.lesions.items():
        for name, value in lesion.items():
            room = open_by.get(name.rsplit("_", maxsplit=1)[-1], 0) + 1e-6
            expected = true.lesions[number][name]
            assert value == (expected if isinstance(expected, str) else pytest.approx(expected, abs=room)), (
                number,
                name,
            )


def test_all_renderings_together_leave_nothing_out(folder: Path, report: Report) -> None:
    """Counts, numbers and volumes are in all that show totals, and every field of a row is in all that show rows."""
    said = {name: read(folder) for name, read in READERS.items()}
    fields = set(of_report(report).lesions[1])
    missing = {name: fields - set(one.lesions[1]) for name, one in said.items()}
    assert missing == {
        "html": {"uid"},  # for programs
        "pdf": {"uid"},
        "csv": set(),
        "sr": {"diameter_mm", "flair_sd"},  # no code of the standard
        "fhir": set(),
    }
    assert [name for name, one in said.items() if one.counts is None] == ["sr"]  # there each lesion has its trend
    assert [name for name, one in said.items() if one.numbers is None] == ["csv"]
