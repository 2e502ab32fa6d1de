"""The report of several visits as a FHIR R4 bundle (`worker.reports.fhir_bundle`).

Load at each visit, change between each two that were compared, and every lesion of the ledger: at each visit, and what
happened to it from one to the next. The rows of each comparison stay in `series.json`.
"""

from collections.abc import Iterable

from service.contracts.options import Language
from service.contracts.report import Flag
from service.contracts.series_report import LedgerRow, LesionInterval, LesionVisit, PairSummary, SeriesReport
from worker.reports.fhir_bundle import bundle_of
from worker.reports.fhir_codes import (
    BRAIN,
    NUMBER_OF_LESIONS,
    PROBABILITY,
    TREND,
    VOLUME,
    Json,
    acquired,
    component,
    concept,
    interval_component,
    number_component,
    own,
    quantity,
    site,
    status_concept,
)
from worker.reports.fhir_lesions import place_components, tracking_component
from worker.reports.fhir_totals import EVERY, brain_volume, change_observations, region_observation
from worker.reports.language import words
from worker.reports.series_words import headline


def series_bundle(report: SeriesReport, language: Language = "en") -> Json:
    """The bundle; the same report gives the same identifiers."""
    observations = {**dict(_visits(report)), **dict(_pairs(report)), **dict(_lesions(report))}
    return bundle_of(
        report,
        observations,
        said=headline(report, words(language)),
        effective=_over_all(report),
        language=language,
    )


def _visits(report: SeriesReport) -> Iterable[tuple[str, Json]]:
    for visit in report.visits:
        shared = {"bodySite": concept(BRAIN), **acquired(visit.study)}
        number = component(concept(own("visit", "number of the visit")), valueInteger=visit.visit)
        followed = component(concept(own("followed", "in the ledger")), valueBoolean=visit.followed)
        yield (
            f"visit {visit.visit} volume",
            {
                "code": concept(own("visit-lesion-volume", "Lesion volume at a visit"), VOLUME),
                **shared,
                "valueQuantity": quantity(visit.volume_ml, "ml"),
                "component": [number, followed, *interval_component(visit.volume_interval_ml, "ml")],
            },
        )
        yield (
            f"visit {visit.visit} count",
            {
                "code": concept(own("visit-lesions", "Number of lesions at a visit"), NUMBER_OF_LESIONS),
                **shared,
                "valueInteger": visit.lesions,
                "component": [number, followed, component(concept(EVERY), valueInteger=visit.lesions_from_3_mm3)],
            },
        )


def _pairs(report: SeriesReport) -> Iterable[tuple[str, Json]]:
    """Of each pair that the series reports: counts and activity, and the brain's volume; or why there is no change."""
    for pair in report.pairs:
        if pair.role == "not_used":
            continue
        which, name = _which(pair), f"pair {pair.baseline} {pair.follow_up}"
        shared = {"bodySite": concept(BRAIN), **acquired(report.visits[pair.follow_up - 1].study)}
        why = "; ".join(f"{one.code}: {one.message}" for one in pair.reasons if one.flag is Flag.RED)
        found = change_observations(
            active=pair.active, counts=pair.counts, every=pair.counts_from_3_mm3, shared=shared, why=why
        )
        found |= {f"region {row.region.value}": region_observation(row, shared) for row in pair.regions}
        if pair.brain_volume_change is not None:
            found["brain volume change"] = brain_volume(pair.brain_volume_change, shared)
        for what, one in found.items():
            yield f"{name} {what}", {**one, "component": [*which, *one.get("component", [])]}


def _lesions(report: SeriesReport) -> Iterable[tuple[str, Json]]:
    """Every lesion of the ledger at each visit that is followed, and what happened to it between each two."""
    for row in report.ledger:
        for at in row.visits:
            study = report.visits[at.visit - 1].study
            yield f"lesion {row.id} visit {at.visit}", _at_visit(row, at) | acquired(study)
        for change in row.changes:
            study = report.visits[change.follow_up - 1].study
            name = f"lesion {row.id} pair {change.baseline} {change.follow_up}"
            yield name, _between(row, change) | acquired(study)


def _at_visit(row: LedgerRow, at: LesionVisit) -> Json:
    events = [event.kind for event in row.events if event.visit == at.visit]
    return {
        "code": concept(own("ledger-lesion", "MS lesion at a visit"), VOLUME),
        "bodySite": site(row.region),
        "valueQuantity": quantity(at.volume_mm3, "mm3"),
        "component": [
            *_ledger_row(row),
            component(concept(own("visit", "number of the visit")), valueInteger=at.visit),
            component(concept(own("counted", "of the size that counts")), valueBoolean=row.counted),
            component(concept(own("covered", "in the field of view")), valueBoolean=at.covered),
            component(concept(own("components", "parts")), valueInteger=at.components),
            *interval_component(at.interval_mm3, "mm3"),
            *number_component("probability", at.probability, "", PROBABILITY),
            *place_components("centroid", at.centroid_mm),
            *(component(concept(own("event", "event")), valueString=kind) for kind in events),
        ],
    }


def _between(row: LedgerRow, change: LesionInterval) -> Json:
    return {
        "code": concept(own("ledger-lesion-change", "Change of an MS lesion between visits"), TREND),
        "bodySite": site(row.region),
        "valueCodeableConcept": status_concept(change.status),
        "component": [*_ledger_row(row), *_which(change)],
    }


def _ledger_row(row: LedgerRow) -> list[Json]:
    number = component(concept(own("row", "row of the report")), valueInteger=row.id)
    return [number, *tracking_component(row.uid)]


def _which(pair: PairSummary | LesionInterval) -> list[Json]:
    """The numbers of the two visits."""
    return [
        component(concept(own("baseline-visit", "number of the earlier visit")), valueInteger=pair.baseline),
        component(concept(own("follow-up-visit", "number of the later visit")), valueInteger=pair.follow_up),
    ]


def _over_all(report: SeriesReport) -> Json:
    """From the first visit to the last, where both are dated."""
    first, last = (report.visits[n].study.acquired for n in (0, -1))
    return {"effectivePeriod": {"start": first, "end": last}} if first and last else {}
