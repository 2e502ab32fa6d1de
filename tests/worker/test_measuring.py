"""The whole way with a reader who makes no mistake: what remains are the errors of registration and measuring."""

from pathlib import Path

import numpy as np
import pytest

from model.grid import Grid
from model.phantom import PhantomPair, make_phantom_pair
from model.resampling import labels_onto_grid
from model.volume import Affine, Volume
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
