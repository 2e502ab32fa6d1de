"""Why a receiver has not taken a result: the branch `DeliveryFailed` of the tree in `errors.py`."""

from service.contracts.errors import MsDeltaError


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
