from dataclasses import fields, replace

import numpy as np
import pytest

from model.anatomy import Tissue
from model.deformation import Placement, still
from model.mimics import Mimics, Tubes, draw_mimics, mimic_layers, of_visit
from model.patch_anatomy import PatchAnatomy, grown_by_one, seen_anatomy
from model.synthesis import draw_patient, make_sample
from tests.fixtures.round_heads import round_heads

SHAPE = (64, 64, 64)
STRAIGHT = Placement(matrix=np.eye(3), offset=np.zeros(3), shape=SHAPE)


@pytest.fixture(scope="module")
def seen() -> PatchAnatomy:
    return seen_anatomy(round_heads().anatomies[0], STRAIGHT)


@pytest.fixture(scope="module")
def none(seen: PatchAnatomy) -> Mimics:
    drawn = draw_mimics(seen, np.random.default_rng(0))
    strengths = {f.name: 0.0 for f in fields(drawn) if isinstance(getattr(drawn, f.name), float)}
    return replace(drawn, **strengths, tubes=())


def test_without_mimics_nothing_is_added(seen: PatchAnatomy, none: Mimics):
    for layer in mimic_layers(seen, none, None):
        assert not layer.any()


@pytest.mark.parametrize(
    ("name", "where"),
    [("cortex", (Tissue.GREY,)), ("dirty", (Tissue.WHITE,)), ("flow", (Tissue.CSF, Tissue.VENTRICLE))],
)
def test_each_mimic_is_bright_on_flair_in_its_tissue(
    seen: PatchAnatomy, none: Mimics, name: str, where: tuple[int, ...]
):
    t1, flair = mimic_layers(seen, replace(none, **{name: 1.0}), None)
    near = grown_by_one(np.isin(seen.tissue, where))  # the edge is soft
    assert not t1.any()
    assert flair[near].sum() > 0.9 * flair.sum() > 0


def test_bands_and_caps_line_the_ventricle(seen: PatchAnatomy, none: Mimics):
    for name in ("band", "caps"):
        _, flair = mimic_layers(seen, replace(none, band_mm=1.5, **{name: 0.3}), None)
        assert flair[seen.ventricle_mm < 6].sum() > 0.99 * flair.sum() > 0


def test_the_surface_is_lit_on_both_channels(seen: PatchAnatomy, none: Mimics):
    for layer in mimic_layers(seen, replace(none, surface=0.5), None):
        assert layer[np.abs(seen.surface_mm) < 4].sum() > 0.99 * layer.sum() > 0


def test_a_tube_is_drawn_along_its_course_and_moves_with_the_visit(seen: PatchAnatomy, none: Mimics):
    points = np.array([[30, 30, z] for z in range(20, 40)], np.float32)
    mimics = replace(none, tubes=(Tubes(points=points, t1=-0.4, flair=0.5),))
    motion = still(SHAPE)
    motion = replace(motion, nodes=motion.nodes + np.array([2, 0, 0], np.float32)[:, None, None, None])
    for dense, row in ((None, 30), (motion.dense(), 28)):
        t1, flair = mimic_layers(seen, mimics, dense)
        assert np.unravel_index(flair.argmax(), SHAPE)[:2] == (row, 30)
        assert t1.min() < -0.2
        assert flair[row, 30, 45] == 0


def test_two_visits_of_one_patient_do_not_show_the_same_mimics(seen: PatchAnatomy):
    mimics = draw_mimics(seen, np.random.default_rng(2))
    first, second = (of_visit(mimics, np.random.default_rng(seed)) for seed in (0, 1))
    layers = [mimic_layers(seen, one, None)[1] for one in (first, second)]
    assert np.abs(layers[0] - layers[1]).max() > 0.05
    assert first.seed == second.seed


def test_mimics_are_not_in_the_target(monkeypatch: pytest.MonkeyPatch):
    """Samples with the same lesions and mimics ten times as strong have the same targets."""
    pool, patch = round_heads(), (40, 48, 40)
    usual = [make_sample(pool, seed, patch) for seed in range(4)]

    def loud(seen: PatchAnatomy, mimics: Mimics, dense: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        t1, flair = mimic_layers(seen, mimics, dense)
        return 10 * t1, 10 * flair

    monkeypatch.setattr("model.synthesis.mimic_layers", loud)
    louder = [make_sample(pool, seed, patch) for seed in range(4)]
    assert any(not np.array_equal(a.current, b.current) for a, b in zip(usual, louder, strict=True))
    for a, b in zip(usual, louder, strict=True):
        assert np.array_equal(a.target, b.target)
        assert np.array_equal(a.prior_target, b.prior_target)


def test_a_patient_has_mimics_of_several_kinds():
    patient = draw_patient(round_heads(), (40, 48, 40), np.random.default_rng(1), changing=True)
    strengths = [getattr(patient.mimics, name) for name in ("band", "caps", "cortex", "surface", "flow", "dirty")]
    assert sum(strength > 0 for strength in strengths) >= 2
