"""What all DICOM results share: the study they join, a series of their own, who made them, and that nobody verified it.

Patient and study are those of the images, element by element; nothing of the scanner's series or institution is taken
over but as equipment that contributed (PS3.3 C.12.1, Contributing Equipment Sequence).
"""

from collections.abc import Sequence

import highdicom as hd
from highdicom.base import SOPClass
from highdicom.base_content import ContributingEquipment
from pydicom.dataset import Dataset
from pydicom.uid import UID, generate_uid
from pydicom.valuerep import DA, DT, TM

from service.contracts.errors import ResultInconsistent
from service.contracts.report import AI_RESULT, Report
from worker.reports.dicom_sources import frame_of, objects_of, reference_to
from worker.reports.tracking import case_of

MANUFACTURER = "msdelta"
NOT_VERIFIED = f"{AI_RESULT}. For research use."
SEG_SERIES, SR_SERIES, PDF_SERIES, OVERLAY_SERIES = 9001, 9002, 9003, 9004
"""Series numbers: below those of any scanner in a list of the study, and apart from each other."""
SAME = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "StudyDate",
    "AccessionNumber",
)
"""What a result must have in common with its images."""


def made_by(headers: Sequence[Dataset], report: Report) -> str:
    """What the UIDs hang on: the images, the weights, and the job."""
    images = "/".join(f"{one.SOPInstanceUID}{'' if frame_of(one) is None else f'#{frame_of(one)}'}" for one in headers)
    return f"{images}/{'/'.join(report.model.sha256)}/{case_of(report)}"


def uid_of(origin: str, *what: str) -> UID:
    """The same UID for the same `made_by` and words."""
    return generate_uid(entropy_srcs=[origin, *what])


def describe(made: SOPClass, report: Report, what: str) -> None:
    """Says in plain words what an object holds, which program made it, when, and that it is research (C.12.1.1.13)."""
    made.SeriesDescription = f"{what} ({NOT_VERIFIED})"
    made.ManufacturerModelName, made.SoftwareVersions = MANUFACTURER, report.versions.msdelta
    made.DeviceSerialNumber = report.model.sha256[0][:16]  # the device is the weights
    made.ContentQualification = hd.ContentQualificationValues.RESEARCH.value
    when = report.created.astimezone()  # the header states no zone, so that the study's own times keep theirs
    made.ContentDate = made.InstanceCreationDate = DA(when.date())
    made.ContentTime = made.InstanceCreationTime = TM(when.time())
    made.ContributingEquipmentSequence[-1].ContributionDateTime = DT(when.replace(tzinfo=None))  # highdicom's own entry


def acquired_with(header: Dataset) -> list[ContributingEquipment]:
    """The scanner as contributing equipment; empty where the header does not say which."""
    try:
        return [ContributingEquipment.for_image_acquisition(header)]
    except (AttributeError, ValueError, TypeError):
        return []


def references_to(headers: Sequence[Dataset]) -> list[Dataset]:
    """A reference to each object that the headers are of, once (PS3.3 10.3)."""
    return [reference_to(one) for one in objects_of(headers)]


def check_joins(made: Dataset, header: Dataset, what: str) -> None:
    """Compares patient and study of an object with its image.

    Raises:
        ResultInconsistent: names the elements, never what stands in them.
    """
    strayed = [name for name in SAME if str(made.get(name) or "") != str(header.get(name) or "")]
    if strayed:
        raise ResultInconsistent(f"{what}: {', '.join(strayed)} differ from the images', expected the same")
