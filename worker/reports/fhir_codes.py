"""The codes of the FHIR bundle: standard ones where their meaning is ours, else our own code system.

A standard code that nearly fits is worse than none: a receiver cannot see the difference. Own codes are of the system
`urn:msdelta:code` and the same words as in `report.json`.
"""

from typing import Any

from service.contracts.measures import LesionRegion
from service.contracts.report import LesionStatus, StudySummary

Json = dict[str, Any]
OWN = "urn:msdelta:code"
LOINC, SNOMED, UCUM = "http://loinc.org", "http://snomed.info/sct", "http://unitsofmeasure.org"
DICOM = "http://dicom.nema.org/resources/ontology/DCM"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
UNITS = {"ml": "mL", "mm3": "mm3", "mm2": "mm2", "mm": "mm", "%": "%", "SD": "{SD}", "": "1"}
"""UCUM code of each unit; what UCUM does not know is an annotation in braces."""


def coding(system: str, code: str, display: str) -> Json:
    """One code."""
    return {"system": system, "code": code, "display": display}


def concept(*codings: Json, text: str = "") -> Json:
    """Codes that say the same, from the most exact on."""
    return {"coding": list(codings)} | ({"text": text} if text else {})


def own(code: str, display: str) -> Json:
    """A code of ours."""
    return coding(OWN, code, display)


MR_BRAIN = concept(coding(LOINC, "24590-2", "MR Brain"))
RADIOLOGY = concept(coding(f"{TERMINOLOGY}/v2-0074", "RAD", "Radiology"))
IMAGING = concept(coding(f"{TERMINOLOGY}/observation-category", "imaging", "Imaging"))
NOT_PERFORMED = coding(f"{TERMINOLOGY}/data-absent-reason", "not-performed", "Not Performed")
BRAIN = coding(SNOMED, "12738006", "Brain structure")
VOLUME = coding(SNOMED, "118565006", "Volume")
NUMBER_OF_LESIONS = coding(SNOMED, "246206008", "Number of lesions")
LONG_AXIS = coding(SNOMED, "103339001", "Long axis")
TRACKING_UID = coding(DICOM, "112040", "Tracking Unique Identifier")
TREND = coding(DICOM, "122151", "Trend")
PROBABILITY = coding(DICOM, "122157", "Probability")
CERTAINTY = coding(DICOM, "111012", "Certainty of Finding")

STANDARD_STATUS = {
    LesionStatus.ENLARGING: coding(SNOMED, "15454001", "Increase in size"),
    LesionStatus.STABLE: coding(SNOMED, "260388006", "No status change"),
    LesionStatus.SHRINKING: coding(SNOMED, "19776001", "Decrease in size"),
}
"""SNOMED's "new finding" (129721008) speaks of a mammogram, and there is none that says resolved of a lesion."""


def status_concept(status: LesionStatus) -> Json:
    """What happened to a lesion."""
    standard = STANDARD_STATUS.get(status)
    return concept(own(status.value, status.value), *([] if standard is None else [standard]))


def site(region: LesionRegion | None) -> Json:
    """Where in the brain; without a region the brain."""
    if region is None:
        return concept(BRAIN)
    return concept(own(region.value, region.value.replace("_", " ")), BRAIN)


def quantity(value: float, unit: str) -> Json:
    """A number with its unit."""
    return {"value": value, "unit": unit or "1", "system": UCUM, "code": UNITS[unit]}


def component(code: Json, **value: Any) -> Json:
    """A part of an observation: `valueQuantity=...`, `valueInteger=...`, `valueString=...` or `valueRange=...`."""
    return {"code": code, **value}


def number_component(code: str, value: float | None, unit: str, *standard: Json) -> list[Json]:
    """A number by our code and those of standards that mean the same; nothing where it is not known."""
    if value is None:
        return []
    return [component(concept(own(code, code.replace("-", " ")), *standard), valueQuantity=quantity(value, unit))]


def acquired(study: StudySummary) -> Json:
    """When an observation's study was acquired, where it is known."""
    return {"effectiveDateTime": study.acquired} if study.acquired else {}


def interval_component(interval: tuple[float, float] | None, unit: str, code: str = "interval-95") -> list[Json]:
    """The 95 % interval of a number; nothing where it is not known."""
    if interval is None:
        return []
    low, high = (quantity(one, unit) for one in interval)
    return [component(concept(own(code, "95 % interval")), valueRange={"low": low, "high": high})]
