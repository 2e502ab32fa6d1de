"""The files of a result, the same for the REST API and the command line; `report.json` last."""

import os
from collections.abc import Sequence
from pathlib import Path

from pydicom.dataset import Dataset

from model.volume import Volume
from service.contracts.errors import ResultInconsistent
from service.contracts.options import Language, SegmentationKind
from service.contracts.report import Report
from service.contracts.series_report import SeriesReport
from worker.nifti_writer import write_nifti
from worker.reports.dicom_overlay import write_overlay
from worker.reports.dicom_pdf import write_pdf
from worker.reports.dicom_seg import LesionImages, write_seg
from worker.reports.dicom_sr import Findings, write_sr
from worker.reports.fhir import fhir_bundle
from worker.reports.fhir_bundle import write_bundle
from worker.reports.figures import Pictures
from worker.reports.html import render_html
from worker.reports.overlay import Scan
from worker.reports.pdf import render_pdf
from worker.reports.table import write_csv


def write_images(out: Path, images: dict[str, Volume]) -> None:
    """Each image under its name, read again and compared.

    Raises:
        ResultInconsistent: a file does not hold what was written.
    """
    out.mkdir(parents=True, exist_ok=True)
    for name, volume in images.items():
        write_nifti(volume, out / name)


def write_dicom(
    out: Path, report: Report, time_points: Sequence[LesionImages], *, kind: SegmentationKind = "binary"
) -> None:
    """Lesions as segmentations of the images they were found in, and the report's numbers under the follow-up.

    Args:
        out: folder of the result.
        report: the numbers.
        time_points: those that came as DICOM, the follow-up last; without it there is no structured report.
        kind: of the segmentations.

    Raises:
        ResultInconsistent: an object does not hold what was written; names it and the lesion.
    """
    findings = []
    for images in time_points:
        seg = write_seg(images, report, out / f"{images.time_point}_lesions.dcm", kind=kind)
        findings.append(Findings(time_point=images.time_point, headers=images.headers, seg=seg))
    if findings and findings[-1].time_point == "follow_up":
        write_sr(findings, report, out / "report.dcm")


def write_pages(out: Path, report: Report, pictures: Pictures | None, language: Language = "en") -> None:
    """The report for people and for other systems: table, FHIR, page and PDF.

    Raises:
        ResultInconsistent: the FHIR bundle does not follow its model.
    """
    write_csv(report, out / "lesions.csv")
    write_bundle(fhir_bundle(report, language), out / "report.fhir.json")
    (out / "report.html").write_text(render_html(report, pictures, language), encoding="utf-8")
    (out / "report.pdf").write_bytes(render_pdf(report, pictures, language))


def write_dicom_pages(out: Path, report: Report, scan: Scan, headers: Sequence[Dataset]) -> None:
    """What viewers without segmentations and structured reports show: the PDF of `write_pages`, and the overlay series.

    Args:
        out: folder of the result.
        report: the numbers.
        scan: the follow-up.
        headers: of its FLAIR images, in the order of the third axis.

    Raises:
        ResultInconsistent: an object does not hold what was written; names it and the lesion.
    """
    write_pdf((out / "report.pdf").read_bytes(), headers, report, out / "report_pdf.dcm")
    write_overlay(scan, headers, report, out)


def write_report(path: Path, report: Report | SeriesReport) -> None:
    """Last of all, at once or not at all: where it lies, the result is whole.

    Raises:
        ResultInconsistent: the written report reads back differently.
    """
    part = path.with_name(f"{path.name}.part")
    part.write_text(report.model_dump_json(indent=2), encoding="utf-8")
    if type(report).model_validate_json(part.read_text(encoding="utf-8")) != report:
        raise ResultInconsistent("the written report reads back differently")
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path)
