"""Every refusal and failure the product names, in one tree.

MsDeltaError
 |- BadInput                 the caller's data or request; the same input fails again
 |   |- upload: TruncatedArchive ArchiveTooLarge UnsafeArchivePath EmptyStudy UploadTooLarge UnsupportedFile
 |   |          MixedPatients IncompleteUpload
 |   |- image:  NotAnImage NotThreeDimensional EmptyImage CorruptImage UnsupportedTransferSyntax
 |   |          UnsupportedMultiFrame MissingSlice DuplicateSlice InconsistentOrientation InconsistentFrameOfReference
 |   |          InconsistentImages ImageTooSmall UnusableScans
 |   |- study:  MissingT1 MissingFlair AmbiguousSeries DifferentPatients
 |   |- PACS:   StudyGone StudyNeverSettled PacsRefused
 |   |- weights and settings: InvalidCheckpoint InvalidOption BackendUnavailable
 |- RequestRefused           the request, not the data
 |   |- InvalidRequest Unauthorized BadSignature Forbidden NotFound StudyNotFound JobNotFound ArtifactNotFound
 |   |  ArrivalNotFound DeliveryNotFound
 |   |  IdempotencyConflict StudyInUse IllegalTransition MethodNotAllowed RangeNotSatisfiable
 |   |  UnknownDestination NothingToDeliver DeliveryUnfinished
 |- ProcessingFailed         the work itself
 |   |- RegistrationFailed BrainNotFound ResultInconsistent JobCancelled LeaseLost WorkerLost InternalError
 |- DeliveryFailed           a receiver did not take a result; the code of the last attempt stands in the delivery
 |   |- time may cure it:   ReceiverUnreachable ReceiverTimedOut ReceiverBusy AssociationAborted ObjectNotUnderstood
 |   |                      DeliveryUnproven ResultMissing SiteMisconfigured
 |   |- a person must act:  CredentialsRefused ReceiverNotTrusted ReceiverRefused AssociationRejected
 |   |                      SopClassNotAccepted ObjectRefused
 |- DependencyUnavailable    broker, job store or blob store does not answer; try again
     |- PacsUnavailable

A message says what was seen and what was expected, never who the patient is.
"""

from typing import ClassVar


class MsDeltaError(Exception):
    """A named error: `code` is stable, `status` is its HTTP status, `retryable` says if time may cure it."""

    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Something went wrong"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


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


class RequestRefused(MsDeltaError):
    """The request cannot be served as it is."""

    code = "request_refused"
    title = "The request was refused"
    status = 400


class InvalidRequest(RequestRefused):
    """The request does not follow the schema."""

    code = "invalid_request"
    title = "The request is not valid"
    status = 422


class Unauthorized(RequestRefused):
    """No API key, or an unknown one."""

    code = "unauthorized"
    title = "A valid API key is needed"
    status = 401


class BadSignature(Unauthorized):
    """A webhook without a valid, fresh signature of a known key."""

    code = "bad_signature"
    title = "The signature is missing, wrong or old"


class Forbidden(RequestRefused):
    """The API key lacks the scope."""

    code = "forbidden"
    title = "The API key does not allow this"
    status = 403


class NotFound(RequestRefused):
    """The resource does not exist."""

    code = "not_found"
    title = "Not found"
    status = 404


class StudyNotFound(NotFound):
    """No study has this id."""

    code = "study_not_found"
    title = "There is no such study"


class JobNotFound(NotFound):
    """No job has this id."""

    code = "job_not_found"
    title = "There is no such job"


class ArrivalNotFound(NotFound):
    """No arrival has this id."""

    code = "arrival_not_found"
    title = "There is no such arrival"


class ArtifactNotFound(NotFound):
    """The job has no artifact of this name."""

    code = "artifact_not_found"
    title = "There is no such artifact"


class DeliveryNotFound(NotFound):
    """No delivery has this id."""

    code = "delivery_not_found"
    title = "There is no such delivery"


class MethodNotAllowed(RequestRefused):
    """The resource does not offer this method."""

    code = "method_not_allowed"
    title = "The method is not allowed here"
    status = 405


class RangeNotSatisfiable(RequestRefused):
    """The range lies outside the artifact."""

    code = "range_not_satisfiable"
    title = "The range lies outside the file"
    status = 416


class IdempotencyConflict(RequestRefused):
    """The idempotency key was used with another request."""

    code = "idempotency_conflict"
    title = "The idempotency key was used for another request"
    status = 409


class StudyInUse(RequestRefused):
    """A job that has not ended needs the study."""

    code = "study_in_use"
    title = "A running job needs this study"
    status = 409


class UnknownDestination(RequestRefused):
    """The site file names no such destination."""

    code = "unknown_destination"
    title = "There is no such destination"
    status = 422


class NothingToDeliver(RequestRefused):
    """Destinations take DICOM objects, and a study that is not DICOM gives none."""

    code = "nothing_to_deliver"
    title = "There will be no DICOM objects to deliver"
    status = 422


class DeliveryUnfinished(RequestRefused):
    """A result of the study has not arrived everywhere."""

    code = "delivery_unfinished"
    title = "A result has not been delivered yet"
    status = 409


