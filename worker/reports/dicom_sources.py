"""References from results to the images they were found in: to instances, or to frames of multi-frame objects.

highdicom takes either single images or one whole multi-frame object, in its own order and with what Siemens and Philips
state for each frame stated for all. So frames go in as single images under stand-in UIDs, and the references that come
out are set to object and frame number (PS3.3 C.7.6.16.2.6, 10.3).
"""

from collections.abc import Sequence

import highdicom as hd
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import MRImageStorage

from worker.dicom_frames import put

STAND_IN_ROOT = "2.25."
POSITION = (codes.DCM.ImagePositionPatientX, codes.DCM.ImagePositionPatientY, codes.DCM.ImagePositionPatientZ)


def frame_of(header: Dataset) -> int | None:
    """The frame that a header of `worker.dicom_reader.read_headers` is of, from 1; None: the object is one image."""
    frame = header.get("ReferencedFrameNumber")
    return None if frame is None else int(frame)


def objects_of(headers: Sequence[Dataset]) -> list[Dataset]:
    """One header for each object, in the order in which they come first."""
    return list({str(one.SOPInstanceUID): one for one in reversed(headers)}.values())[::-1]


def reference_to(header: Dataset) -> Dataset:
    """Class and UID of an object."""
    reference = Dataset()
    reference.ReferencedSOPClassUID = header.SOPClassUID
    reference.ReferencedSOPInstanceUID = header.SOPInstanceUID
    return reference


def as_single_images(headers: Sequence[Dataset]) -> list[Dataset]:
    """The headers as highdicom takes them: classic ones as they are, frames under UIDs that stand for them."""
    return [header if frame_of(header) is None else _stand_in(header, n) for n, header in enumerate(headers)]


def refer_to_frames(seg: hd.seg.Segmentation, headers: Sequence[Dataset]) -> None:
    """Sets the references of a segmentation that was made `as_single_images` to the objects and frames themselves."""
    if frame_of(headers[0]) is None:
        return
    stands_for = {_uid(n): header for n, header in enumerate(headers)}
    for frame in seg.PerFrameFunctionalGroupsSequence:
        for derivation in frame.DerivationImageSequence:
            for source in derivation.SourceImageSequence:
                header = stands_for.get(source.ReferencedSOPInstanceUID)
                if header is not None:  # segments of one slice share the item: then it is done
                    source.ReferencedSOPClassUID = header.SOPClassUID
                    source.ReferencedSOPInstanceUID = header.SOPInstanceUID
                    source.ReferencedFrameNumber = header.ReferencedFrameNumber
    objects = [reference_to(one) for one in objects_of(headers)]
    seg.SourceImageSequence = objects
    seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence = objects


def leave_out_positions(library: Dataset, headers: Sequence[Dataset]) -> None:
    """Takes the position of one frame out of the entries of an image library for whole objects (TID 1604)."""
    if frame_of(headers[0]) is None:
        return
    for group in library.ContentSequence:
        for entry in group.ContentSequence:
            if entry.ValueType == "IMAGE":
                entry.ContentSequence = [one for one in entry.ContentSequence if one.name not in POSITION]


def _uid(n: int) -> str:
    return f"{STAND_IN_ROOT}{n + 1}"


def _stand_in(header: Dataset, n: int) -> Dataset:
    single = Dataset()
    single.update(header)
    put(single, "SOPClassUID", MRImageStorage)
    put(single, "SOPInstanceUID", _uid(n))
    return single
