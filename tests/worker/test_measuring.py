"""The whole way with a reader who makes no mistake: what remains are the errors of registration and measuring."""

from pathlib import Path

import numpy as np
import pytest

from model.grid import Grid
from model.phantom import PhantomPair, make_phantom_pair
from model.resampling import labels_onto_grid
from model.volume import Affine, Volume
from service.contracts.measures import LesionRegion
from service.contracts.options import CompareOptions
from service.contracts.report import CHANGE_LABELS, LesionStatus, Report
from tests.fixtures.compare_command import near
from worker import pipeline
from worker.case import NetworkInput, Prediction
from worker.nifti_reader import read_nifti
from worker.outcome import CaseRequest
from worker.phantom_files import write_pair
from worker.pipeline import run_case
from worker.pipeline_tools import load_tools

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pair() -> PhantomPair:
    return make_phantom_pair()


@pytest.fixture(scope="module")
def read_without_mistake(pair: PhantomPair, tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path]:
    """The report, with the true lesions in the place of the network's, carried by the transforms that were found."""
    folder = tmp_path_factory.mktemp("measuring")
    write_pair(pair, folder, kind="nifti")

    def truth(prepared: NetworkInput, **_: object) -> Prediction:
        assert prepared.baseline_from_grid is not None

        def carried(ids: Volume, flair_from_grid: Affine) -> np.ndarray:
            grid_from_flair = np.linalg.inv(flair_from_grid)
            on_grid = labels_onto_grid(ids.array, Grid.of(ids), prepared.grid, target_from_grid=grid_from_flair)
            return (on_grid > 0).astype(np.float32)

        return Prediction(
            baseline=carried(pair.baseline.lesion_ids, prepared.baseline_from_grid),
            follow_up=carried(pair.follow_up.lesion_ids, prepared.follow_up_from_grid),
        )

    request = CaseRequest(
        baseline=folder / "baseline", follow_up=folder / "follow_up", out=folder / "out", options=CompareOptions()
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "predict", truth)
        report = run_case(request, tools=load_tools(device="cpu"), progress=lambda *_: None)
    return report, folder / "out"


def test_every_lesion_has_its_true_status_and_volume(
    pair: PhantomPair, read_without_mistake: tuple[Report, Path]
) -> None:
    report, _ = read_without_mistake

    found = {lesion.id: near(report, lesion.follow_up_centroid_mm, distance_mm=2.0) for lesion in pair.truth.lesions}

    assert len(report.lesions) == len(pair.truth.lesions)
    assert {number: row.status if row else None for number, row in found.items()} == {
        lesion.id: LesionStatus(lesion.status) for lesion in pair.truth.lesions
    }
    for lesion in pair.truth.lesions:
        row = found[lesion.id]
        assert row is not None
        for true, measured in (
            (lesion.baseline_volume_mm3, row.baseline_volume_mm3),
            (lesion.follow_up_volume_mm3, row.follow_up_volume_mm3),
        ):
            assert measured == pytest.approx(true, rel=0.2 if true > 100 else 0.35)


PLACES_BY_DISTANCE = {
    1: LesionRegion.PERIVENTRICULAR,
    2: LesionRegion.JUXTACORTICAL,
    3: LesionRegion.PERIVENTRICULAR,
    4: LesionRegion.PERIVENTRICULAR,
    5: LesionRegion.PERIVENTRICULAR,
    6: LesionRegion.DEEP_WHITE_MATTER,
    8: LesionRegion.INFRATENTORIAL,
    9: LesionRegion.PERIVENTRICULAR,
    10: LesionRegion.INFRATENTORIAL,
    11: LesionRegion.DEEP_WHITE_MATTER,
    12: LesionRegion.DEEP_WHITE_MATTER,
}
"""From the head's own tissue, not from the plan: lesion 5 comes within 2.2 mm of a ventricle. Lesion 7 is left out:
grey matter 1 mm away is not told at the network's 2 mm."""


def test_every_lesion_lies_in_its_region(pair: PhantomPair, read_without_mistake: tuple[Report, Path]) -> None:
    report, _ = read_without_mistake

    found = {lesion.id: near(report, lesion.follow_up_centroid_mm, distance_mm=2.0) for lesion in pair.truth.lesions}

    assert {number: row.region for number, row in found.items() if row and number != 7} == PLACES_BY_DISTANCE
    assert sum(row.lesions for row in report.regions) == len(report.lesions)
    assert sum(row.follow_up_volume_ml for row in report.regions) == pytest.approx(report.volumes_ml.follow_up)


def test_what_comes_gets_brighter_what_goes_darker_and_all_of_it_is_certain(
    read_without_mistake: tuple[Report, Path],
) -> None:
    report, _ = read_without_mistake

    for row in report.lesions:
        assert row.certainty == 1.0
        assert row.flair_change_sd is not None
        if row.status in {LesionStatus.NEW, LesionStatus.RESOLVED}:
            assert (row.flair_change_sd > 3) == (row.status is LesionStatus.NEW)
            assert (row.flair_change_sd < -3) == (row.status is LesionStatus.RESOLVED)


def test_volumes_have_intervals_and_the_rules_are_printed(read_without_mistake: tuple[Report, Path]) -> None:
    report, _ = read_without_mistake

    for row in report.lesions:
        if row.follow_up_volume_mm3 > 0:
            assert row.follow_up_interval_mm3 is not None
            assert row.follow_up_interval_mm3[0] < row.follow_up_volume_mm3 < row.follow_up_interval_mm3[1]
        assert (row.baseline_interval_mm3 is None) == (row.status is LesionStatus.NEW)
    change = report.volume_intervals_ml.change
    assert change is not None
    assert change[0] < report.volumes_ml.follow_up - (report.volumes_ml.baseline or 0.0) < change[1]
    assert report.rules is not None
    assert (report.rules.version, report.rules.profile) == (report.versions.measurement_rules, "default")


def test_the_change_map_shows_each_lesion_in_the_colour_of_its_status(
    pair: PhantomPair, read_without_mistake: tuple[Report, Path]
) -> None:
    _, out = read_without_mistake
    change = read_nifti(out / "change.nii.gz")
    flair_from_world = np.linalg.inv(change.affine)

    for lesion in pair.truth.lesions:
        at = np.rint(flair_from_world @ [*lesion.follow_up_centroid_mm, 1.0])[:3].astype(int)
        around = change.array[tuple(slice(max(0, n - 1), n + 2) for n in at)]
        assert set(np.unique(around)) - {0} == {CHANGE_LABELS[LesionStatus(lesion.status)]}
