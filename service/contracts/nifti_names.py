"""Which sequence a NIfTI file's name says it holds."""

import re
from collections.abc import Iterable
from typing import Literal

Sequence = Literal["t1", "flair"]

NOT_A_SCAN = re.compile(
    r"(^|[^a-z])(\w*mask|lesions?|consensus|gt|seg|segmentation|labels?|truth|change|probability)([^a-z]|$)"
)
"""Masks and results that lie beside scans."""
MOVED = re.compile(r"(^|[_.-])(to|in|space|on)[_.-](flair|t1w?|mni\w*)")
"""Says where an image was moved to, not what it is: `T1_to_FLAIR`."""
FLAIR = re.compile(r"flair|(^|[_.-])0001\.nii")
T1 = re.compile(
    r"(^|[^a-z0-9])(t1|t1w|t1_?mprage|mp2?rage|spgr|bravo|tfl|t1ffe|tfe)([^a-z0-9]|$)|t1w|(^|[_.-])0000\.nii"
)
CONTRAST = re.compile(
    r"(^|[^a-z0-9])(t1ce|t1gd|t1c|gd|gad|gado|post|ce|km)([^a-z0-9]|$)|t1w?[_-]?(ce|gd|post|km)([^a-z0-9]|$)"
)
"""After contrast agent."""
T1_AFTER_CONTRAST = re.compile(r"t1w?[_-]?(ce|gd|c|post|km)([^a-z0-9]|$)")


def sequence_of(name: str) -> Sequence | None:
    """`t1` or `flair` by the file's name; None where it says neither, or names a mask."""
    lower = name.lower()
    if not lower.endswith((".nii", ".nii.gz")) or NOT_A_SCAN.search(lower):
        return None
    lower = MOVED.sub("", lower)
    if FLAIR.search(lower):
        return "flair"
    return "t1" if T1.search(lower) or T1_AFTER_CONTRAST.search(lower) else None


def kind_of(name: str) -> Literal["t1", "t1ce", "flair", "other"]:
    """What a name says, in a word that says the same again when it becomes a file name."""
    sequence = sequence_of(name)
    if sequence == "t1" and CONTRAST.search(name.lower()):
        return "t1ce"
    return sequence or "other"


def scans_by_sequence(names: Iterable[str]) -> dict[Sequence, list[str]]:
    """The names that say T1 and those that say FLAIR; a T1 after contrast agent only where there is no other."""
    found: dict[Sequence, list[str]] = {"t1": [], "flair": []}
    for name in sorted(names):
        sequence = sequence_of(name.rsplit("/", 1)[-1])
        if sequence is not None:
            found[sequence].append(name)
    native = [name for name in found["t1"] if not CONTRAST.search(name.rsplit("/", 1)[-1].lower())]
    found["t1"] = native or found["t1"]
    return found
