"""The visits of a patient that are followed together: two and more, in the order of time."""

from collections.abc import Sequence
from datetime import date

from service.contracts.input_errors import VisitsOutOfOrder

MOST_VISITS = 30
"""More than a scan a year for a life with the disease; each costs a share of the worker's memory."""


def check_in_order(acquired: Sequence[date | None]) -> None:
    """Refuses visits that are not in the order of time; those without a date are taken in the order given.

    Two on one day are in order. The dates stay out of the message.

    Raises:
        VisitsOutOfOrder: names the first two visits that are not, counted from 1.
    """
    latest: tuple[int, date] | None = None
    for number, day in enumerate(acquired, start=1):
        if day is None:
            continue
        if latest is not None and day < latest[1]:
            raise VisitsOutOfOrder(
                f"visit {number} was acquired before visit {latest[0]}, expected visits in the order of time"
            )
        latest = number, day
