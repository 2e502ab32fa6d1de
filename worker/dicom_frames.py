"""The frames of an enhanced MR object, each as the header that a classic image of it would have.

    shared groups ---+                                    EchoTime, RepetitionTime, ImagePositionPatient, ...
                     +--> flat header of the frame  -->   under the names of classic MR (PS3.3 C.8.3.1), so that
    its own groups --+                                    geometry checks and series selection know one kind alone

Covers Enhanced MR (PS3.3 A.36) and Legacy Converted Enhanced MR (A.71). Groups that stand alone in an item of its own
are laid flat; a frame's own value stands above the shared one, and both above the object's.
"""

from collections.abc import Iterable, Iterator, MutableSequence

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import EnhancedMRImageStorage, LegacyConvertedEnhancedMRImageStorage
from pydicom.valuerep import DSfloat

from service.contracts.input_errors import UnsupportedMultiFrame
from worker.dicom_values import number, text, texts

ENHANCED_MR = (EnhancedMRImageStorage, LegacyConvertedEnhancedMRImageStorage)

GROUPS = (
    "UnassignedSharedConvertedAttributesSequence",
    "UnassignedPerFrameConvertedAttributesSequence",
    "FrameContentSequence",
    "FrameAnatomySequence",
    "PixelMeasuresSequence",
    "PlanePositionSequence",
    "PlaneOrientationSequence",
    "PixelValueTransformationSequence",
    "MRImageFrameTypeSequence",
    "MRTimingAndRelatedParametersSequence",
    "MREchoSequence",
    "MRModifierSequence",
    "MRImagingModifierSequence",
    "MRDiffusionSequence",
    "ContrastBolusUsageSequence",
)
"""Functional groups that are laid flat; a later one stands above an earlier one (PS3.3 C.7.6.16.2, C.8.13.5)."""

OF_THE_FRAME = (
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "RescaleSlope",
    "RescaleIntercept",
)
"""Believed only where a functional group states them: beside the groups, some scanners repeat the first frame's."""

FRAME_TAGS = (
    "NumberOfFrames",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "DimensionIndexSequence",
    "AcquisitionDateTime",
    "AcquisitionContrast",
    "EchoPulseSequence",
    "EchoPlanarPulseSequence",
    "SteadyStatePulseSequence",
    "SegmentedKSpaceTraversal",
    "PulseSequenceName",
    "ContrastBolusAgentSequence",
)
"""What is read of an object for this view, beside the tags of classic images."""

NOT_OF_A_FRAME = {Tag(name) for name in (*FRAME_TAGS[:4], *OF_THE_FRAME)}
"""What the flat header of a frame does not take over from the object."""
PLACES = {0x00200032, 0x00209056, 0x00209057}
"""Dimensions that say where a frame lies: its position, its stack, its number in the stack."""
COMPONENTS = {"MAGNITUDE": "M", "PHASE": "P", "REAL": "R", "IMAGINARY": "I"}
"""Complex Image Component, as scanners write it among the values of a classic Image Type."""
PROJECTIONS = {"MAX_IP": "MIP", "MIN_IP": "PROJECTION IMAGE"}


def frame_headers(header: Dataset) -> tuple[Dataset, ...]:
    """One flat header per frame, in the order of the frames.

    Each has the object's own values, those of its functional groups, the classic names for them, and
    ReferencedSOPInstanceUID with ReferencedFrameNumber (from 1): what a reference to the frame says.

    Raises:
        UnsupportedMultiFrame: the object has no functional groups, or not one item for each frame.
    """
    frames = number(header, "NumberOfFrames") or 0
    per_frame = header.get("PerFrameFunctionalGroupsSequence") or ()
    if not per_frame or len(per_frame) != frames:
        raise UnsupportedMultiFrame(
            f"saw an enhanced MR object of {frames:.0f} frames that describes {len(per_frame)} of them, "
            "expected a functional group item for each"
        )
    shared = list(header.get("SharedFunctionalGroupsSequence") or ())[:1]
    dimensions = _dimensions(header)
    base = Dataset()
    base.update({tag: element for tag, element in header.items() if tag not in NOT_OF_A_FRAME})
    _lay_flat(base, shared)
    return tuple(
        _classic(base, groups, frame=frame, dimensions=dimensions) for frame, groups in enumerate(per_frame, start=1)
    )


def put(flat: Dataset, name: str, value: object) -> None:
    """Gives a data set an element of its own; setting the attribute would change it for all that share the element."""
    tag = Tag(name)
    flat[tag] = DataElement(tag, dictionary_VR(tag), value)


def _lay_flat(flat: Dataset, items: Iterable[Dataset]) -> None:
    for item in items:
        for name in GROUPS:
            for group in list(item.get(name) or ())[:1]:
                flat.update(dict(group.items()))  # as they are: a damaged value fails when it is asked for


def _dimensions(header: Dataset) -> tuple[bool, ...]:
    """Of each dimension, whether it may tell stacks apart: all but places."""
    return tuple(
        int(one.get("DimensionIndexPointer", 0)) not in PLACES for one in header.get("DimensionIndexSequence") or ()
    )


