"""The images of one series as stacks: echoes, time points and repetitions apart, copies once.

one series:    slice 1   slice 1   slice 2   slice 2   ...      positions repeat, so a tag must tell them apart
EchoTime         11        92        11        92               two values, two images per place: it does
"""

from collections import Counter, defaultdict

from pydicom.dataset import Dataset

from worker.dicom_geometry import Slice
from worker.dicom_values import text

SPLIT_BY = (
    "ImageType",
    "EchoTime",
    "EchoNumbers",
    "InversionTime",
    "DiffusionBValue",
    "TemporalPositionIdentifier",
    "AcquisitionNumber",
    "AcquisitionTime",
    "ReferencedSOPInstanceUID",  # a multi-frame object for each repetition
    "DimensionIndexValues",  # of frames, what is left when places are taken out
)
"""What can differ between stacks of one series, in the order in which they are tried where positions repeat."""

Part = tuple[Slice, Dataset]


def stacks_of(parts: list[Part]) -> list[list[Part]]:
    """The images of one series, as far as they can be told apart; what cannot is left to the geometry checks."""
    return [part for stack in _declared(_without_copies(parts)) for part in _split(stack, SPLIT_BY)]


def _without_copies(parts: list[Part]) -> list[Part]:
    """An instance that was sent twice counts once."""
    return list({(part[0].uid, part[0].frame): part for part in parts}.values())


def _declared(parts: list[Part]) -> list[list[Part]]:
    """Apart by Stack ID (PS3.3 C.7.6.16.2.2.4), where each holds several slices: the three planes of a survey."""
    groups = _grouped(parts, "StackID")
    several = all(len({_place(part[0]) for part in group}) > 1 for group in groups)
    return groups if several else [parts]


def _split(parts: list[Part], names: tuple[str, ...]) -> list[list[Part]]:
    """Stacks without repeated positions, as far as a tag that differs can separate them.

    A tag separates when it makes no more groups than one position has images: a scanner that numbers every slice as
    an acquisition of its own must not tear the stack apart.
    """
    most = max(Counter(_place(part[0]) for part in parts).values())
    if most == 1 or not names:
        return [parts]
    groups = _grouped(parts, names[0])
    if not 1 < len(groups) <= most:
        return _split(parts, names[1:])
    return [stack for group in groups for stack in _split(group, names[1:])]


def _grouped(parts: list[Part], name: str) -> list[list[Part]]:
    """By the value of a tag, in the order of the values."""
    groups: dict[str, list[Part]] = defaultdict(list)
    for part in parts:
        groups[text(part[1], name)].append(part)
    return [group for _, group in sorted(groups.items(), key=lambda one: _by_value(one[0]))]


def _by_value(value: str) -> tuple[float, str]:
    """Numbers by their value, texts by their letters."""
    try:
        return float(value), value
    except ValueError:
        return 0.0, value


def _place(one: Slice) -> tuple[float, ...]:
    return tuple(round(value, 2) for value in one.position) + tuple(round(value, 2) for value in one.orientation)
