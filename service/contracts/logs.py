"""JSON lines on stderr that cannot carry a patient: only listed fields are written, foreign texts are dropped."""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog

from service.contracts.errors import MsDeltaError

ALLOWED_FIELDS = frozenset(
    {
        "event", "level", "timestamp", "job_id", "study_id", "attempt", "state", "stage", "code", "method", "route",
        "status", "duration_s", "bytes", "files", "request_id", "key_id", "worker", "error_type", "trace", "count",
        "pid", "port", "delivery_id", "destination", "kind", "signal", "arrival_id",
    }
)  # fmt: skip
"""Everything else is left out: a name cannot leak through a field that does not exist."""


def configure_logs(level: str = "INFO") -> None:
    """Sends our log, and warnings and errors of libraries (their type and place, not their text), to stderr."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            only_allowed_fields,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers = [LibraryHandler(level=logging.WARNING)]
    root.setLevel(logging.WARNING)


def get_logger() -> Any:
    """A logger for events with allowed fields."""
    return structlog.get_logger()


def only_allowed_fields(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The event without fields that are not listed."""
    return {name: value for name, value in event.items() if name in ALLOWED_FIELDS}


def describe(error: BaseException) -> dict[str, str]:
    """An exception without its text (which may quote input): code or type, and the places it passed."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{frame.filename.rsplit('/', 2)[-1]}:{frame.lineno} {frame.name}" for frame in frames[-8:]]
    described = {"error_type": type(error).__name__}
    if places:
        described["trace"] = " < ".join(reversed(places))
    if isinstance(error, MsDeltaError):
        described["code"] = error.code
    return described


def _error_of(record: logging.LogRecord) -> BaseException | None:
    """The exception that a record is about: its own, or one among the values of its text (as Celery does it)."""
    if record.exc_info and record.exc_info[1]:
        return record.exc_info[1]
    values = record.args if isinstance(record.args, tuple) else ()
    return next((value for value in values if isinstance(value, BaseException)), None)


class LibraryHandler(logging.Handler):
    """Records of libraries: logger, level and place; their text may quote data and is dropped."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one line about the record."""
        fields = {"trace": f"{record.name} {record.filename}:{record.lineno}"}
        if (error := _error_of(record)) is not None:
            fields |= describe(error)
        get_logger().log(record.levelno, "library", **fields)
