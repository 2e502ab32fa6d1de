"""The PDF as a DICOM object: whose it is, what it holds, and that nothing else can be in it."""

from pathlib import Path

import pydicom
import pytest

from service.contracts.errors import ResultInconsistent
from tests.fixtures.dicom_case import NEEDS_DCIODVFY, dciodvfy, lesion_report, written_scan
from worker.reports.dicom_pdf import check_pdf, write_pdf
from worker.reports.pdf import render_pdf


@pytest.fixture(scope="module")
def pdf() -> bytes:
    return render_pdf(lesion_report(), None)


@pytest.fixture(scope="module")
def headers(tmp_path_factory: pytest.TempPathFactory):
    return written_scan(tmp_path_factory.mktemp("scan") / "flair")[1]


@pytest.mark.parametrize("odd", [b"", b"\n"])
def test_the_document_comes_out_as_it_went_in(tmp_path: Path, headers, pdf: bytes, odd: bytes) -> None:
    write_pdf(pdf + odd, headers, lesion_report(), tmp_path / "report_pdf.dcm")

    made = pydicom.dcmread(tmp_path / "report_pdf.dcm")

    assert len(made.EncapsulatedDocument) % 2 == 0
    assert made.EncapsulatedDocument[: made.EncapsulatedDocumentLength] == pdf + odd
    assert made.MIMETypeOfEncapsulatedDocument == "application/pdf"


def test_it_is_of_the_patient_and_says_what_it_is(tmp_path: Path, headers, pdf: bytes) -> None:
    write_pdf(pdf, headers, lesion_report(), tmp_path / "report_pdf.dcm")

    made, first = pydicom.dcmread(tmp_path / "report_pdf.dcm"), headers[0]

    assert made.SOPClassUID == "1.2.840.10008.5.1.4.1.1.104.1"
    for name in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate"):
        assert getattr(made, name) == getattr(first, name)
    assert made.SeriesInstanceUID != first.SeriesInstanceUID
    assert (made.ConversionType, made.BurnedInAnnotation, made.VerificationFlag) == ("WSD", "NO", "UNVERIFIED")
    assert made.ConceptNameCodeSequence[0].CodeMeaning == "Imaging Measurement Report"
    assert {one.ReferencedSOPInstanceUID for one in made.SourceInstanceSequence} == {
        one.SOPInstanceUID for one in headers
    }


def test_the_document_names_nobody(headers, pdf: bytes, tmp_path: Path) -> None:
    """Why Burned In Annotation may be NO."""
    reader = pytest.importorskip("pypdf").PdfReader
    (tmp_path / "report.pdf").write_bytes(pdf)
    text = "".join(page.extract_text() for page in reader(tmp_path / "report.pdf").pages)
    first = headers[0]
    for value in (
        first.PatientID,
        str(first.PatientName).split("^")[0],
        first.PatientBirthDate,
        first.StudyInstanceUID,
    ):
        assert value not in text


def test_another_document_or_another_patient_is_not_delivered(tmp_path: Path, headers, pdf: bytes) -> None:
    path = tmp_path / "report_pdf.dcm"
    write_pdf(pdf, headers, lesion_report(), path)
    check_pdf(path, pdf, headers[0])

    with pytest.raises(ResultInconsistent, match=r"DICOM PDF: saw \d+ bytes \(.*\), expected \d+ bytes"):
        check_pdf(path, pdf[:-1] + b"?", headers[0])
    made = pydicom.dcmread(path)
    made.PatientID = "SOMEBODY-ELSE"
    made.save_as(path)
    with pytest.raises(ResultInconsistent, match="PatientID differ") as caught:
        check_pdf(path, pdf, headers[0])
    assert "SOMEBODY" not in str(caught.value)


@NEEDS_DCIODVFY
def test_dciodvfy_finds_no_error(tmp_path: Path, headers, pdf: bytes) -> None:
    write_pdf(pdf, headers, lesion_report(), tmp_path / "report_pdf.dcm")

    verdict = dciodvfy(tmp_path / "report_pdf.dcm")

    assert "EncapsulatedPDF" in verdict
    assert "Error" not in verdict
