"""A FHIR R4 bundle of ours: a DiagnosticReport, its Observations, and the Device that made them.

It names nobody. The subject is a logical reference to "the patient of this job", which the receiver replaces by its own
Patient (decision 0017). All is `preliminary`: no one has verified it.
"""

import json
import uuid
from pathlib import Path

from fhir.resources.R4B.bundle import Bundle
from pydantic import ValidationError

from service.contracts.errors import ResultInconsistent
from service.contracts.options import Language
from service.contracts.report import Report
from service.contracts.series_report import SeriesReport
from worker.reports.dicom_series import MANUFACTURER
from worker.reports.fhir_codes import IMAGING, MR_BRAIN, RADIOLOGY, Json, concept, own
from worker.reports.language import words
from worker.reports.tracking import case_of

SUBJECT, JOB, OBSERVATION = "urn:msdelta:subject", "urn:msdelta:job", "urn:msdelta:observation"
WEIGHTS = "urn:msdelta:weights:sha256"
"""Systems of our identifiers."""


def bundle_of(
    report: Report | SeriesReport, observations: dict[str, Json], *, said: str, effective: Json, language: Language
) -> Json:
    """The bundle; the same report gives the same identifiers.

    Args:
        report: what it is a rendering of.
        observations: by a name of each; what they share is added.
        said: the conclusion, in the language.
        effective: when the study that is reported was acquired, as a part of the DiagnosticReport.
        language: of the conclusion; codes and displays are English.
    """
    device = f"urn:uuid:{_uuid(report, 'device')}"
    shared = {
        "resourceType": "Observation",
        "status": "preliminary",
        "category": [IMAGING],
        "subject": _subject(report),
        "issued": report.created.isoformat(),
        "device": {"reference": device},
    }
    results = {
        f"urn:uuid:{_uuid(report, name)}": {**shared, "identifier": [_identifier(report, name)], **one}
        for name, one in observations.items()
    }
    says = words(language)
    heading = {
        "resourceType": "DiagnosticReport",
        "language": language,
        "meta": {"tag": [own("research-use", "For research use. Not a medical device.")]},
        "identifier": [{"system": JOB, "value": case_of(report)}],
        "status": "preliminary",
        "category": [RADIOLOGY],
        "code": MR_BRAIN,
        "subject": _subject(report),
        **effective,
        "issued": report.created.isoformat(),
        "result": [{"reference": url} for url in results],
        "conclusion": f"{said} {says('notice')} {says('not_verified')}.",
    }
    entries = {f"urn:uuid:{_uuid(report, 'report')}": heading, **results, device: _device(report)}
    return {
        "resourceType": "Bundle",
        "language": language,
        "identifier": {"system": JOB, "value": case_of(report)},
        "type": "collection",
        "timestamp": report.created.isoformat(),
        "entry": [{"fullUrl": url, "resource": resource} for url, resource in entries.items()],
    }


def write_bundle(bundle: Json, path: Path) -> None:
    """Writes the bundle and reads it by the model of FHIR.

    Raises:
        ResultInconsistent: the written file is no bundle of FHIR R4; says where.
    """
    path.write_text(json.dumps(bundle, indent=2, ensure_ascii=False), encoding="utf-8")
    try:
        Bundle.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        places = ", ".join(".".join(str(part) for part in one["loc"]) for one in error.errors()[:3])
        raise ResultInconsistent(f"FHIR: the written bundle does not follow the model at {places}") from error


def _device(report: Report | SeriesReport) -> Json:
    """The program with its weights."""
    software, rules = (concept(own(one, one.replace("-", " "))) for one in ("software", "measurement-rules"))
    return {
        "resourceType": "Device",
        "identifier": [{"system": WEIGHTS, "value": one} for one in report.model.sha256],
        "manufacturer": MANUFACTURER,
        "deviceName": [{"name": f"{MANUFACTURER} {report.model.name}", "type": "model-name"}],
        "version": [
            {"type": software, "value": report.versions.msdelta},
            {"type": rules, "value": report.versions.measurement_rules},
        ],
        "note": [{"text": report.notice}],
    }


def _subject(report: Report | SeriesReport) -> Json:
    return {"type": "Patient", "identifier": {"system": SUBJECT, "value": case_of(report)}}


def _identifier(report: Report | SeriesReport, name: str) -> Json:
    """Of one observation: no other job, and no other observation of this one, has it."""
    return {"system": OBSERVATION, "value": f"{case_of(report)}/{name.replace(' ', '-')}"}


def _uuid(report: Report | SeriesReport, name: str) -> uuid.UUID:
    """Follows from job, weights and name, as the UIDs of the DICOM objects do."""
    return uuid.uuid5(uuid.NAMESPACE_URL, "/".join([MANUFACTURER, case_of(report), *report.model.sha256, name]))
