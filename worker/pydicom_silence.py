"""Keeps pydicom from quoting header values, which may name the patient, in warnings and logs."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from pydicom import config


@contextmanager
def no_header_text() -> Iterator[None]:
    """While it lasts, pydicom neither warns nor logs; odd values are kept as they are. Also a decorator.

    Values are converted when they are first asked for, so this must span the use of a header, not only its reading.
    """
    logger = logging.getLogger("pydicom")
    level, validation = logger.level, config.settings.reading_validation_mode
    logger.setLevel(logging.CRITICAL + 1)
    config.settings.reading_validation_mode = config.IGNORE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
        config.settings.reading_validation_mode = validation
