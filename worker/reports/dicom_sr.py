"""The report's numbers as a DICOM Structured Report (TID 1500, PS3.16), under the follow-up study.

A measurement group per lesion and time point, which refers to the lesion's segment (`worker.reports.dicom_seg`), and
one for the totals of each time point. A lesion that the scan's own grid holds no voxel of has no segment to refer to.
The object is read again and its numbers are compared with the report.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import pydicom
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import UID, generate_uid

from service.contracts.errors import ResultInconsistent
from service.contracts.pydicom_silence import no_header_text
from service.contracts.report import LesionRow, LesionStatus, Report
from worker.reports.dicom_seg import TimePointName, segment_numbers, tracking
from worker.reports.dicom_series import MANUFACTURER, SR_SERIES, check_joins, describe
from worker.reports.dicom_sources import leave_out_positions, objects_of
from worker.reports.dicom_sr_places import add_place, check_place, place_of
from worker.reports.sr_measures import CUBIC_MILLIMETRE, finding_site, lesion_measurements, name_own_scheme, volume_mm3
from worker.reports.tracking import case_of, tracking_uid

PROCEDURE = codes.LN.BrainMRI
NUMBER_OF_LESIONS = CodedConcept("246206008", "SCT", "Number of lesions")
"""By hand: pydicom's says "(observable entity)" behind it, which viewers would show."""
TREND: dict[LesionStatus, Code] = {
    LesionStatus.NEW: codes.SCT.NewFinding,
    LesionStatus.ENLARGING: codes.SCT.IncreaseInSize,
    LesionStatus.STABLE: codes.SCT.NoChange,
    LesionStatus.SHRINKING: codes.SCT.DecreaseInSize,
    LesionStatus.RESOLVED: codes.SCT.Absent,
    LesionStatus.INDETERMINATE: codes.SCT.Indeterminate,
}
"""What each status is called; the name of the evaluation is Trend (122151, DCM)."""

Group = hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations | hd.sr.MeasurementsAndQualitativeEvaluations


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Findings:
    """A time point in the report."""

    time_point: TimePointName
    headers: Sequence[Dataset]
    """Of its FLAIR images or frames."""
    seg: hd.seg.Segmentation | None
    """Its lesions; None: there are none."""


@no_header_text()
def write_sr(findings: Sequence[Findings], report: Report, path: Path) -> None:
    """Writes the object, reads it again and compares.

    Args:
        findings: of the follow-up, last, and of the baseline where it is DICOM, too.
        report: what to state.
        path: of the file.

    Raises:
        ResultInconsistent: the written numbers are not the report's.
    """
    images = objects_of(findings[-1].headers)
    study = images[0]
    others = [one for found in findings for one in objects_of(found.headers) if one is not study]
    groups = [group for found in findings for group in (*_lesions(found, report), _totals(found.time_point, report))]
    series_uid, uid = (
        generate_uid(entropy_srcs=[case_of(report), str(study.SOPInstanceUID), n]) for n in ("series", "sr")
    )
    content = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_device_context=_observer(report)),
        procedure_reported=PROCEDURE,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
        referenced_images=images,
    )
    items = content[0].ContentSequence
    (at,) = (n for n, one in enumerate(items) if one.name == codes.DCM.ImageLibrary)
    library = items.pop(at)  # an entry per image, which highdicom would copy and search through
    leave_out_positions(library, images)
    sr = hd.sr.Comprehensive3DSR(
        evidence=[study, *others, *(found.seg for found in findings if found.seg is not None)],  # the first: its study
        content=content,
        series_instance_uid=series_uid,
        series_number=SR_SERIES,
        sop_instance_uid=uid,
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=True,
        is_verified=False,
    )
    sr.ContentSequence.insert(at, library)
    if any(row.region is not None for row in report.lesions):
        name_own_scheme(sr)
    describe(sr, report, "MS measurements")
    sr.save_as(path)
    unlocated = [found.time_point for found in findings if not found.headers[0].get("FrameOfReferenceUID")]
    written = check_sr(path, [found.time_point for found in findings], report, unlocated=unlocated)
    check_joins(written, study, "DICOM SR")


@no_header_text()
def check_sr(
    path: Path, time_points: Sequence[TimePointName], report: Report, *, unlocated: Collection[TimePointName] = ()
) -> Dataset:
    """Reads an object and compares volume, trend and place of every lesion, found by its tracking UID, with the report.

    Args:
        path: of the object.
        time_points: those that it is about.
        report: what it should state.
        unlocated: time points whose scan names no frame of reference: their lesions have no place.

    Returns:
        What was read, without the image library.

    Raises:
        ResultInconsistent: names the lesion.
    """
    sr = _without_library(path)
    groups = _groups_by_lesion(sr)
    totals = [(_text(name), _totals_uid(name, report)) for name in time_points]
    expected = {
        (_text(name), tracking(report, row.id, name)[1]): (row, name)
        for name in time_points
        for row in report.lesions
        if volume_mm3(row, name)
    }
    if sorted(key for key, _ in groups) != sorted([*totals, *expected]):
        seen = len(groups) - len(totals)
        raise ResultInconsistent(f"DICOM SR: saw {seen} lesions, expected {len(expected)} by tracking UID")
    written = dict(groups)
    for key, (row, name) in expected.items():
        check_place(written[key][0], None if name in unlocated else place_of(row, name), row.id)
        _check_lesion(written[key], row, volume_mm3(row, name))
    return sr


