import numpy as np
import pytest

from model.lesion_fates import CONFLUENT, WHOLE, Fate, PaintedLesion, draw_lesions, shrunk

STRAIGHT = np.zeros(3)


def cubes(side: int, count: int = 3) -> np.ndarray:
    """Cubes of this side with a gap between them, eight times `count`."""
    mask = np.zeros((2 * (side + 2), 4 * (side + 2), count * (side + 2)), bool)
    for corner in np.ndindex(2, 4, count):
        a, b, c = (1 + k * (side + 2) for k in corner)
        mask[a : a + side, b : b + side, c : c + side] = True
    return mask


def drawn(mask: np.ndarray, *, changing: bool = True, seed: int = 4) -> tuple[PaintedLesion, ...]:
    return draw_lesions(mask, np.random.default_rng(seed), changing=changing)


def test_every_fate_occurs_and_has_the_volumes_that_it_states():
    lesions = drawn(cubes(4))
    assert {lesion.fate for lesion in lesions} == set(Fate)
    for lesion in lesions:
        earlier, later = int(lesion.earlier.sum()), int(lesion.later.sum())
        expected = {
            Fate.UNCHANGED: (64, 64),
            Fate.NEW: (0, 64),
            Fate.RESOLVED: (64, 0),
            Fate.GROWN: (round(64 * lesion.part), 64),
            Fate.SHRUNK: (64, round(64 * lesion.part)),
        }
        assert (earlier, later) == expected[lesion.fate]


def test_the_smaller_state_of_a_lesion_lies_inside_the_larger():
    for lesion in drawn(cubes(5)):
        inside = lesion.earlier & lesion.later
        assert np.array_equal(inside, lesion.earlier) or np.array_equal(inside, lesion.later)


def test_the_smallest_lesions_come_or_go_whole():
    lesions = drawn(cubes(2, count=4))
    assert all(lesion.later.size < WHOLE for lesion in lesions)
    assert {lesion.fate for lesion in lesions} == {Fate.UNCHANGED, Fate.NEW, Fate.RESOLVED}


def test_confluent_lesions_rarely_come_or_go():
    lesions = drawn(cubes(10))
    assert all(lesion.later.size >= CONFLUENT for lesion in lesions)
    assert sum(lesion.fate in {Fate.NEW, Fate.RESOLVED} for lesion in lesions) <= len(lesions) / 4


def test_without_change_every_lesion_is_the_same_at_both_visits():
    for lesion in drawn(cubes(4), changing=False):
        assert lesion.fate is Fate.UNCHANGED
        assert np.array_equal(lesion.earlier, lesion.later)


def test_looks_differ_from_lesion_to_lesion_within_the_stated_contrast():
    looks = [lesion.look for seed in range(3) for lesion in drawn(cubes(4), seed=seed)]
    assert all(1.15 <= look.flair <= 1.75 and 0.5 <= look.t1 <= 1.0 for look in looks)
    assert len({look.flair for look in looks}) > 20
    assert len({look.t1 for look in looks}) > 10


def test_lesions_are_as_bright_as_real_ones_in_most_patients_and_far_brighter_in_some():
    of_patients = [np.median([one.look.flair for one in drawn(cubes(4), seed=seed)]) for seed in range(60)]
    as_real = np.mean([1.15 <= level <= 1.5 for level in of_patients])
    far_brighter = np.mean([level >= 1.6 for level in of_patients])
    assert as_real >= 0.5
    assert far_brighter >= 0.1


def test_small_lesions_are_fainter_on_t1_than_large_ones_and_only_large_ones_have_dark_middles():
    looks = {side: [one.look for seed in range(9) for one in drawn(cubes(side), seed=seed)] for side in (2, 5)}
    assert np.mean([look.t1 for look in looks[2]]) > np.mean([look.t1 for look in looks[5]]) + 0.05
    assert {look.t1_core for look in looks[2]} == {0.0}
    assert {look.t1_core > 0 for look in looks[5]} == {True, False}


@pytest.mark.parametrize("part", [0.2, 0.5, 0.65])
def test_the_shrunk_lesion_is_its_deepest_part_with_exactly_the_asked_volume(part: float):
    lesion = np.ones((5, 5, 5), bool)
    core = shrunk(lesion, part, STRAIGHT)
    assert core.sum() == round(part * 125)
    assert core[2, 2, 2]
    assert not core[0, 0, 0]


def test_a_lesion_shrinks_towards_where_it_leans():
    core = shrunk(np.ones((5, 5, 9), bool), 0.3, np.array([0.0, 0.0, 1.0]))
    assert core[:, :, 5:].sum() > 3 * core[:, :, :4].sum()
