"""The report's numbers as a DICOM Structured Report (TID 1500, PS3.16), under the follow-up study.

A measurement group per lesion and time point, which refers to the lesion's segment (`worker.reports.dicom_seg`), and
one for the totals of each time point. The object is read again and its numbers are compared with the report.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import highdicom as hd
import pydicom
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from service.contracts.errors import ResultInconsistent
from service.contracts.pydicom_silence import no_header_text
from service.contracts.report import LesionRow, LesionStatus, Report
from worker.reports.dicom_seg import MANUFACTURER, NOT_VERIFIED, TRACKING, lesion_of, tracking_uid

SERIES_NUMBER = 9002
TimePointName = Literal["baseline", "follow-up"]

PROCEDURE = CodedConcept("24590-2", "LN", "MR Brain")
TREND: dict[LesionStatus, CodedConcept] = {
    LesionStatus.NEW: CodedConcept("129721008", "SCT", "New finding"),
    LesionStatus.ENLARGING: CodedConcept("15454001", "SCT", "Increase in size"),
    LesionStatus.STABLE: CodedConcept("260388006", "SCT", "No change"),
    LesionStatus.SHRINKING: CodedConcept("19776001", "SCT", "Decrease in size"),
    LesionStatus.RESOLVED: CodedConcept("272519000", "SCT", "Absent"),
    LesionStatus.INDETERMINATE: CodedConcept("82334004", "SCT", "Indeterminate"),
}
"""What each status is called; the name of the evaluation is Trend (122151, DCM)."""
CUBIC_MILLIMETRE = codes.UCUM.CubicMillimeter


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Findings:
    """A time point in the report."""

    name: TimePointName
    instances: tuple[Path, ...]
    """Its FLAIR images."""
    seg: Path | None
    """Its lesions; None: there are none."""


@no_header_text()
def write_sr(time_points: Sequence[Findings], report: Report, path: Path) -> None:
    """Writes the object, reads it again and compares.

    Args:
        time_points: the follow-up, last, and the baseline where it is DICOM, too.
        report: what to state.
        path: of the file.

    Raises:
        ResultInconsistent: the written numbers are not the report's.
    """
    images = [[pydicom.dcmread(one, stop_before_pixels=True) for one in point.instances] for point in time_points]
    segs = [None if point.seg is None else hd.seg.segread(point.seg) for point in time_points]
    groups: list[hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations] = []
    totals: list[hd.sr.MeasurementsAndQualitativeEvaluations] = []
    for point, seg in zip(time_points, segs, strict=True):
        groups += [] if seg is None else _lesions(point.name, seg, report)
        totals.append(_totals(point.name, report))
    evidence: list[Dataset] = [*(seg for seg in segs if seg is not None), *(one for part in images for one in part)]
    case = report.job_id or report.created.isoformat()
    observer = hd.sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(
            uid=generate_uid(entropy_srcs=[MANUFACTURER, *report.model.sha256]),
            name=MANUFACTURER,
            manufacturer_name=MANUFACTURER,
            model_name=report.model.name,
        ),
    )
    content = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_device_context=observer),
        procedure_reported=PROCEDURE,
        imaging_measurements=[*groups, *totals],
        title=codes.DCM.ImagingMeasurementReport,
        referenced_images=images[-1],
    )
    uids = [generate_uid(entropy_srcs=[case, str(images[-1][0].SOPInstanceUID), what]) for what in ("series", "sr")]
    sr = hd.sr.Comprehensive3DSR(
        evidence=[images[-1][0], *(one for one in evidence if one is not images[-1][0])],  # the first names the study
        content=content,
        series_instance_uid=uids[0],
        series_number=SERIES_NUMBER,
        sop_instance_uid=uids[1],
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=True,
        is_verified=False,
    )
    sr.SeriesDescription = f"MS lesions ({NOT_VERIFIED})"
    sr.ManufacturerModelName, sr.SoftwareVersions = MANUFACTURER, report.versions.msdelta
    sr.save_as(path)
    check_sr(path, time_points, report)


@no_header_text()
def check_sr(path: Path, time_points: Sequence[Findings], report: Report) -> None:
    """Compares the volume and trend of every lesion of a written object with the report.

    Raises:
        ResultInconsistent: names the lesion.
    """
    content = hd.sr.MeasurementReport.from_sequence([hd.sr.srread(path)])
    written = {
        (_name_of(group), lesion_of(str(group.tracking_identifier))): group
        for group in content.get_volumetric_roi_measurement_groups()
    }
    expected = {
        (point.name, row.id): row for point in time_points for row in report.lesions if _volume(point.name, row)
    }
    if written.keys() != expected.keys():
        raise ResultInconsistent(f"DICOM SR: saw {len(written)} lesions, expected {len(expected)}")
    for (name, lesion), row in expected.items():
        group = written[name, lesion]
        volume = float(group.get_measurements(name=codes.SCT.Volume)[0].value)
        trends = group.get_qualitative_evaluations(name=codes.DCM.Trend)
        if abs(volume - _volume(name, row)) > 1e-6 * volume:
            raise ResultInconsistent(f"DICOM SR: lesion {lesion} has {volume} mm3, expected {_volume(name, row)}")
        if [one.value for one in trends] != ([TREND[row.status]] if row.status else []):
            raise ResultInconsistent(f"DICOM SR: lesion {lesion} has another status than in the report")


def _lesions(
    name: TimePointName, seg: hd.seg.Segmentation, report: Report
) -> list[hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations]:
    """A group for each row of the report that has a volume at this time."""
    numbers = {lesion_of(seg.get_segment_description(n).tracking_id): n for n in seg.segment_numbers}
    return [_lesion(name, seg, numbers[row.id], row, report) for row in report.lesions if _volume(name, row)]


def _lesion(
    name: TimePointName, seg: hd.seg.Segmentation, number: int, row: LesionRow, report: Report
) -> hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations:
    trend = [] if row.status is None else [hd.sr.QualitativeEvaluation(codes.DCM.Trend, TREND[row.status])]
    return hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(
            uid=tracking_uid(report, row.id), identifier=f"{TRACKING}{row.id}"
        ),
        referenced_segment=hd.sr.ReferencedSegment(
            sop_class_uid=seg.SOPClassUID,
            sop_instance_uid=seg.SOPInstanceUID,
            segment_number=number,
            source_series=hd.sr.SourceSeriesForSegmentation(seg.ReferencedSeriesSequence[0].SeriesInstanceUID),
        ),
        time_point_context=hd.sr.TimePointContext(time_point=name),
        finding_type=codes.SCT.Lesion,
        finding_sites=[hd.sr.FindingSite(anatomic_location=codes.SCT.Brain)],
        algorithm_id=hd.sr.AlgorithmIdentification(
            name=f"{MANUFACTURER} {report.model.name}",
            version=report.versions.msdelta,
            family=codes.cid7162.ArtificialIntelligence,
        ),
        measurements=[hd.sr.Measurement(name=codes.SCT.Volume, value=_volume(name, row), unit=CUBIC_MILLIMETRE)],
        qualitative_evaluations=trend,
    )


def _totals(name: TimePointName, report: Report) -> hd.sr.MeasurementsAndQualitativeEvaluations:
    """Total volume, and the number of lesions from 14 mm3."""
    first = name == "baseline"
    volume_ml = report.volumes_ml.baseline if first else report.volumes_ml.follow_up
    count = report.lesion_counts.baseline if first else report.lesion_counts.follow_up
    measurements = [
        hd.sr.Measurement(
            name=codes.SCT.Volume,
            value=round(1000 * (volume_ml or 0.0), 2),
            unit=CUBIC_MILLIMETRE,
            derivation=codes.SCT.Total,
        ),
        hd.sr.Measurement(
            name=CodedConcept("246206008", "SCT", "Number of lesions"), value=count or 0, unit=codes.UCUM.NoUnits
        ),
    ]
    case = report.job_id or report.created.isoformat()
    return hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(
            uid=generate_uid(entropy_srcs=[case, *report.model.sha256, name]), identifier=f"{name} totals"
        ),
        time_point_context=hd.sr.TimePointContext(time_point=name),
        finding_type=codes.SCT.Lesion,
        finding_sites=[hd.sr.FindingSite(anatomic_location=codes.SCT.Brain)],
        measurements=measurements,
    )


def _volume(name: str, row: LesionRow) -> float:
    return (row.baseline_volume_mm3 or 0.0) if name == "baseline" else row.follow_up_volume_mm3


def _name_of(group: hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations) -> str:
    context = group[0].ContentSequence
    return next(str(one.TextValue) for one in context if one.ConceptNameCodeSequence[0].CodeMeaning == "Time Point")
