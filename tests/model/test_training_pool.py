"""What is left out of the synthetic pool, and the pairs that are painted of it alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.checkpoint import Preprocessing, load
from model.held_out_pairs import real_pair, write_held_out_pairs
from model.labelled_folder import read_labelled_folder
from model.prepared_patients import prepare_patients
from model.train import train
from model.training_pool import check_pool, held_out_pool, load_pool, pool_patients
from model.training_settings import TrainingSettings
from tests.fixtures.synthetic_pool import LESIONS, write_pool
from tests.fixtures.tiny_unet import TINY


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pool(tmp_path_factory.mktemp("pool_data"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pool_cache")


def test_a_patient_who_is_held_out_leaves_with_image_and_lesions(data: Path, cache: Path) -> None:
    whole, left = (load_pool(data, cache, hold_out=names) for names in ((), ("patient19",)))

    assert {one.name for one in whole.anatomies} - {one.name for one in left.anatomies} == {"patient19"}
    assert len(whole.patterns) == 3
    assert [pattern[LESIONS["patient19"]] for pattern in left.patterns] == [False, False]


def test_the_pool_of_a_patient_is_what_the_others_lack(data: Path, cache: Path) -> None:
    pool = held_out_pool(data, cache, "patient19")

    assert [one.name for one in pool.anatomies] == ["patient19"]
    assert [pattern[LESIONS["patient19"]] for pattern in pool.patterns] == [True]


def test_painted_pairs_are_a_labelled_folder(data: Path, cache: Path, tmp_path: Path) -> None:
    options = {"patient": "patient19", "pairs": 4, "size": (32, 32, 32)}
    folder = write_held_out_pairs(data, cache, tmp_path / "pairs", **options)

    patients = read_labelled_folder(folder)
    prepared = prepare_patients(patients, tmp_path / "prepared", Preprocessing(patch=(32, 32, 32)))

    assert [patient.name for patient in patients] == [*(f"pair{n:03d}" for n in range(4)), "patient19"]
    assert [len(patient.scans) for patient in patients] == [2] * 5
    brighter = [
        scan[1][mask == 1].mean() - scan[1][mask == 0].mean()
        for patient in prepared
        for scan, mask in zip(patient.scans, patient.lesions, strict=True)
        if mask.sum() > 20
    ]
    assert len(brighter) >= 4
    assert np.mean(brighter) > 0.3
    written = {path: path.stat().st_mtime_ns for path in folder.rglob("*.nii.gz")}
    write_held_out_pairs(data, cache, tmp_path / "pairs", **options)
    assert {path: path.stat().st_mtime_ns for path in written} == written


def test_the_real_scan_is_the_whole_brain_with_its_own_lesion_beside_a_rescan(data: Path, cache: Path) -> None:
    anatomy = held_out_pool(data, cache, "patient19").anatomies[0]
    assert anatomy.lesions is not None

    pair = real_pair(anatomy)

    assert pair.target.sum() == (anatomy.lesions > 0).sum()
    assert np.array_equal(pair.target, pair.prior_target)
    inside = pair.current[1] != 0
    assert all(abs(channel[inside].mean()) < 0.05 and abs(channel[inside].std() - 1) < 0.05 for channel in pair.current)
    likeness = np.corrcoef(pair.current[1][inside], pair.prior[1][inside])[0, 1]
    assert 0.5 < likeness < 0.9999


def test_a_label_map_is_no_real_scan(data: Path, cache: Path) -> None:
    label_map = next(one for one in load_pool(data, cache).anatomies if one.t1 is None)
    with pytest.raises(ValueError, match="expected a real scan"):
        real_pair(label_map)


@pytest.mark.parametrize(
    ("hold_out", "message"), [(["patient02"], "saw 1 without"), (["patient07", "patient19"], "to stay")]
)
def test_who_cannot_be_left_out_is_refused(data: Path, hold_out: list[str], message: str) -> None:
    assert pool_patients(data) == set(LESIONS)
    with pytest.raises(ValueError, match=message):
        check_pool(data, hold_out)


def test_a_patient_without_image_cannot_be_scored_on(data: Path, cache: Path) -> None:
    with pytest.raises(ValueError, match="patient07, patient19"):
        held_out_pool(data, cache, "patient01")


def test_a_folder_that_is_no_pool_is_refused_with_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"synthseg_labels.*csim_lesions"):
        check_pool(tmp_path, [])


def test_a_network_is_trained_on_pairs_alone(
    data: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.train.plan", lambda *_: TINY)
    settings = TrainingSettings(
        out=tmp_path / "run", data=data, patch=(24, 24, 24), iterations=2, loaders=0, hold_out=("patient19",)
    )

    state = train(settings)
    again = train(replace(settings, out=tmp_path / "again"))

    for one, other in zip(state.network.parameters(), again.network.parameters(), strict=True):
        assert np.array_equal(one.detach().numpy(), other.detach().numpy())
    record = load(tmp_path / "run" / "difference-weighting.safetensors").card.record
    assert record == "adamw on synthetic pairs without patient19, 2 of 2 iterations, seed 1"
