"""Observations of the whole brain: counts by status, volumes, regions, and the change of the brain's volume."""

from collections.abc import Iterable

from service.contracts.measures import BrainVolumeChange
from service.contracts.report import Counts, Flag, RegionRow, Report
from worker.reports.fhir_codes import (
    BRAIN,
    NOT_PERFORMED,
    NUMBER_OF_LESIONS,
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
)

COUNTED = own("counted-lesions", "Number of lesions of at least the counted size")
EVERY = own("lesions-of-any-size", "Number of lesions of at least the smallest size")
"""The sizes stand in the rule set that the report names: 14 and 3 mm3 by default."""


def total_observations(report: Report) -> dict[str, Json]:
    """By a name of each; what the report does not give is left out, and a refused comparison says why."""
    found = dict(_studies(report))
    shared = {"bodySite": concept(BRAIN), **acquired(report.follow_up)}
    if report.mode == "longitudinal":
        why = "; ".join(f"{one.code}: {one.message}" for one in report.reasons if one.flag is Flag.RED)
        found |= change_observations(
            active=report.active, counts=report.counts, every=report.counts_from_3_mm3, shared=shared, why=why
        )
    found |= {
        f"region {row.region.value}": region_observation(row, acquired(report.follow_up)) for row in report.regions
    }
    if report.brain_volume_change is not None:
        found["brain volume change"] = brain_volume(report.brain_volume_change, shared)
    return found


def _studies(report: Report) -> Iterable[tuple[str, Json]]:
    counts, volumes, spread = report.lesion_counts, report.volumes_ml, report.volume_intervals_ml
    every = counts.follow_up_from_3_mm3
    numbers = [("follow-up", report.follow_up, volumes.follow_up, spread.follow_up, counts.follow_up, every)]
    if report.baseline is not None and volumes.baseline is not None and counts.baseline is not None:
        small = counts.baseline_from_3_mm3 or 0
        numbers.insert(0, ("baseline", report.baseline, volumes.baseline, spread.baseline, counts.baseline, small))
    for name, study, volume_ml, interval, counted, every in numbers:
        shared = {"bodySite": concept(BRAIN), **acquired(study)}
        code = concept(own(f"{name}-lesion-volume", f"Lesion volume, {name}"), VOLUME)
        parts = interval_component(interval, "ml")
        yield (
            f"{name} volume",
            {
                "code": code,
                **shared,
                "valueQuantity": quantity(volume_ml, "ml"),
                **({"component": parts} if parts else {}),
            },
        )
        yield (
            f"{name} count",
            {
                "code": concept(own(f"{name}-lesions", f"Number of lesions, {name}"), NUMBER_OF_LESIONS),
                **shared,
                "valueInteger": counted,
                "component": [component(concept(EVERY), valueInteger=every)],
            },
        )


def change_observations(
    *, active: bool | None, counts: Counts | None, every: Counts | None, shared: Json, why: str
) -> dict[str, Json]:
    """Counts by status and whether there is activity; of studies that cannot be compared, why."""
    names = {"active": "Any new or enlarging lesion that counts"}
    names |= {"lesions-by-change": "Lesions by change, those that count"}
    names |= {"lesions-by-change-of-any-size": "Lesions by change, of any size"}
    if counts is None or every is None or active is None:
        absent = {"dataAbsentReason": concept(NOT_PERFORMED, text=why or "not comparable")}
        return {name: {"code": concept(own(name, display)), **shared, **absent} for name, display in names.items()}
    values: list[Json] = [{"valueBoolean": active}, {"component": _by_status(counts)}, {"component": _by_status(every)}]
    return {
        name: {"code": concept(own(name, display)), **shared, **value}
        for (name, display), value in zip(names.items(), values, strict=True)
    }


def region_observation(row: RegionRow, shared: Json) -> Json:
    """Counts and volumes of a region."""
    return {
        "code": concept(own("lesions-in-region", "Lesions in a region of the brain")),
        **shared,
        "bodySite": site(row.region),
        "component": [
            component(concept(COUNTED, NUMBER_OF_LESIONS), valueInteger=row.lesions),
            *_by_status(row.counts),
            *number_component("baseline-volume", row.baseline_volume_ml, "ml", VOLUME),
            *number_component("follow-up-volume", row.follow_up_volume_ml, "ml", VOLUME),
        ],
    }


def brain_volume(change: BrainVolumeChange, shared: Json) -> Json:
    """The change of the brain's volume, or why it is not given."""
    made: Json = {"code": concept(own("brain-volume-change", "Brain volume change")), **shared}
    if change.percent is None:
        why = [] if change.code is None else [own(change.code, change.code.replace("_", " "))]
        made["dataAbsentReason"] = concept(NOT_PERFORMED, *why, text=change.reason or "")
    else:
        made["valueQuantity"] = quantity(change.percent, "%")
        parts = interval_component(change.interval_percent, "%")
        made |= {"component": parts} if parts else {}
    return made


def _by_status(counts: Counts | None) -> list[Json]:
    numbers = {} if counts is None else counts.model_dump()
    codes = {name: concept(own(f"{name}-lesions", f"{name} lesions")) for name in numbers}
    return [component(codes[name], valueInteger=n) for name, n in numbers.items()]
