"""Keeps pydicom from quoting header values, which may name the patient, in warnings and logs."""

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from pydicom import config

_LOCK = threading.Lock()
_INSIDE: list[ExitStack] = []
"""One entry per block that is open in any thread; the first one holds what the last one restores."""


@contextmanager
def no_header_text() -> Iterator[None]:
    """While it lasts, pydicom neither warns nor logs; odd values are kept as they are. Also a decorator.

    Values are converted when they are first asked for, so this must span the use of a header, not only its reading.
    Blocks may overlap in several threads: the first to open silences, the last to close restores.
    """
    with _LOCK:
        _INSIDE.append(_INSIDE[0] if _INSIDE else _silence())
    try:
        yield
    finally:
        with _LOCK:
            stack = _INSIDE.pop()
            if not _INSIDE:
                stack.close()


def _silence() -> ExitStack:
    stack = ExitStack()
    logger = logging.getLogger("pydicom")
    stack.callback(logger.setLevel, logger.level)
    stack.callback(setattr, config.settings, "reading_validation_mode", config.settings.reading_validation_mode)
    stack.enter_context(warnings.catch_warnings())
    warnings.simplefilter("ignore")
    logger.setLevel(logging.CRITICAL + 1)
    config.settings.reading_validation_mode = config.IGNORE
    return stack
