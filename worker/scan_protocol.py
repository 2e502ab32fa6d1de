"""How a series was scanned, as far as two studies are compared by it: nothing here can be read back to a scanner."""

import hmac
import secrets
from dataclasses import dataclass
from typing import Literal

from worker.series_header import SeriesHeader
from worker.series_rules import SeriesRules

Comparison = Literal["same", "different", "unknown"]

SAME_FIELD_T = 0.2
"""Scanners of one nominal field differ by less: 2.89 and 3 T."""
SAME_TIME_RATIO = 1.1
"""Echo, repetition and inversion times of one protocol, whose sequence was updated between the visits."""

_KEY = secrets.token_bytes(32)
"""As for identities: digests mean nothing outside this process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanProtocol:
    """What the DICOM header of a series says; times in ms, None where it is silent."""

    scanner: str | None
    """Keyed digest of maker and serial number."""
    model: str | None
    """Keyed digest of maker and model."""
    field_t: float | None
    after_contrast: bool
    """The header or the words of the protocol speak of a contrast agent."""
    family: tuple[str, ...]
    """Scanning sequence by the standard's terms, sorted."""
    dimension: str | None
    """2D or 3D."""
    echo_time: float | None
    repetition_time: float | None
    inversion_time: float | None


def protocol_of(header: SeriesHeader, rules: SeriesRules) -> ScanProtocol:
    """The protocol of a series; `rules` know the words of a contrast agent."""
    return ScanProtocol(
        scanner=_digest(header.manufacturer, header.device_serial),
        model=_digest(header.manufacturer, header.model),
        field_t=header.field_strength,
        after_contrast=rules.holds(rules.alikeness.contrast.when, header),
        family=tuple(sorted(header.scanning_sequence)),
        dimension=header.acquisition_type,
        echo_time=header.echo_time,
        repetition_time=header.repetition_time,
        inversion_time=header.inversion_time,
    )


def compare_scanner(one: ScanProtocol | None, two: ScanProtocol | None) -> Comparison:
    """By serial numbers; without them another model is another scanner, and the same model says nothing."""
    if one is None or two is None:
        return "unknown"
    by_number = _compare(one.scanner, two.scanner)
    if by_number != "unknown":
        return by_number
    return "different" if _compare(one.model, two.model) == "different" else "unknown"


def compare_field(one: ScanProtocol | None, two: ScanProtocol | None) -> Comparison:
    """Of the magnets."""
    if one is None or two is None or one.field_t is None or two.field_t is None:
        return "unknown"
    return "same" if abs(one.field_t - two.field_t) <= SAME_FIELD_T else "different"


def compare_contrast(one: ScanProtocol | None, two: ScanProtocol | None) -> Comparison:
    """Native or after a contrast agent."""
    if one is None or two is None:
        return "unknown"
    return "same" if one.after_contrast == two.after_contrast else "different"


def compare_sequence(one: ScanProtocol | None, two: ScanProtocol | None) -> Comparison:
    """Kind of sequence, 2D or 3D, and its times, as far as both headers state them."""
    if one is None or two is None:
        return "unknown"
    found = {
        _compare(one.family or None, two.family or None),
        _compare(one.dimension, two.dimension),
        _near(one.echo_time, two.echo_time),
        _near(one.repetition_time, two.repetition_time),
        _near(one.inversion_time, two.inversion_time),
    }
    if "different" in found:
        return "different"
    return "same" if "same" in found else "unknown"


def _compare(one: object, two: object) -> Comparison:
    if one is None or two is None:
        return "unknown"
    return "same" if one == two else "different"


def _near(one: float | None, two: float | None) -> Comparison:
    if one is None or two is None or min(one, two) <= 0:
        return "unknown"
    return "same" if max(one, two) / min(one, two) <= SAME_TIME_RATIO else "different"


def _digest(maker: str, value: str) -> str | None:
    return hmac.digest(_KEY, f"{maker}\n{value}".encode(), "sha256").hex() if value else None
