"""Options of a comparison on their way from the command line."""

import pytest
from typer.testing import CliRunner

from service.contracts.options import CompareOptions
from worker.cli import cli

OF_BOTH = {
    "probabilities": True,
    "mirroring": True,
    "threshold": 0.4,
    "lesion_threshold": 0.7,
    "mask_only_changes": "keep",
    "rules_profile": "growth_20_percent",
    "certainty": False,
    "registration_backend": "flirt",
    "alignment": "affine",
    "common_space": "baseline",
    "prior_for_first": "self",
    "crop": "none",
    "language": "de",
}
"""None is the default."""
OF_A_PAIR = OF_BOTH | {"dicom_seg": "labelmap"}


def words(values):
    """As they are typed."""
    for name, value in values.items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            yield f"--{option}" if value else f"--no-{option}"
        else:
            yield from (f"--{option}", str(value))


@pytest.mark.parametrize(
    ("command", "run", "values"),
    [
        ("compare", "worker.commands.compare.compare_studies", OF_A_PAIR),
        ("course", "worker.commands.course.follow_visits", OF_BOTH),
    ],
)
def test_every_option_that_is_typed_is_asked_for(tmp_path, monkeypatch, command, run, values):
    asked = []
    monkeypatch.setattr(run, lambda _studies, _out, options, **_: asked.append(options))

    result = CliRunner().invoke(cli, [command, "a", "b", "-o", str(tmp_path), *words(values)])

    assert result.exit_code == 0, result.output
    assert asked[0].model_dump(include=set(values)) == values
    assert not set(values.items()) & set(CompareOptions().model_dump().items())


def test_what_is_not_typed_is_the_default(tmp_path, monkeypatch):
    asked = []
    for run in ("compare.compare_studies", "course.follow_visits"):
        monkeypatch.setattr(f"worker.commands.{run}", lambda _studies, _out, options, **_: asked.append(options))
    for command in ("compare", "course"):
        CliRunner().invoke(cli, [command, "a", "b", "-o", str(tmp_path)], catch_exceptions=False)
    assert asked == [CompareOptions(), CompareOptions()]
