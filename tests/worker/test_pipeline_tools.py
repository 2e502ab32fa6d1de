"""Which weights the pipeline accepts."""

from pathlib import Path

import pytest

from model.calling import Thresholds
from model.checkpoint import Card, Preprocessing, load, save
from service.contracts.input_errors import BackendUnavailable, InvalidCheckpoint
from service.contracts.options import CompareOptions
from service.contracts.report_signature import KEY_FILE, key_of, make_key
from service.contracts.settings import Settings
from worker.pipeline_tools import load_tools, shipped_weights, tools_of


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({"spacing_mm": (0.7, 0.7, 3.0)}, "0.7 x 0.7 x 3 mm"),
        ({"skull_stripped": False}, "whole heads"),
        ({"mask_for_norm": (True, False)}, "over the whole image"),
        ({"transpose": (1, 0, 2)}, "transposed"),
    ],
)
def test_weights_for_other_images_than_the_pipeline_makes_are_refused(
    tmp_path: Path, changes: dict[str, object], seen: str
) -> None:
    shipped = load(shipped_weights())
    other = Preprocessing.model_validate(shipped.preprocessing.model_dump() | changes)
    save(tmp_path / "other.safetensors", shipped.network, other, Card(name="other"))

    with pytest.raises(InvalidCheckpoint, match=seen):
        load_tools(weights=tmp_path / "other.safetensors", device="cpu")


@pytest.mark.parametrize(
    ("options", "voxel", "lesion"),
    [({}, 0.4, 0.9), ({"threshold": 0.3}, 0.3, 0.9), ({"lesion_threshold": 0.0}, 0.4, 0.0)],
)
def test_the_cards_thresholds_stand_where_the_options_say_nothing(
    tmp_path: Path, options: dict[str, float], voxel: float, lesion: float
) -> None:
    shipped = load(shipped_weights())
    card = Card(name="made", threshold=0.4, lesion_threshold=0.9)
    save(tmp_path / "made.safetensors", shipped.network, shipped.preprocessing, card)

    ensemble = load_tools(weights=tmp_path / "made.safetensors", device="cpu").ensemble

    assert ensemble.thresholds(CompareOptions(**options)) == Thresholds(voxel=voxel, lesion=lesion)


def test_what_is_no_checkpoint_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "weights.safetensors").write_bytes(b"not weights")

    for path in (tmp_path / "weights.safetensors", tmp_path / "none", tmp_path):
        with pytest.raises(InvalidCheckpoint):
            load_tools(weights=path, device="cpu")


def test_the_settings_name_the_rules_and_the_key_of_the_reports(tmp_path: Path) -> None:
    make_key(tmp_path / KEY_FILE)
    measurement_rules = tmp_path / "rules.yaml"
    measurement_rules.write_text("set: our trial\n", encoding="utf-8")
    settings = Settings(data_folder=tmp_path, device="cpu", measurement_rules=measurement_rules)

    tools = tools_of(settings)

    assert tools.signing_key == key_of(settings) is not None
    assert tools.measurement_rules.profile("default").set == "our trial"


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)

    with pytest.raises(BackendUnavailable):
        load_tools(device="cuda")
