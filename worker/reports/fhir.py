"""The report of a pair, or of one study, as a FHIR R4 bundle (`worker.reports.fhir_bundle`)."""

from service.contracts.options import Language
from service.contracts.report import Report
from worker.reports.conclusion import conclusion
from worker.reports.fhir_bundle import bundle_of
from worker.reports.fhir_codes import Json, acquired
from worker.reports.fhir_lesions import lesion_observations
from worker.reports.fhir_totals import total_observations
from worker.reports.language import words


def fhir_bundle(report: Report, language: Language = "en") -> Json:
    """The bundle; the same report gives the same identifiers."""
    return bundle_of(
        report,
        {**total_observations(report), **lesion_observations(report)},
        said=conclusion(report, words(language)),
        effective=acquired(report.follow_up),
        language=language,
    )
