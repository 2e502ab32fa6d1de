"""What pynetdicom leaves behind must not fail the tests that come after."""

import gc
import warnings
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="module")
def _sockets_of_refused_connections() -> Iterator[None]:
    """It leaves the socket of a refused connection to the garbage collector, which warns."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