class IllegalTransition(RequestRefused):
    """The job's state does not allow the event."""

    code = "illegal_transition"
    title = "The job's state does not allow this"
    status = 409


class ProcessingFailed(MsDeltaError):
    """The work on the images failed."""

    code = "processing_failed"
    title = "The processing failed"
    status = 500


class RegistrationFailed(ProcessingFailed):
    """The images could not be aligned."""

    code = "registration_failed"
    title = "The images could not be aligned"


class BrainNotFound(ProcessingFailed):
    """No brain was found in the image."""

    code = "brain_not_found"
    title = "No brain was found in the image"


class ResultInconsistent(ProcessingFailed):
    """A written result differs from the value in memory."""

    code = "result_inconsistent"
    title = "A written result did not pass its check"


class JobCancelled(ProcessingFailed):
    """The job was cancelled by its owner."""

    code = "job_cancelled"
    title = "The job was cancelled"


class LeaseLost(ProcessingFailed):
    """Another worker took the job over."""

    code = "lease_lost"
    title = "Another worker took the job over"
    retryable = True


class WorkerLost(ProcessingFailed):
    """The workers of this job died too often."""

    code = "worker_lost"
    title = "The worker was lost too often"
    retryable = True


class InternalError(ProcessingFailed):
    """A fault of the program; the log holds the trace under the same request or job id."""

    code = "internal_error"
    title = "An internal error occurred"


class DeliveryFailed(MsDeltaError):
    """A receiver did not take what it was sent; `retryable`: the next attempt may succeed without a person's help."""

    code = "delivery_failed"
    title = "The receiver did not take the result"
    status = 502


class ReceiverUnreachable(DeliveryFailed):
    """No connection: refused, no route, or the name does not resolve."""

    code = "receiver_unreachable"
    title = "The receiver cannot be reached"
    retryable = True


class ReceiverTimedOut(DeliveryFailed):
    """The receiver was silent for too long."""

    code = "receiver_timed_out"
    title = "The receiver did not answer in time"
    retryable = True


class ReceiverBusy(DeliveryFailed):
    """The receiver says that it cannot now: HTTP 408, 425, 429, 5xx; status A7xx; a passing association rejection."""

    code = "receiver_busy"
    title = "The receiver cannot take anything now"
    retryable = True


class AssociationAborted(DeliveryFailed):
    """The receiver broke the association off."""

    code = "association_aborted"
    title = "The receiver broke the association off"
    retryable = True


class ObjectNotUnderstood(DeliveryFailed):
    """Status Cxxx or 0110: vendors put their own passing troubles there (a locked database), so it is tried again."""

    code = "object_not_understood"
    title = "The receiver could not process an object"
    retryable = True


class DeliveryUnproven(DeliveryFailed):
    """The receiver answered, but did not say of every object that it is stored."""

    code = "delivery_unproven"
    title = "The receiver did not confirm every object"
    retryable = True


class ResultMissing(DeliveryFailed):
    """The files of the result are not there; the data folder may not be mounted."""

    code = "result_missing"
    title = "The files of the result cannot be found"
    retryable = True


class SiteMisconfigured(DeliveryFailed):
    """The site file or a secret is at fault; nothing was sent, so it is tried again until somebody has mended it."""

    code = "site_misconfigured"
    title = "The site file or a secret is at fault"
    retryable = True


class CredentialsRefused(DeliveryFailed):
    """HTTP 401 or 403. Not tried again: a hundred wrong logins lock an account, and only a person can mend them."""

    code = "credentials_refused"
    title = "The receiver does not accept the credentials"


class ReceiverNotTrusted(DeliveryFailed):
    """The receiver's TLS certificate is not signed by who we trust."""

    code = "receiver_not_trusted"
    title = "The receiver's certificate is not trusted"


class ReceiverRefused(DeliveryFailed):
    """The receiver does not take such requests: HTTP 4xx, or it sends us elsewhere."""

    code = "receiver_refused"
    title = "The receiver refused the request"


class AssociationRejected(DeliveryFailed):
    """The receiver rejected the association for good: it does not know one of the application entity titles."""

    code = "association_rejected"
    title = "The receiver rejected the association"


class SopClassNotAccepted(DeliveryFailed):
    """The receiver accepts no presentation context for an object's SOP class and transfer syntax."""

    code = "sop_class_not_accepted"
    title = "The receiver does not take objects of this class"


class ObjectRefused(DeliveryFailed):
    """The receiver refused an object: status A9xx (does not match its SOP class), 0122, 0124 and the like."""

    code = "object_refused"
    title = "The receiver refused an object"


class DependencyUnavailable(MsDeltaError):
    """Broker, job store or blob store does not answer."""

    code = "dependency_unavailable"
    title = "A part of the service does not answer"
    status = 503
    retryable = True


def errors_by_code() -> dict[str, type[MsDeltaError]]:
    """Every error class of the tree by its code."""
    found: dict[str, type[MsDeltaError]] = {}
    pending: list[type[MsDeltaError]] = [MsDeltaError]
    while pending:
        error = pending.pop()
        found.setdefault(error.code, error)
        pending.extend(error.__subclasses__())
    return found


class PacsUnavailable(DependencyUnavailable):
    """The PACS does not answer, or not yet."""

    code = "pacs_unavailable"
    title = "The PACS does not answer"
