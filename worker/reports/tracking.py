"""What tells runs apart, and the UID that a lesion is tracked by: one function for every result that names lesions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from pydicom.uid import UID, generate_uid


class Run(Protocol):
    """A report, or what it is made of."""

    @property
    def job_id(self) -> str | None:
        """None: on the command line."""

    @property
    def created(self) -> datetime:
        """When the report was made."""


def case_of(run: Run) -> str:
    """What tells this run's results from those of another: the job, or on the command line the time."""
    return run.job_id or run.created.isoformat()


def tracking_uid(case: str, weights: Sequence[str], name: str) -> UID:
    """The same UID for the same case, weights and name.

    Args:
        case: what tells one run from another (`case_of`).
        weights: digests of the network that found the lesion.
        name: of the lesion within the case.
    """
    return generate_uid(entropy_srcs=[case, *weights, name])
