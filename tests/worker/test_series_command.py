"""`msdelta series` prints the decision and says by its exit status whether both series were found."""

import json
import shutil
from dataclasses import replace

import pytest
from pydicom.uid import generate_uid
from typer.testing import CliRunner

from service.contracts.input_errors import InvalidOption
from service.contracts.series_decision import SeriesDecision
from tests.fixtures.small_studies import (
    FLAIR_HEADER,
    T1_HEADER,
    edit,
    small_volume,
    write_dicom_study,
    write_nifti_study,
)
from worker.cli import cli
from worker.dicom_sequences import SIEMENS_FLAIR_3D
from worker.dicom_writer import write_mr_series
from worker.series_pairs import FITS_THE_OTHER
from worker.study_reader import StudyFolder, read_pair, read_study

AGAIN = generate_uid()
FLAIR_3D = replace(FLAIR_HEADER, sequence=SIEMENS_FLAIR_3D, series_number=8)


def run(*arguments):
    return CliRunner().invoke(cli, ["series", *map(str, arguments)], env={"COLUMNS": "200"})


@pytest.fixture
def pair(tmp_path):
    """A baseline with a 2D FLAIR, a follow-up with a 2D and a 3D one."""
    first, second = (write_dicom_study(tmp_path / name) for name in ("first", "second"))
    write_mr_series(small_volume(seed=5), second / "3d", header=FLAIR_3D)
    return first, second


def chosen(decision):
    return [{s.number: s.chosen_as for s in study.series if s.chosen_as} for study in decision.studies]


def test_a_single_study_and_a_pair_choose_as_reading_does(pair):
    first, second = pair
    alone = SeriesDecision.model_validate_json(run(second, "--json").stdout)
    together = SeriesDecision.model_validate_json(run(first, second, "--json").stdout)
    assert chosen(alone) == [{2: "T1", 8: "FLAIR"}]
    assert chosen(together) == [{2: "T1", 3: "FLAIR"}, {2: "T1", 3: "FLAIR"}]
    assert (read_study(second).flair.volume.array == small_volume(seed=5).array).all()
    before, after = read_pair(StudyFolder(folder=first), StudyFolder(folder=second))
    assert (after.flair.volume.array == small_volume(seed=1).array).all()
    assert after.flair.reasons[-1] == FITS_THE_OTHER
    assert FITS_THE_OTHER not in before.flair.reasons
    assert together.studies[1].series[1].flair.reasons == after.flair.reasons


def test_the_table_shows_every_series_with_its_verdicts(pair):
    found = run(*pair)
    assert found.exit_code == 0
    assert "echo too short for a FLAIR" in found.stdout
    assert "FLAIR alike to" in found.stdout
    assert found.stdout.rstrip().endswith("selected")


def test_a_missing_series_is_the_exit_status(pair):
    shutil.rmtree(pair[0] / "t1")
    found = run(*pair)
    assert found.exit_code == 1
    assert "missing_t1: baseline: saw 1 series" in found.stdout


def test_series_that_nothing_tells_apart_are_ambiguous(pair):
    for path in write_mr_series(small_volume(seed=6), pair[1] / "again", header=FLAIR_3D):
        edit(path, SeriesInstanceUID=AGAIN, SOPInstanceUID=generate_uid())
    decision = json.loads(run(pair[1], "--json").stdout)
    assert decision["outcome"] == "ambiguous"
    assert [s["chosen_as"] for s in decision["studies"][0]["series"]] == [None] * 4


def test_rules_of_a_site_are_used_and_named(pair, tmp_path):
    rules = tmp_path / "site.yaml"
    rules.write_text('version: "site-7"\ngeometry: {volume: {points: -4}}\n')
    decision = SeriesDecision.model_validate_json(run(pair[1], "--rules", rules, "--json").stdout)
    assert chosen(decision) == [{2: "T1", 3: "FLAIR"}]
    assert decision.rules_version == "site-7"
    rules.write_text("geometri: {}")
    assert isinstance(run(pair[1], "--rules", rules).exception, InvalidOption)


def test_a_nifti_study_is_chosen_by_its_names_and_a_mixed_pair_apart(pair, tmp_path):
    nifti = write_nifti_study(tmp_path / "nifti")
    decision = SeriesDecision.model_validate_json(run(nifti, pair[1], "--json").stdout)
    assert [study.kind for study in decision.studies] == ["nifti", "dicom"]
    assert chosen(decision)[1] == {2: "T1", 8: "FLAIR"}
    assert decision.likeness == ()
    shutil.copy(nifti / "FLAIR.nii.gz", nifti / "other_FLAIR.nii.gz")
    assert json.loads(run(nifti, "--json").stdout)["outcome"] == "ambiguous"


def test_headers_alone_are_read(pair):
    for path in pair[0].rglob("*.dcm"):
        path.write_bytes(path.read_bytes()[:-200])  # the pixels of every image are cut short
    assert run(pair[0]).exit_code == 0
    assert T1_HEADER.series_number in chosen(SeriesDecision.model_validate_json(run(pair[0], "--json").stdout))[0]
