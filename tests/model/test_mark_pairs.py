"""What becomes of each place of a real pair of which readers marked change alone."""

import json
from pathlib import Path

import numpy as np
import pytest

from model.checkpoint import Preprocessing
from model.labelled_folder import read_labelled_folder
from model.mark_pairs import IGNORED, MarkedPair, marked_pair, write_marked_pair
from model.network import UNKNOWN
from model.prepared_patients import prepare_patients
from model.real_pairs import RealPair

SIZE = 72
NEW, GONE, BRIGHTER, UNCHANGED, STABLE, FAINT, BLIND = (
    (20, 20, 20), (20, 20, 52), (20, 52, 20), (20, 52, 52), (52, 20, 20), (52, 20, 52), (52, 52, 20),
)  # fmt: skip
"""Centres of balls: four that readers marked, a lesion of both visits, a doubtful one, one that is missed."""
LESION, FAINT_LESION = 3.0, 1.2


def ball(centre: tuple[int, int, int], radius: float = 3.0) -> np.ndarray:
    grid = np.indices((SIZE,) * 3)
    return np.asarray(sum((axis - at) ** 2 for axis, at in zip(grid, centre, strict=True)) <= radius**2)


def pair(*, field: float = 0.0, borrowed: bool = False) -> RealPair:
    """Plain tissue in a ball of a brain, lesions on FLAIR; `field` is how much brighter one end of the follow-up is."""
    brain = ball((36, 36, 36), 33)
    flair = np.zeros((2, SIZE, SIZE, SIZE), np.float32)
    for visit, centre, signal in (
        (1, NEW, LESION), (0, GONE, LESION), (0, BRIGHTER, 2.0), (1, BRIGHTER, LESION), (0, UNCHANGED, LESION),
        (1, UNCHANGED, LESION), (0, STABLE, LESION), (1, STABLE, LESION), (0, FAINT, FAINT_LESION),
        (1, FAINT, FAINT_LESION), (0, BLIND, LESION), (1, BLIND, LESION),
    ):  # fmt: skip
        flair[visit][ball(centre)] = signal
    flair[1] += np.linspace(-field, field, SIZE, dtype=np.float32)[:, None, None]
    flair += np.random.default_rng(0).normal(0, 0.05, (SIZE,) * 3).astype(np.float32)  # the same at both visits
    flair = np.where(brain, flair, 0).astype(np.float32)
    t1 = np.where(brain, np.linspace(-1, 1, SIZE, dtype=np.float32), 0).astype(np.float32)
    marked = ball(NEW) | ball(GONE) | ball(BRIGHTER) | ball(UNCHANGED)
    return RealPair(
        name="made",
        baseline=np.stack([t1, flair[0]]),
        follow_up=np.stack([t1, flair[1]]),
        change=marked,
        borrowed_t1=borrowed,
    )


def readings() -> tuple[np.ndarray, np.ndarray]:
    """The weights see the stable lesion surely, the faint one in doubt, the new one not at all."""
    seen = np.zeros((2, SIZE, SIZE, SIZE), np.float32)
    seen[:, ball(STABLE)] = 0.97
    seen[:, ball(FAINT)] = 0.6
    return seen[0], seen[1]


@pytest.fixture(scope="module")
def marks() -> MarkedPair:
    return marked_pair(pair(), readings())


def values(labels: np.ndarray, centre: tuple[int, int, int]) -> set[int]:
    """Labels of the middle of a ball: its rim is smoothed."""
    return set(np.unique(labels[ball(centre, 1.5)]).tolist())


@pytest.mark.parametrize(("centre", "baseline", "follow_up"), [(NEW, 0, 1), (GONE, 1, 0)])
def test_a_marked_change_is_a_lesion_of_the_brighter_visit_alone(
    marks: MarkedPair, centre: tuple[int, int, int], baseline: int, follow_up: int
) -> None:
    assert values(marks.baseline, centre) == {baseline}
    assert values(marks.follow_up, centre) == {follow_up}


