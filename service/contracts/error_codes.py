"""The whole tree of errors by code: importing this loads every branch."""

from service.contracts import delivery_errors, input_errors  # noqa: F401 (their classes join the tree)
from service.contracts.errors import MsDeltaError


def errors_by_code() -> dict[str, type[MsDeltaError]]:
    """Every error class of the tree by its code."""
    found: dict[str, type[MsDeltaError]] = {}
    pending: list[type[MsDeltaError]] = [MsDeltaError]
    while pending:
        error = pending.pop()
        found.setdefault(error.code, error)
        pending.extend(error.__subclasses__())
    return found