def _without_library(path: Path) -> Dataset:
    """A written object without its image library, which would take most of the reading."""
    written = pydicom.dcmread(path)
    library = codes.DCM.ImageLibrary.value
    written.ContentSequence = [
        one for one in written.ContentSequence if one.ConceptNameCodeSequence[0].CodeValue != library
    ]
    return written


def _groups_by_lesion(sr: Dataset) -> list[tuple[tuple[str, str], Group]]:
    """Every measurement group with its time point and tracking UID."""
    content = hd.sr.MeasurementReport.from_sequence([sr], copy=False)
    groups: list[Group] = [*content.get_volumetric_roi_measurement_groups(), *content.get_image_measurement_groups()]
    return [((_time_point_of(group[0]), str(group.tracking_uid)), group) for group in groups]


def _check_lesion(group: Group, row: LesionRow, expected_mm3: float) -> None:
    found = float(group.get_measurements(name=codes.SCT.Volume)[0].value)
    if abs(found - expected_mm3) > 1e-6 * expected_mm3:
        raise ResultInconsistent(f"DICOM SR: lesion {row.id} has {found} mm3, expected {expected_mm3}")
    trends = [one.value for one in group.get_qualitative_evaluations(name=codes.DCM.Trend)]
    if trends != ([TREND[row.status]] if row.status else []):
        raise ResultInconsistent(f"DICOM SR: lesion {row.id} has another status than in the report")


def _observer(report: Report) -> hd.sr.ObserverContext:
    return hd.sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(
            uid=generate_uid(entropy_srcs=[MANUFACTURER, *report.model.sha256]),
            name=MANUFACTURER,
            manufacturer_name=MANUFACTURER,
            model_name=report.model.name,
        ),
    )


def _lesions(found: Findings, report: Report) -> list[Group]:
    """A group for each row of the report that has a volume at this time."""
    numbers = {} if found.seg is None else segment_numbers(found.seg)
    groups = []
    for row in report.lesions:
        if volume_mm3(row, found.time_point):
            groups.append(_lesion(found, numbers, row, report))
            add_place(groups[-1][0], place_of(row, found.time_point), found.headers[0])
    return groups


def _lesion(found: Findings, segments: Mapping[str, int], row: LesionRow, report: Report) -> Group:
    identifier, uid = tracking(report, row.id, found.time_point)
    segment = segments.get(uid)
    what = {
        "tracking_identifier": hd.sr.TrackingIdentifier(uid=uid, identifier=identifier),
        "time_point_context": hd.sr.TimePointContext(time_point=_text(found.time_point)),
        "finding_type": codes.SCT.Lesion,
        "finding_sites": [finding_site(row)],
        "algorithm_id": hd.sr.AlgorithmIdentification(
            name=f"{MANUFACTURER} {report.model.name}",
            version=report.versions.msdelta,
            family=codes.cid7162.ArtificialIntelligence,
        ),
        "measurements": lesion_measurements(row, found.time_point),
        "qualitative_evaluations": [hd.sr.QualitativeEvaluation(codes.DCM.Trend, TREND[row.status])]
        if row.status
        else [],
    }
    if found.seg is None or segment is None:
        return hd.sr.MeasurementsAndQualitativeEvaluations(**what)
    # by hand: highdicom's from_segmentation fails where the only segment is named in the shared groups
    referenced = hd.sr.ReferencedSegment(
        sop_class_uid=found.seg.SOPClassUID,
        sop_instance_uid=found.seg.SOPInstanceUID,
        segment_number=segment,
        source_series=hd.sr.SourceSeriesForSegmentation(found.seg.ReferencedSeriesSequence[0].SeriesInstanceUID),
    )
    return hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(referenced_segment=referenced, **what)


def _totals(name: TimePointName, report: Report) -> Group:
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
        hd.sr.Measurement(name=NUMBER_OF_LESIONS, value=count or 0, unit=codes.UCUM.NoUnits),
    ]
    return hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(
            uid=_totals_uid(name, report),
            identifier=f"{_text(name)} totals",
        ),
        time_point_context=hd.sr.TimePointContext(time_point=_text(name)),
        finding_type=codes.SCT.Lesion,
        finding_sites=[hd.sr.FindingSite(anatomic_location=codes.SCT.Brain)],
        measurements=measurements,
    )


def _totals_uid(name: TimePointName, report: Report) -> UID:
    return tracking_uid(case_of(report), report.model.sha256, name)


def _text(name: TimePointName) -> str:
    return name.replace("_", "-")


def _time_point_of(container: Dataset) -> str:
    """What a measurement group's container says."""
    context = container.ContentSequence
    return next(str(one.TextValue) for one in context if one.ConceptNameCodeSequence[0].CodeMeaning == "Time Point")