def _classic(base: Dataset, groups: Dataset, *, frame: int, dimensions: tuple[bool, ...]) -> Dataset:
    flat = Dataset()
    flat.update(base)
    _lay_flat(flat, [groups])
    put(flat, "ReferencedSOPInstanceUID", flat.SOPInstanceUID)
    put(flat, "ReferencedFrameNumber", frame)
    _timing(flat)
    _acquired(flat)
    _words(flat)
    _indices(flat, dimensions)
    return flat


def _timing(flat: Dataset) -> None:
    """Echo and inversion time, ms; which of several repetitions."""
    for classic, enhanced in (("EchoTime", "EffectiveEchoTime"), ("InversionTime", "InversionTimes")):
        first = next(_numbers(flat, enhanced), None)
        if first is not None:
            put(flat, classic, DSfloat(first, auto_format=True))
    for classic, enhanced in (
        ("TemporalPositionIdentifier", "TemporalPositionIndex"),
        ("AcquisitionNumber", "FrameAcquisitionNumber"),
    ):
        value = number(flat, enhanced)
        if value is not None:
            put(flat, classic, int(value))


def _numbers(flat: Dataset, name: str) -> Iterator[float]:
    """Each value of one or several; none where it is absent or damaged."""
    try:
        value = flat.get(name)  # a list where it came from bytes, else a MultiValue
        yield from [float(one) for one in (value if isinstance(value, MutableSequence) else [value])]
    except (TypeError, ValueError):
        return


def _acquired(flat: Dataset) -> None:
    """Date and time, where the object has none of the classic kind."""
    moment = text(flat, "FrameAcquisitionDateTime") or text(flat, "AcquisitionDateTime")
    if len(moment) >= 8:
        put(flat, "AcquisitionDate", text(flat, "AcquisitionDate") or moment[:8])
    if len(moment) >= 14:
        put(flat, "AcquisitionTime", moment[8:].partition("+")[0].partition("-")[0])


def _words(flat: Dataset) -> None:
    """The coded descriptions of sequence, image type, contrast agent and body part in classic terms."""
    if "ScanningSequence" not in flat:
        put(flat, "ScanningSequence", list(_scanning_sequence(flat)))
    if "SequenceVariant" not in flat:
        put(flat, "SequenceVariant", list(_sequence_variant(flat)) or ["NONE"])
    if "SequenceName" not in flat and text(flat, "PulseSequenceName"):
        put(flat, "SequenceName", text(flat, "PulseSequenceName"))
    put(flat, "ImageType", list(_image_type(flat)))
    agents = flat.get("ContrastBolusAgentSequence") or ()
    if agents and text(flat, "ContrastBolusAgentAdministered") != "NO":
        put(flat, "ContrastBolusAgent", text(agents[0], "CodeMeaning") or "agent without a name")
    regions = flat.get("AnatomicRegionSequence") or ()
    if regions and not text(flat, "BodyPartExamined"):
        put(flat, "BodyPartExamined", text(regions[0], "CodeMeaning").upper()[:16])  # a code string


def _scanning_sequence(flat: Dataset) -> Iterator[str]:
    """Scanning Sequence (0018,0020) of Echo Pulse Sequence, Inversion Recovery and Echo Planar Pulse Sequence."""
    pulse = text(flat, "EchoPulseSequence")
    if pulse in {"SPIN", "BOTH"}:
        yield "SE"
    if pulse in {"GRADIENT", "BOTH"}:
        yield "GR"
    if text(flat, "InversionRecovery") == "YES":
        yield "IR"
    if text(flat, "EchoPlanarPulseSequence") == "YES":
        yield "EP"


def _sequence_variant(flat: Dataset) -> Iterator[str]:
    """Sequence Variant (0018,0021); MP: a gradient echo after an inversion is magnetisation prepared."""
    if text(flat, "SegmentedKSpaceTraversal") in {"PARTIAL", "FULL"}:
        yield "SK"
    if text(flat, "SteadyStatePulseSequence") not in {"", "NONE"}:
        yield "SS"
    if text(flat, "Spoiling") not in {"", "NONE"}:
        yield "SP"
    if text(flat, "InversionRecovery") == "YES" and text(flat, "EchoPulseSequence") == "GRADIENT":
        yield "MP"
    if text(flat, "MagnetizationTransfer") not in {"", "NONE"}:
        yield "MTC"


def _image_type(flat: Dataset) -> tuple[str, ...]:
    """Frame Type, and what classic headers add to it: the component (M, P, R, I) and projections."""
    values = texts(flat.get("FrameType")) or texts(flat.get("ImageType"))
    component = COMPONENTS.get(text(flat, "ComplexImageComponent"))
    projection = PROJECTIONS.get(text(flat, "VolumeBasedCalculationTechnique"))
    return values + tuple(word for word in (component, projection) if word and word not in values)


def _indices(flat: Dataset, dimensions: tuple[bool, ...]) -> None:
    """Leaves in Dimension Index Values those that are no place: what tells stacks apart where no other tag does."""
    values = list(_numbers(flat, "DimensionIndexValues"))
    kept = [int(one) for one, tells in zip(values, dimensions, strict=False) if tells]
    if "DimensionIndexValues" in flat:
        put(flat, "DimensionIndexValues", kept or None)
