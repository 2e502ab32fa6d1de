"""Which sequence a NIfTI file's name says it holds."""

import re
from typing import Literal

Sequence = Literal["t1", "flair"]

IGNORED = re.compile(
    r"(^|[^a-z])(mask|brainmask|lesions?|consensus|gt|seg|label|labels|truth|change|probability)([^a-z]|$)|_mask"
)
"""Words of files that are not scans."""
FLAIR = re.compile(r"flair|(^|[_.-])0001\.nii")
T1 = re.compile(r"(^|[^a-z0-9])(t1|t1w|t1_?mprage|mprage|mp2?rage|spgr|bravo|tfl|t1ffe|tfe)([^a-z0-9]|$)|t1w|(^|[_.-])0000\.nii")
CONTRAST = re.compile(r"(^|[^a-z0-9])(t1ce|t1gd|t1c|gd|gad|post|ce|km)([^a-z0-9]|$)")
"""T1 after contrast agent."""


def sequence_of(name: str) -> Sequence | None:
    """`t1` or `flair` by the file's name, None where it says neither (masks, contrast-enhanced T1, other sequences)."""
    lower = name.lower()
    if not lower.endswith((".nii", ".nii.gz")) or IGNORED.search(lower):
        return None
    if FLAIR.search(lower):
        return "flair"
    if CONTRAST.search(lower):
        return None
    return "t1" if T1.search(lower) else None
