"""The PDF report as a DICOM object (Encapsulated PDF, PS3.3 A.45.1), for every PACS that shows documents.

The PDF itself names nobody: who it is about stands in the patient module, where a PACS keeps it right when a name is
corrected, and nowhere else. So Burned In Annotation is NO (C.24.2): nothing in the pages identifies the patient.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pydicom
from highdicom.base import SOPClass
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian

from service.contracts.errors import ResultInconsistent
from service.contracts.pydicom_silence import no_header_text
from service.contracts.report import Report
from worker.reports.dicom_series import (
    MANUFACTURER,
    PDF_SERIES,
    check_joins,
    describe,
    made_by,
    references_to,
    uid_of,
)

TITLE = "MS lesion change report"
OBJECT = "DICOM PDF"


class EncapsulatedPdf(SOPClass):
    """A document of the study that the headers are of."""

    def __init__(self, pdf: bytes, headers: Sequence[Dataset], report: Report) -> None:
        """Takes patient and study from the first header; every header's object is a source."""
        origin = made_by(headers, report)
        super().__init__(
            study_instance_uid=headers[0].StudyInstanceUID,
            series_instance_uid=uid_of(origin, "pdf series"),
            series_number=PDF_SERIES,
            sop_instance_uid=uid_of(origin, "pdf"),
            sop_class_uid=EncapsulatedPDFStorage,
            instance_number=1,
            modality="DOC",
            manufacturer=MANUFACTURER,
            transfer_syntax_uid=ExplicitVRLittleEndian,
            specific_character_set=headers[0].get("SpecificCharacterSet"),
        )
        self.copy_patient_and_study_information(headers[0])
        self._add_contributing_equipment(source_image=headers[0])
        describe(self, report, "MS lesion report")
        self.ConversionType = "WSD"
        self.AcquisitionDateTime = ""  # of the images: each of them has its own
        self.BurnedInAnnotation = "NO"
        self.RecognizableVisualFeatures = "NO"  # the pictures show the brain, without face and skull
        self.SourceInstanceSequence = references_to(headers)
        self.DocumentTitle = TITLE
        # the title of the structured report: "MRI report" would name a radiologist's
        self.ConceptNameCodeSequence = [CodedConcept.from_code(codes.DCM.ImagingMeasurementReport)]
        self.VerificationFlag = "UNVERIFIED"
        self.MIMETypeOfEncapsulatedDocument = "application/pdf"
        self.EncapsulatedDocumentLength = len(pdf)
        self.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)


@no_header_text()
def write_pdf(pdf: bytes, headers: Sequence[Dataset], report: Report, path: Path) -> None:
    """Writes the object, reads it again and compares. The same report and PDF give the same UIDs.

    Args:
        pdf: the document (`worker.reports.pdf`).
        headers: of the follow-up's FLAIR.
        report: that the document was made from.
        path: of the file.

    Raises:
        ResultInconsistent: the object holds another document, or belongs to another study.
    """
    EncapsulatedPdf(pdf, headers, report).save_as(path)
    check_pdf(path, pdf, headers[0])


@no_header_text()
def check_pdf(path: Path, pdf: bytes, header: Dataset) -> None:
    """Compares a written object with the document byte by byte, and with the study.

    Raises:
        ResultInconsistent: they differ.
    """
    made = pydicom.dcmread(path)
    check_joins(made, header, OBJECT)
    held = bytes(made.EncapsulatedDocument)[: int(made.EncapsulatedDocumentLength)]
    if held != pdf:
        seen, expected = (f"{len(one)} bytes ({hashlib.sha256(one).hexdigest()[:12]})" for one in (held, pdf))
        raise ResultInconsistent(f"{OBJECT}: saw {seen}, expected {expected}")
