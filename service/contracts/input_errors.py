"""What can be wrong with data and settings: the branch `BadInput` of the tree in `errors.py`."""

from service.contracts.errors import MsDeltaError


class BadInput(MsDeltaError):
    """The data cannot be used; the same data fails again."""

    code = "bad_input"
    title = "The data cannot be used"
    status = 422


class TruncatedArchive(BadInput):
    """The zip file ends early or its checksums do not hold."""

    code = "truncated_archive"
    title = "The archive is damaged or incomplete"


class ArchiveTooLarge(BadInput):
    """The archive unpacks to more bytes or files than the limits allow."""

    code = "archive_too_large"
    title = "The archive unpacks to more than is allowed"
    status = 413


class UnsafeArchivePath(BadInput):
    """An archive member would land outside its folder, or is a link."""

    code = "unsafe_archive_path"
    title = "The archive holds an unsafe path"


class UploadTooLarge(BadInput):
    """The upload is larger than the limit."""

    code = "upload_too_large"
    title = "The upload is too large"
    status = 413


class EmptyStudy(BadInput):
    """No image file was found in the study."""

    code = "empty_study"
    title = "The study holds no images"


class UnsupportedFile(BadInput):
    """Files of a kind that cannot be read as DICOM or NIfTI."""

    code = "unsupported_file"
    title = "The file is neither DICOM nor NIfTI"


class MixedPatients(BadInput):
    """One study holds the images of more than one patient."""

    code = "mixed_patients"
    title = "The study holds more than one patient"


class IncompleteUpload(BadInput):
    """The request body ended before the upload was whole."""

    code = "incomplete_upload"
    title = "The upload ended early"
    status = 400


class NotAnImage(BadInput):
    """The file says it is an image, but cannot be read as one."""

    code = "not_an_image"
    title = "The file is not a readable image"


class NotThreeDimensional(BadInput):
    """The image does not have exactly three dimensions."""

    code = "not_three_dimensional"
    title = "The image is not three-dimensional"


class EmptyImage(BadInput):
    """All voxels have the same value, or none is finite."""

    code = "empty_image"
    title = "The image is empty"


class ImageTooSmall(BadInput):
    """The image covers too little to be a brain scan."""

    code = "image_too_small"
    title = "The image is too small to be a brain scan"


class CorruptImage(BadInput):
    """Pixel data or geometry cannot be decoded."""

    code = "corrupt_image"
    title = "The image is damaged"


class UnsupportedTransferSyntax(BadInput):
    """No decoder for the compression of the pixel data."""

    code = "unsupported_transfer_syntax"
    title = "The compression of the images is not supported"


class UnsupportedMultiFrame(BadInput):
    """A multi-frame object that does not say of each frame what it is."""

    code = "unsupported_multi_frame"
    title = "A multi-frame object cannot be read"


class MissingSlice(BadInput):
    """The slices do not follow each other at one spacing."""

    code = "missing_slice"
    title = "A slice is missing"


class DuplicateSlice(BadInput):
    """Two different slices lie at the same position."""

    code = "duplicate_slice"
    title = "A slice occurs twice"


class InconsistentOrientation(BadInput):
    """The slices of a series do not share one orientation."""

    code = "inconsistent_orientation"
    title = "The slices are not parallel"


class InconsistentFrameOfReference(BadInput):
    """The slices of a series do not share one frame of reference."""

    code = "inconsistent_frame_of_reference"
    title = "The slices lie in different frames of reference"


class InconsistentImages(BadInput):
    """The slices of a series differ in size, pixel spacing or pixel format."""

    code = "inconsistent_images"
    title = "The slices of the series do not fit together"


class UnusableScans(BadInput):
    """Some scans of a folder have no mask: their images are missing, unreadable or on different grids."""

    code = "unusable_scans"
    title = "Some scans cannot be segmented"


class MissingT1(BadInput):
    """No T1-weighted series was found."""

    code = "missing_t1"
    title = "The study has no T1-weighted series"


class MissingFlair(BadInput):
    """No FLAIR series was found."""

    code = "missing_flair"
    title = "The study has no FLAIR series"


class AmbiguousSeries(BadInput):
    """Two series fit equally well."""

    code = "ambiguous_series"
    title = "More than one series fits"


class DifferentPatients(BadInput):
    """Baseline and follow-up are of different patients."""

    code = "different_patients"
    title = "Baseline and follow-up belong to different patients"


class InvalidCheckpoint(BadInput):
    """The weights file or model folder cannot be used."""

    code = "invalid_checkpoint"
    title = "The model weights cannot be used"


class InvalidOption(BadInput):
    """An option has a value outside its range."""

    code = "invalid_option"
    title = "An option is not valid"


class UnsignedReport(BadInput):
    """A report that was to be verified bears no signature."""

    code = "unsigned_report"
    title = "The report is not signed"


class InvalidSignature(BadInput):
    """A report was changed after it was signed, or was signed elsewhere."""

    code = "invalid_signature"
    title = "The signature of the report does not fit"


class VisitsOutOfOrder(BadInput):
    """Visits that are followed together are not given in the order of time."""

    code = "visits_out_of_order"
    title = "The visits are not in the order of time"


class StudyGone(BadInput):
    """The PACS has no MR image of the study that it told us of."""

    code = "study_gone"
    title = "The PACS holds no MR image of the study"


class StudyNeverSettled(BadInput):
    """Images of a study kept coming or going for longer than a site waits."""

    code = "study_never_settled"
    title = "The study's images kept changing"


class PacsRefused(BadInput):
    """The PACS answers, and says no: credentials, or an address that is not a DICOMweb server."""

    code = "pacs_refused"
    title = "The PACS refused the request"


class BackendUnavailable(BadInput):
    """A backend was asked for that is not installed here."""

    code = "backend_unavailable"
    title = "The chosen backend is not installed"
