"""Silence holds while any thread needs it, and ends after."""

import logging
import warnings

import pytest
from pydicom import config
from pydicom.dataset import Dataset

from service.contracts.pydicom_silence import no_header_text


def provoke() -> None:
    dataset = Dataset()
    dataset.PatientBirthDate = "CANARY"


def test_pydicom_quotes_values_without_it():
    with pytest.warns(UserWarning, match="CANARY"):
        provoke()


def test_nothing_is_warned_or_logged_inside(caplog):
    with warnings.catch_warnings(record=True) as caught, no_header_text():
        provoke()
    assert not caught
    assert not caplog.text


def test_the_first_block_to_close_leaves_another_silent(caplog):
    before = (logging.getLogger("pydicom").level, config.settings.reading_validation_mode)
    first, second = no_header_text(), no_header_text()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    provoke()
    second.__exit__(None, None, None)
    assert not caplog.text
    assert (logging.getLogger("pydicom").level, config.settings.reading_validation_mode) == before


def test_an_error_passes_and_ends_the_silence():
    def fail():
        raise KeyError("x")

    with pytest.raises(KeyError), no_header_text():
        fail()
    with pytest.warns(UserWarning, match="CANARY"):
        provoke()
