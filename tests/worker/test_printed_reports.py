"""What the command line prints of a report."""

import io

from rich.console import Console

from tests.fixtures.measured_report import measured_report
from tests.fixtures.series_reports import small_report
from worker.commands.compare import print_report
from worker.commands.course import print_series

NUMBERS = {"counted_mm3": 27.5, "smallest_mm3": 6.0}
"""Sizes of a rule set that is not the default."""


def test_counts_name_the_sizes_of_the_report_s_rules():
    report = measured_report()
    console = Console(file=io.StringIO(), width=120)

    print_report(report.model_copy(update={"rules": report.rules.model_copy(update={"numbers": NUMBERS})}), console)

    printed = console.file.getvalue()
    assert "from 27.5 mm3" in printed
    assert "from 6 mm3" in printed


def test_counts_of_a_series_name_the_size_of_the_report_s_rules():
    report = small_report()
    console = Console(file=io.StringIO(), width=120)

    print_series(report.model_copy(update={"rules": report.rules.model_copy(update={"numbers": NUMBERS})}), console)

    assert "from 27.5 mm3" in console.file.getvalue()
