"""What `msdelta course` refuses before it works."""

import pytest
from typer.testing import CliRunner

from service.contracts.input_errors import InvalidOption
from worker.cli import cli


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--acquired", "2020-01-01"), "acquired: expected none or 2"),
        (("--acquired", "2020-01-01", "--acquired", "spring"), "acquired: expected dates"),
        (("--crop", "half"), "crop: "),
        (("--threshold", "1"), "threshold: "),
        (("--missing-t1", "flair_only"), "missing_t1: "),
        (("--alignment", "stretched"), "alignment: "),
        (("--language", "fr"), "language: "),
    ],
)
def test_an_option_out_of_its_range_is_a_named_error(tmp_path, more, message):
    result = CliRunner().invoke(cli, ["course", str(tmp_path), str(tmp_path), "-o", str(tmp_path / "out"), *more])

    assert isinstance(result.exception, InvalidOption)
    assert result.exception.message.startswith(message)


def test_one_visit_is_not_followed(tmp_path):
    result = CliRunner().invoke(cli, ["course", str(tmp_path), "-o", str(tmp_path / "out")])

    assert result.exit_code == 2
    assert not (tmp_path / "out").exists()
