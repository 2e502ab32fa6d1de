"""Every pair of state and event."""

import itertools
import re

import pytest

from service.contracts import errors
from service.contracts.error_codes import errors_by_code
from service.contracts.errors import IllegalTransition
from service.contracts.jobs import ENDED, TRANSITIONS, JobEvent, JobState, advance


@pytest.mark.parametrize(("state", "event"), list(itertools.product(JobState, JobEvent)))
def test_every_pair_of_state_and_event_is_decided(state: JobState, event: JobEvent) -> None:
    if (state, event) in TRANSITIONS:
        assert advance(state, event) is TRANSITIONS[state, event]
    else:
        with pytest.raises(IllegalTransition, match=event.value):
            advance(state, event)


def test_nothing_leaves_an_ended_job() -> None:
    assert not [pair for pair in TRANSITIONS if pair[0] in ENDED]


def test_error_codes_are_stable_words() -> None:
    codes = errors_by_code()

    assert len(codes) > 40
    assert all(code == code.lower() and " " not in code for code in codes)


def test_the_tree_of_errors_shows_every_error() -> None:
    assert errors.__doc__ is not None
    assert {one.__name__ for one in errors_by_code().values()} <= set(re.findall(r"\w+", errors.__doc__))