def test_a_lesion_that_becomes_brighter_is_one_now_and_unknown_before(marks: MarkedPair) -> None:
    assert values(marks.follow_up, BRIGHTER) == {1}
    assert values(marks.baseline, BRIGHTER) == {UNKNOWN}


@pytest.mark.parametrize("centre", [UNCHANGED, FAINT, BLIND])
def test_what_images_and_weights_leave_open_is_unknown(marks: MarkedPair, centre: tuple[int, int, int]) -> None:
    assert values(marks.baseline, centre) == {UNKNOWN}
    assert values(marks.follow_up, centre) == {UNKNOWN}


def test_what_both_readings_are_sure_of_is_a_lesion_of_both(marks: MarkedPair) -> None:
    for labels in (marks.baseline, marks.follow_up):
        assert np.array_equal(labels[ball(STABLE)], np.ones(ball(STABLE).sum()))


def test_plain_tissue_is_no_lesion_and_the_border_of_a_mark_is_unknown(marks: MarkedPair) -> None:
    assert values(marks.baseline, (36, 36, 36)) == {0}
    beside = ball(NEW, 4.2) & ~ball(NEW, 3.2)
    beside &= np.abs(np.indices((SIZE,) * 3) - np.array(NEW)[:, None, None, None]).max(axis=0) <= 3
    assert set(np.unique(marks.follow_up[beside])) <= {UNKNOWN, 1}


def test_the_rim_of_a_change_is_unknown(marks: MarkedPair) -> None:
    """FLAIR is smoothed: at the ball's border it has half of the contrast, outside less."""
    lesion = marks.follow_up == 1
    inside = lesion & ball(NEW, 6.0)
    assert 0.6 * ball(NEW).sum() < inside.sum() <= ball(NEW).sum()
    rim = ball(NEW, 4.2) & ~ball(NEW, 3.4)
    assert set(np.unique(marks.follow_up[rim])) == {UNKNOWN}


def test_a_bias_field_of_one_visit_changes_nothing(marks: MarkedPair) -> None:
    tilted = marked_pair(pair(field=0.8), readings())
    for centre in (NEW, GONE, BRIGHTER, STABLE):
        assert values(tilted.baseline, centre) == values(marks.baseline, centre)
        assert values(tilted.follow_up, centre) == values(marks.follow_up, centre)


def test_swapping_the_visits_swaps_the_labels(marks: MarkedPair) -> None:
    made = pair()
    turned = RealPair(
        name="made", baseline=made.follow_up, follow_up=made.baseline, change=made.change, borrowed_t1=False
    )
    swapped = marked_pair(turned, readings()[::-1])
    assert np.array_equal(swapped.baseline, marks.follow_up)
    assert np.array_equal(swapped.follow_up, marks.baseline)


def test_a_written_pair_is_read_as_it_was_marked(marks: MarkedPair, tmp_path: Path) -> None:
    names = write_marked_pair(pair(borrowed=True), marks, tmp_path)
    (tmp_path / "patientsTr.json").write_text(json.dumps({"pair_made": names}))
    labels = {"background": 0, "lesion": 1, "ignore": IGNORED}
    (tmp_path / "dataset.json").write_text(json.dumps({"channel_names": {"0": "T1", "1": "FLAIR"}, "labels": labels}))

    (read,) = prepare_patients(read_labelled_folder(tmp_path), tmp_path / "cache", Preprocessing(patch=(16, 16, 16)))

    box = tuple(slice(a.min(), a.max() + 1) for a in np.nonzero(ball((36, 36, 36), 33)))
    assert np.array_equal(read.lesions[0], marks.baseline[box])
    assert np.array_equal(read.lesions[1], marks.follow_up[box])
    assert not np.allclose(read.scans[0][0], read.scans[1][0], atol=1e-3)  # the T1 that stands in for another
