"""Header values wherever a DICOM object keeps them: at its top, or in the functional groups of an enhanced one."""

from typing import Any

from pydicom.dataset import Dataset

SHARED, PER_FRAME = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"

GROUPS = {
    "AcquisitionContrast": "MRImageFrameTypeSequence",
    "DiffusionBValue": "MRDiffusionSequence",
    "EffectiveEchoTime": "MREchoSequence",
    "FlipAngle": "MRTimingAndRelatedParametersSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "ImagePositionPatient": "PlanePositionSequence",
    "InversionRecovery": "MRModifierSequence",
    "InversionTimes": "MRModifierSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "RepetitionTime": "MRTimingAndRelatedParametersSequence",
    "SliceThickness": "PixelMeasuresSequence",
    "SpacingBetweenSlices": "PixelMeasuresSequence",
    "Spoiling": "MRModifierSequence",
}
"""Which functional group holds an attribute. Source: DICOM PS3.3 C.8.13.5."""


def first_with(header: Dataset, name: str) -> Any:
    """The value of an attribute at the top, in the shared groups or in the first frame's; None where it is nowhere."""
    try:
        top = header.get(name)
        if top not in (None, ""):
            return top
        for place in (SHARED, PER_FRAME):
            value = _within(header.get(place), GROUPS.get(name), name)
            if value not in (None, ""):
                return value
    except (TypeError, ValueError, LookupError, AttributeError):
        return None  # a damaged value is an absent one
    return None


def of_every_frame(header: Dataset, name: str) -> list[Any]:
    """The value of an attribute for each frame, None where it is nowhere; a classic header is one frame."""
    frames = header.get(PER_FRAME)
    if not frames:
        return [first_with(header, name)] * max(1, _count(header))
    group, shared = GROUPS.get(name), first_with(header, name)
    own = [_within([frame], group, name) for frame in frames]
    return [shared if value in (None, "") else value for value in own]


def _within(groups: Any, group: str | None, name: str) -> Any:
    if not groups or group is None:
        return None
    inner = groups[0].get(group)
    return inner[0].get(name) if inner else None


def _count(header: Dataset) -> int:
    try:
        return int(header.get("NumberOfFrames") or 1)
    except (TypeError, ValueError):
        return 1
