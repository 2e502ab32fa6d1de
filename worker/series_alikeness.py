"""How alike two series of two studies are, by their headers alone.

A change between two visits is easiest to believe where both were scanned alike. What agrees and what differs is said
in words and numbers that name neither patient nor scanner.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from worker.scan_protocol import SAME_FIELD_T
from worker.series_header import SeriesHeader
from worker.series_rules import NumberTrait, SeriesRules
from worker.series_rules_file import packaged_rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """One trait: its points, how far it agrees (0 to 1), None where one of the headers is silent."""

    points: float
    part: float | None
    reason: str


def alikeness(
    one: SeriesHeader, other: SeriesHeader, rules: SeriesRules | None = None
) -> tuple[float, tuple[str, ...]]:
    """From 0 (nothing agrees) to 1 (everything does), the same in both directions, and what agrees and differs.

    A trait that one of the two headers does not state counts half: it is no reason for or against.
    """
    found = list(_agreements(one, other, rules or packaged_rules()))
    whole = sum(trait.points for trait in found)
    if whole == 0:
        return 1.0, ()
    alike = sum(trait.points * (0.5 if trait.part is None else trait.part) for trait in found)
    return round(alike / whole, 4), tuple(trait.reason for trait in found if trait.part is not None)


def _agreements(one: SeriesHeader, other: SeriesHeader, rules: SeriesRules) -> Iterator[Agreement]:
    traits = rules.alikeness
    yield _same("sequence family", traits.sequence.points, _family(one), _family(other))
    yield _same("number of dimensions", traits.dimension.points, _dimensions(one), _dimensions(other))
    yield _same("plane", traits.plane.points, one.plane, other.plane)
    after = [rules.holds(traits.contrast.when, header) for header in (one, other)]
    yield _same("contrast state", traits.contrast.points, *after)
    yield _near("echo time", "ms", traits.echo_time, one.echo_time, other.echo_time)
    yield _near("repetition time", "ms", traits.repetition_time, one.repetition_time, other.repetition_time)
    yield _near("inversion time", "ms", traits.inversion_time, one.inversion_time, other.inversion_time)
    yield _near("flip angle", "degrees", traits.flip_angle, one.flip_angle, other.flip_angle)
    yield _near("slice spacing", "mm", traits.slice_spacing, one.slice_spacing, other.slice_spacing)
    pixels = [None if header.pixel_spacing is None else max(header.pixel_spacing) for header in (one, other)]
    yield _near("pixel spacing", "mm", traits.pixel_spacing, *pixels)
    yield _same("scanner", traits.scanner.points, _scanner(one), _scanner(other))
    yield _same("scanner model", traits.model.points, _model(one), _model(other))
    yield _same_field(traits.field.points, one.field_strength, other.field_strength)


def _family(header: SeriesHeader) -> tuple[bool, bool] | None:
    """Gradient echo or not, inversion or not. Vendors state the preparation of an MPRAGE as IR, as MP or as a time."""
    if not header.scanning_sequence:
        return None
    gradient = "GR" in header.scanning_sequence
    stated = "IR" in header.scanning_sequence or bool(header.inversion_time and header.inversion_time > 0)
    return gradient, stated or (gradient and "MP" in header.sequence_variant)


def _dimensions(header: SeriesHeader) -> str | None:
    return header.acquisition_type if header.acquisition_type in {"2D", "3D"} else None


def _scanner(header: SeriesHeader) -> tuple[str, str] | None:
    return (header.manufacturer, header.device_serial) if header.device_serial else None


def _model(header: SeriesHeader) -> tuple[str, str] | None:
    return (header.manufacturer, header.model) if header.model else None


def _same(name: str, points: float, one: object, other: object) -> Agreement:
    part = None if one is None or other is None else float(one == other)
    return Agreement(points=points, part=part, reason=f"{'same' if part else 'another'} {name}")


def _same_field(points: float, one: float | None, other: float | None) -> Agreement:
    if one is None or other is None:
        return Agreement(points=points, part=None, reason="")
    part = float(abs(one - other) <= SAME_FIELD_T)
    return Agreement(points=points, part=part, reason="same field strength" if part else f"{one:g} T and {other:g} T")


def _near(name: str, unit: str, trait: NumberTrait, one: float | None, other: float | None) -> Agreement:
    if one is None or other is None or min(one, other) <= 0:
        return Agreement(points=trait.points, part=None, reason="")
    ratio = max(one, other) / min(one, other)
    part = min(1.0, max(0.0, 2.0 - (ratio - 1.0) / (trait.within - 1.0)))
    reason = f"same {name}" if part == 1.0 else f"{name} {one:.4g} and {other:.4g} {unit}"
    return Agreement(points=trait.points, part=part, reason=reason)
