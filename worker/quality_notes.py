"""What headers and dates say of a pair: rows and reasons; no text of a scanner is repeated."""

from service.contracts.report import Check, Flag, Reason
from worker.case import Series, Study, TimePoint
from worker.patient_identity import compare_details, may_be_same_person
from worker.quality_limits import NEAR_DUPLICATE_CORRELATION, UNKNOWN
from worker.scan_protocol import (
    Comparison,
    ScanProtocol,
    compare_contrast,
    compare_field,
    compare_scanner,
    compare_sequence,
)

NO_T1 = (
    "no T1 in every study: the lesions come from FLAIR alone, for which the network was not trained; "
    "more is missed and more is falsely marked (docs/series-selection.md)"
)


DIFFERENCES = {
    "patient_details": "birth date or sex differ between the two studies: the same patient?",
    "contrast_state": "one T1 is native, the other after contrast: enhancing lesions and vessels seem to come or go",
    "same_scanner": "the two studies come from different scanners: volumes differ by a few percent with it",
    "same_field_strength": "the two field strengths differ: contrast, and the lesions that are seen, differ with it",
    "same_protocol": "the two FLAIR sequences or their times differ: contrast, and the lesions seen, differ with it",
    "reversed_order": "the follow-up was acquired before the baseline: new and resolved are swapped",
    "near_duplicate": "the two studies are nearly identical: the same scan twice?",
}
"""Codes, and the reason in words where a comparison says `different`."""


def compare_studies(before: Study, after: Study, correlation: float) -> tuple[list[Check], list[Reason]]:
    """A row per code of `DIFFERENCES`, and a reason for each that is not green.

    Args:
        before: the baseline.
        after: the follow-up.
        correlation: of the aligned FLAIR images.
    """
    one, two = _protocol(before.flair), _protocol(after.flair)
    details, person = _patient(before, after)
    rows = [
        _row("patient_details", details, worst=person),
        _row("contrast_state", compare_contrast(_protocol(before.t1), _protocol(after.t1))),
        _row("same_scanner", compare_scanner(one, two)),
        _row("same_field_strength", compare_field(one, two)),
        _row("same_protocol", compare_sequence(one, two)),
        _yes_or_no("reversed_order", yes=_reversed(before, after)),
        _yes_or_no("near_duplicate", yes=correlation > NEAR_DUPLICATE_CORRELATION),
    ]
    spoken = [row for row in rows if row.flag is not Flag.GREEN]
    return rows, [Reason(code=row.name, flag=row.flag, message=DIFFERENCES[row.name]) for row in spoken]


def without_t1(*time_points: TimePoint) -> list[Reason]:
    """The reason where lesions come from FLAIR alone."""
    if all(t.study.t1 is not None for t in time_points):
        return []
    return [Reason(code="no_t1", flag=Flag.AMBER, message=NO_T1)]


def _patient(before: Study, after: Study) -> tuple[Comparison, Flag]:
    """Whether sex and birth date agree, and what it means where they do not: two people, or a slip of the pen."""
    one, two = before.identity, after.identity
    if one is None or two is None:
        return "unknown", Flag.GREEN
    if not may_be_same_person(one, two):  # reading refuses such a pair (`different_patients`)
        return "different", Flag.RED
    return compare_details(one, two), Flag.AMBER


def _reversed(before: Study, after: Study) -> bool | None:
    first, second = before.acquired, after.acquired
    return None if first is None or second is None else second < first


def _protocol(series: Series | None) -> ScanProtocol | None:
    return None if series is None else series.protocol


def _row(name: str, found: Comparison, worst: Flag = Flag.AMBER) -> Check:
    return Check(name=name, value=found, flag=worst if found == "different" else Flag.GREEN, expected="same")


def _yes_or_no(name: str, *, yes: bool | None) -> Check:
    value = UNKNOWN if yes is None else "yes" if yes else "no"
    return Check(name=name, value=value, flag=Flag.AMBER if yes else Flag.GREEN, expected="no")
