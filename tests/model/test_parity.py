"""Parity with the reference implementation, on fixtures that it made."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from model.longiseg import convert_longiseg
from model.sliding_window import WindowSettings, predict_asked

pytestmark = pytest.mark.shared_data


def no_progress(_: float) -> None:
    pass


@pytest.mark.parametrize("fixture", ["plain3", "concat3"])
@pytest.mark.parametrize("mirroring", ["plain", pytest.param("tta", marks=pytest.mark.slow)])
def test_logits_equal_the_references_for_every_pairing(
    shared_folder: Path, tmp_path: Path, fixture: str, mirroring: str
) -> None:
    folder = shared_folder / "parity" / fixture
    (model,) = convert_longiseg(folder / "model", tmp_path)
    expected = load_file(folder / "expected" / "tensors.safetensors")
    t0, t1 = expected["preprocessed_t0"], expected["preprocessed_t1"]
    axes = model.preprocessing.mirror_axes if mirroring == "tta" else ()
    window = WindowSettings(patch=model.preprocessing.patch, mirror_axes=axes)

    pairings = {"t0_given_t1": (0, 1), "t1_given_t0": (1, 0), "t0_given_t0": (0, 0)}
    maps = predict_asked(model.network, [t0, t1], list(pairings.values()), settings=window, progress=no_progress)

    for seen, pairing in zip(maps, pairings, strict=True):
        torch.testing.assert_close(seen, expected[f"logits_{pairing}_{mirroring}"], atol=1e-3, rtol=0)
