"""Every refusal and failure the product names, in one tree.

MsDeltaError
 |- BadInput                 the caller's data or request; the same input fails again
 |   |- upload: TruncatedArchive ArchiveTooLarge UnsafeArchivePath EmptyStudy UploadTooLarge UnsupportedFile
 |   |          MixedPatients IncompleteUpload
 |   |- image:  NotAnImage NotThreeDimensional EmptyImage CorruptImage UnsupportedTransferSyntax
 |   |          UnsupportedMultiFrame MissingSlice DuplicateSlice InconsistentOrientation InconsistentFrameOfReference
 |   |          InconsistentImages ImageTooSmall UnusableScans
 |   |- study:  MissingT1 MissingFlair AmbiguousSeries DifferentPatients VisitsOutOfOrder
 |   |- report: UnsignedReport InvalidSignature
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

`BadInput` stands in `input_errors.py`, `DeliveryFailed` in `delivery_errors.py`; `error_codes.py` loads every branch.
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


class DependencyUnavailable(MsDeltaError):
    """Broker, job store or blob store does not answer."""

    code = "dependency_unavailable"
    title = "A part of the service does not answer"
    status = 503
    retryable = True


class PacsUnavailable(DependencyUnavailable):
    """The PACS does not answer, or not yet."""

    code = "pacs_unavailable"
    title = "The PACS does not answer"
