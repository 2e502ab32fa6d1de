"""The results of several visits: a mask of each, the ledger as a table, a page, a PDF and FHIR, `series.json` last."""

from model.volume import Volume
from service.contracts.blobs import SERIES_COMMIT_FILE
from service.contracts.report_signature import signed
from service.contracts.series_report import SeriesReport
from worker.artifacts import write_images, write_report
from worker.outcome import Work
from worker.reports.fhir_bundle import write_bundle
from worker.reports.ledger_table import write_ledger_csv
from worker.reports.series_fhir import series_bundle
from worker.reports.series_html import render_series_html
from worker.reports.series_pdf import render_series_pdf
from worker.reports.series_summary import SeriesReportInputs, build_series_report
from worker.results import model_info
from worker.segmentation import native_lesions, native_probability, native_rows
from worker.visit_case import SeriesOutcome, SeriesRequest


def write_series_results(outcome: SeriesOutcome, request: SeriesRequest, work: Work) -> SeriesReport:
    """The report; every artifact lies in the folder of the request, and the result is whole.

    Raises:
        ResultInconsistent: a file does not hold what was written.
    """
    masks = {_mask_name(visit, outcome): _mask(visit, outcome) for visit in range(len(outcome.segmented))}
    write_images(request.out, masks)
    if work.options.probabilities:
        names = (f"visit_{visit}_probability.nii.gz" for visit in range(1, len(outcome.segmented) + 1))
        maps = (native_probability(one) for one in outcome.segmented)
        write_images(request.out, dict(zip(names, maps, strict=True)))
    inputs = SeriesReportInputs(
        outcome=outcome,
        masks=tuple(masks),
        mask_volumes_ml=tuple(mask.marked_ml for mask in masks.values()),
        profile=work.profile,
        model=model_info(work.tools.ensemble, work.options),
        timings_s=work.clock.seconds,
        job_id=request.job_id,
    )
    report = signed(build_series_report(inputs), work.tools.signing_key)
    write_ledger_csv(report, request.out / "ledger.csv")
    language = work.options.language
    (request.out / "series.html").write_text(render_series_html(report, language), encoding="utf-8")
    (request.out / "series.pdf").write_bytes(render_series_pdf(report, language))
    write_bundle(series_bundle(report, language), request.out / "series.fhir.json")
    write_report(request.out / SERIES_COMMIT_FILE, report)
    return report


def _mask_name(visit: int, outcome: SeriesOutcome) -> str:
    """The name says it where the numbers in the mask are not the ledger's."""
    return f"visit_{visit + 1}_lesions{'' if visit in outcome.chain else '_alone'}.nii.gz"


def _mask(visit: int, outcome: SeriesOutcome) -> Volume:
    """int32 on the FLAIR grid of the visit: ids of the ledger, or numbers of its own where the visit stands alone."""
    lesions = native_lesions(outcome.segmented[visit])
    if outcome.found is None or visit not in outcome.chain:
        return lesions
    return native_rows(lesions, outcome.found.ledger.graph.id_of[outcome.chain.index(visit)])
