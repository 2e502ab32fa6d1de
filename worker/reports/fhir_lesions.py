"""An Observation per lesion: what happened to it, where it lies, and every number of its row."""

from service.contracts.report import LesionRow, Report
from worker.reports.fhir_codes import (
    CERTAINTY,
    LONG_AXIS,
    PROBABILITY,
    TRACKING_UID,
    TREND,
    VOLUME,
    Json,
    acquired,
    component,
    concept,
    interval_component,
    number_component,
    own,
    site,
    status_concept,
)

AXES = ("x", "y", "z")


def lesion_observations(report: Report) -> dict[str, Json]:
    """By the row; the value is the status, where there is one."""
    return {f"lesion {row.id}": _lesion(row) | acquired(report.follow_up) for row in report.lesions}


def _lesion(row: LesionRow) -> Json:
    status = {} if row.status is None else {"valueCodeableConcept": status_concept(row.status)}
    code = own("lesion", "MS lesion") if row.status is None else own("lesion-change", "Change of an MS lesion")
    return {
        "code": concept(code, *([] if row.status is None else [TREND])),
        "bodySite": site(row.region),
        **status,
        "component": [
            component(concept(own("row", "row of the report")), valueInteger=row.id),
            *tracking_component(row.tracking_uid),
            component(concept(own("counted", "of the size that counts")), valueBoolean=row.counted),
            *_volume("baseline", row.baseline_volume_mm3, row.baseline_interval_mm3),
            *_volume("follow-up", row.follow_up_volume_mm3, row.follow_up_interval_mm3),
            *number_component("new-part-volume", row.new_part_volume_mm3, "mm3"),
            *number_component("equivalent-diameter", row.equivalent_diameter_mm, "mm"),
            *number_component("long-axis", row.long_axis_mm, "mm", LONG_AXIS),
            *number_component("surface-area", row.surface_mm2, "mm2"),
            *number_component("flair-change", row.flair_change_sd, "SD"),
            *number_component("certainty", row.certainty, "", CERTAINTY),
            *number_component("probability", row.probability, "", PROBABILITY),
            _parts("baseline", row.baseline_components),
            _parts("follow-up", row.follow_up_components),
            *place_components("centroid", row.centroid_mm),
            *place_components("baseline-centroid", row.baseline_centroid_mm),
        ],
    }


def tracking_component(uid: str | None) -> list[Json]:
    """What the lesion is called over all visits; not an identifier of the observation, which is of one pair."""
    if uid is None:
        return []
    return [component(concept(own("tracking-uid", "tracking UID"), TRACKING_UID), valueString=uid)]


def _volume(time: str, volume_mm3: float | None, interval: tuple[float, float] | None) -> list[Json]:
    if volume_mm3 is None:
        return []
    return [
        *number_component(f"{time}-volume", volume_mm3, "mm3", VOLUME),
        *interval_component(interval, "mm3", f"{time}-volume-interval-95"),
    ]


def _parts(time: str, number: int) -> Json:
    return component(concept(own(f"{time}-components", f"parts at {time}")), valueInteger=number)


def place_components(name: str, point: tuple[float, float, float] | None) -> list[Json]:
    """A centre in patient axes (LPS) of the scan."""
    if point is None:
        return []
    return [
        part for axis, mm in zip(AXES, point, strict=True) for part in number_component(f"{name}-{axis}-lps", mm, "mm")
    ]
