from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from model.deformation import Placement, displaced, still
from model.patch_anatomy import own_image, own_lesions, seen_anatomy
from model.synthesis import draw_patient, make_sample
from model.training_pool import TrainingPool
from tests.fixtures.round_heads import round_heads

PATCH = (40, 48, 40)
NO_MIMICS = {"band": 0.0, "caps": 0.0, "cortex": 0.0, "surface": 0.0, "septum": 0.0, "choroid": 0.0, "flow": 0.0}
NO_MIMICS |= {"dirty": 0.0, "grey": 0.5, "tubes": ()}


@pytest.fixture(scope="module")
def pool() -> TrainingPool:
    return round_heads()


def test_the_same_seed_gives_the_same_sample_and_another_seed_another(pool: TrainingPool):
    for seed in (5, 8):
        first, again, other = (make_sample(pool, n, PATCH) for n in (seed, seed, seed + 1))
        for name in ("current", "prior", "target", "prior_target"):
            assert np.array_equal(getattr(first, name), getattr(again, name))
        assert not np.array_equal(first.current, other.current)


def test_samples_of_many_seeds_hold_new_resolved_and_unchanged_lesion_voxels(pool: TrainingPool):
    samples = [make_sample(pool, seed, PATCH) for seed in range(12)]
    assert any((s.target & ~s.prior_target).any() for s in samples)
    assert any((s.prior_target & ~s.target).any() for s in samples)
    assert any((s.prior_target & s.target).any() for s in samples)


def test_in_some_samples_the_scan_is_its_own_prior_and_then_so_is_its_target(pool: TrainingPool):
    alone = [s for s in (make_sample(pool, seed, PATCH) for seed in range(40)) if np.array_equal(s.prior, s.current)]
    assert alone
    assert all(np.array_equal(s.target, s.prior_target) for s in alone)


def test_a_sample_is_finite_and_each_target_lies_where_its_own_scan_shows_something(pool: TrainingPool):
    for seed in range(10):
        sample = make_sample(pool, seed, PATCH)
        for scan, target in ((sample.current, sample.target), (sample.prior, sample.prior_target)):
            assert np.isfinite(scan).all()
            assert not target[scan[1] == 0].any()


def test_on_flair_the_lesions_of_each_target_are_brighter_than_what_surrounds_them(pool: TrainingPool):
    """Of either time point, on its own grid: the target and the image agree."""
    excess: dict[str, list[float]] = {"current": [], "prior": []}
    for seed in range(60, 90):
        sample = make_sample(pool, seed, PATCH)
        for name, scan, target in (
            ("current", sample.current[1], sample.target),
            ("prior", sample.prior[1], sample.prior_target),
        ):
            ring = ndimage.binary_dilation(target, iterations=3) & ~ndimage.binary_dilation(target) & (scan != 0)
            if target.sum() > 60 and ring.any():
                excess[name].append(float(np.median(scan[target]) - np.median(scan[ring])))
    for of_all in excess.values():
        assert len(of_all) > 10
        assert np.mean(np.array(of_all) > 0) > 0.9


def test_lesions_are_never_in_fluid(pool: TrainingPool):
    for seed in range(12):
        patient = draw_patient(pool, PATCH, np.random.default_rng(seed), changing=True)
        seen = seen_anatomy(patient.anatomy, patient.placement)
        fluid = np.isin(seen.tissue, (1, 5)) | (seen.tissue == 0) | (seen.tissue >= 10)
        for lesion in patient.lesions:
            box = tuple(slice(a, a + n) for a, n in zip(lesion.start, lesion.later.shape, strict=True))
            for state in (lesion.earlier, lesion.later):
                assert not (fluid[box] & state).any()


def test_a_scan_that_keeps_its_own_lesions_marks_them_up_to_the_border_of_the_patch(pool: TrainingPool):
    """The scan's lesion is 1.5 on FLAIR, its grey matter 1.2."""
    real = replace(pool, anatomies=pool.anatomies[1:], patterns=(np.zeros((64, 64, 64), bool),))
    kept = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        patient = draw_patient(real, (24, 24, 24), rng, changing=True)
        if not patient.as_scanned:
            continue
        kept += 1
        moved = displaced(still((24, 24, 24)), rng, shift_mm=1.0, turn_deg=1.0)
        seen = seen_anatomy(patient.anatomy, patient.placement, moved)
        marked = own_lesions(seen, frozenset())
        assert patient.anatomy.flair is not None
        assert np.array_equal(marked, seen.frame.nearest(patient.anatomy.flair) > 1.4)
        assert not own_lesions(seen, frozenset({1})).any()
    assert kept > 3


def test_an_own_lesion_that_is_healed_at_one_visit_is_neither_marked_nor_bright_there(pool: TrainingPool):
    """The scan's one lesion is 1.5 on FLAIR, white matter 1, grey matter 1.2."""
    real = replace(pool, anatomies=pool.anatomies[1:], patterns=(np.zeros((64, 64, 64), bool),))
    drawn = [draw_patient(real, (24, 24, 24), np.random.default_rng(n), changing=True) for n in range(150)]
    sets = {patient.healed for patient in drawn if patient.as_scanned}
    nothing, it = frozenset(), frozenset({1})
    assert sets == {(nothing, nothing), (it, nothing), (nothing, it)}
    never = [draw_patient(real, (24, 24, 24), np.random.default_rng(n), changing=False) for n in range(60)]
    assert {patient.healed for patient in never} == {(nothing, nothing)}

    patient = next(one for one in drawn if one.healed == (nothing, it))
    seen = seen_anatomy(patient.anatomy, patient.placement)
    marked = own_lesions(seen, nothing)
    there, gone = (own_image(seen, 1, healed)[marked].max() for healed in patient.healed)
    assert there == pytest.approx(1.5, abs=0.02)
    assert gone < 1.25


def test_scans_are_z_scored_with_the_grey_matter_that_they_show(pool: TrainingPool, monkeypatch: pytest.MonkeyPatch):
    """Grey matter is a quarter of the round brain: 0.5 more, not accounted for, lifts the mean by 0.7 deviations."""
    patch = (64, 64, 64)
    straight = Placement(matrix=np.eye(3), offset=np.zeros(3), shape=patch)
    monkeypatch.setattr("model.synthesis.draw_placement", lambda *_: straight)
    monkeypatch.setattr("model.synthesis.draw_field_of_view", lambda shape, _: np.ones(shape, bool))
    monkeypatch.setattr("model.synthesis.place_lesions", lambda seen, *_: np.zeros(seen.tissue.shape, bool))
    monkeypatch.setattr("model.synthesis.of_visit", lambda mimics, _: replace(mimics, **NO_MIMICS))
    maps = replace(pool, anatomies=pool.anatomies[:1])
    brain = maps.anatomies[0].brain_distance < -8
    means = [make_sample(maps, seed, patch).current[1][brain].mean() for seed in range(12)]
    assert abs(np.mean(means)) < 0.2
