"""What a lesion's group in the structured report measures, by codes of the standard; where it has none, nothing.

Surface and change of FLAIR stand in `report.json` alone: the standard's surface is that of a mesh, which ours is
not, and no code says "standard deviations of white matter".
"""

import highdicom as hd
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from service.contracts.measures import LesionRegion
from service.contracts.report import LesionRow
from worker.reports.dicom_seg import TimePointName
from worker.reports.dicom_series import MANUFACTURER

CUBIC_MILLIMETRE = codes.UCUM.CubicMillimeter
OWN_SCHEME = "99MSDELTA"
REGION_CODES = {
    LesionRegion.INFRATENTORIAL: "INFRATENTORIAL",
    LesionRegion.PERIVENTRICULAR: "PERIVENTRICULAR",
    LesionRegion.JUXTACORTICAL: "JUXTACORTICAL",
    LesionRegion.DEEP_WHITE_MATTER: "DEEP_WM",
}
"""A Code Value has at most 16 characters (PS3.5 6.2, SH)."""
REGIONS = {
    region: CodedConcept(code, OWN_SCHEME, region.value.replace("_", " ").capitalize())
    for region, code in REGION_CODES.items()
}
"""Topographical modifiers of the brain; the standard has no code for the regions of MS lesions."""


def name_own_scheme(sr: Dataset) -> None:
    """Says whose codes `OWN_SCHEME` are (PS3.3 C.12.1, Coding Scheme Identification Sequence)."""
    scheme = Dataset()
    scheme.CodingSchemeDesignator = OWN_SCHEME
    scheme.CodingSchemeName = "msdelta: regions of MS lesions"
    scheme.CodingSchemeResponsibleOrganization = MANUFACTURER
    sr.CodingSchemeIdentificationSequence = [scheme]


def volume_mm3(row: LesionRow, name: TimePointName) -> float:
    """At that time; 0 where there was no lesion."""
    return (row.baseline_volume_mm3 or 0.0) if name == "baseline" else row.follow_up_volume_mm3


def finding_site(row: LesionRow) -> hd.sr.FindingSite:
    """The brain, and where in it."""
    region = None if row.region is None else REGIONS[row.region]
    return hd.sr.FindingSite(anatomic_location=codes.SCT.Brain, topographical_modifier=region)


def lesion_measurements(row: LesionRow, name: TimePointName) -> list[hd.sr.Measurement]:
    """Volume with its interval; of the larger time point, which it was measured at, the longest extent."""
    volume = volume_mm3(row, name)
    measured = [
        hd.sr.Measurement(
            name=codes.SCT.Volume, value=volume, unit=CUBIC_MILLIMETRE, properties=_uncertainty(row, name, volume)
        ),
        hd.sr.Measurement(name=codes.DCM.Probability, value=row.probability, unit=codes.UCUM.NoUnits),
    ]
    if row.certainty is not None:
        percent = round(100 * row.certainty, 4)
        measured.append(hd.sr.Measurement(name=codes.DCM.CertaintyOfFinding, value=percent, unit=codes.UCUM.Percent))
    at_larger = volume >= max(row.baseline_volume_mm3 or 0.0, row.follow_up_volume_mm3)
    if at_larger and row.long_axis_mm is not None:
        measured.append(hd.sr.Measurement(name=codes.SCT.LongAxis, value=row.long_axis_mm, unit=codes.UCUM.Millimeter))
    return measured


def _uncertainty(row: LesionRow, name: TimePointName, volume: float) -> hd.sr.MeasurementProperties | None:
    """How far the 95 % interval reaches above and below the volume, mm3 (TID 310)."""
    interval = row.baseline_interval_mm3 if name == "baseline" else row.follow_up_interval_mm3
    if interval is None:
        return None
    low, high = interval
    properties = hd.sr.MeasurementProperties()  # its own arguments would give a range of a volume the unit "1"
    properties.append(_range(codes.SCT.RangeOfUpperMeasurementUncertainty, high - volume))
    properties.append(_range(codes.SCT.RangeOfLowerMeasurementUncertainty, volume - low))
    return properties


def _range(name: Code, reach_mm3: float) -> hd.sr.NumContentItem:
    return hd.sr.NumContentItem(
        name=name,
        value=round(reach_mm3, 2),
        unit=CUBIC_MILLIMETRE,
        relationship_type=hd.sr.RelationshipTypeValues.HAS_PROPERTIES,
    )
