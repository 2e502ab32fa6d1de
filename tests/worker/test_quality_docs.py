"""The page on the gates names every code and the limits as they are."""

import re
from pathlib import Path

import pytest

from worker.quality_limits import LIMITS
from worker.quality_notes import DIFFERENCES
from worker.reports.series_summary import REASONS
from worker.series_drift import DRIFT

PAGE = (Path(__file__).parents[2] / "docs" / "quality-gates.md").read_text(encoding="utf-8")


def row(code: str) -> list[str]:
    (found,) = re.findall(rf"^\| `{code}` \|.*$", PAGE, flags=re.MULTILINE)
    return [cell.strip() for cell in found.strip("|").split("|")]


@pytest.mark.parametrize("limit", [*LIMITS.values(), DRIFT], ids=lambda limit: limit.name)
def test_the_page_shows_the_limits(limit):
    side = "below" if limit.good == "high" else "above"
    _, unit, amber, red, message, why = row(limit.name)
    assert (unit, amber) == (limit.unit, f"{side} {limit.amber:g}")
    assert red == ("" if limit.red is None else f"{side} {limit.red:g}")
    assert (message, why) == (limit.message, limit.why)


@pytest.mark.parametrize("code", DIFFERENCES)
def test_the_page_names_every_comparison(code):
    assert len(row(code)) == 4


@pytest.mark.parametrize(("code", "flag"), REASONS.items())
def test_the_page_names_every_reason_of_a_series(code, flag):
    assert row(code)[1] == flag
