"""The ledger on digital phantoms: boxes of voxels, and smooth lesions of known volume, over one to four visits."""

from functools import partial
from itertools import pairwise

import numpy as np
import pytest

from model.changes import Masks, compare
from model.grid import RAS_AXES
from model.ledger import VisitMasks, make_ledger
from model.ledger_events import EventKind
from model.lesions import find_lesions
from model.overlaps import edges
from model.statuses import OPPOSITE, Status
from model.visit_chain import followed_pairs
from tests.fixtures.boxes import boxes_in, ras_grid

SHAPE = (30, 30, 30)
grid_of, boxes = partial(ras_grid, SHAPE), partial(boxes_in, SHAPE)


def ledger_of(*masks, grid=None, seen=None):
    return make_ledger(
        VisitMasks(
            masks=masks,
            probabilities=tuple(mask * np.float32(0.9 - 0.1 * n) for n, mask in enumerate(masks)),
            seen=seen or (np.ones(SHAPE, bool),) * len(masks),
            pairs=followed_pairs(tuple(range(len(masks)))),
            grid=grid or grid_of(),
        )
    )


def statuses(lesion):
    return {change.pair: change.status for change in lesion.changes}


def volumes(lesion):
    return [visit.volume_mm3 for visit in lesion.visits]


def noted(function, calls):
    """The function, which notes that it was called."""

    def noting(*args, **more):
        calls.append(args)
        return function(*args, **more)

    return noting


def sizes(analysis):
    return [(change.id, change.baseline_mm3, change.follow_up_mm3) for change in analysis.changes]


def events(lesion):
    return [(event.kind, event.visit) for event in lesion.events]


NOTHING = boxes()
CUBE = boxes(((10, 10, 10), (4, 4, 4)))
"""64 mm3."""
LARGE = boxes(((10, 10, 10), (4, 4, 6)))
"""96 mm3."""


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_lesion_that_stays_is_one_row_and_stable_between_every_two_visits(count):
    (lesion,) = ledger_of(*(CUBE,) * count).lesions
    assert (lesion.id, volumes(lesion), lesion.events) == (1, [64.0] * count, ())
    assert set(statuses(lesion).values()) <= {Status.STABLE}
    assert len(lesion.changes) == {1: 0, 2: 1, 3: 3, 4: 4}[count]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_empty_masks_give_an_empty_ledger(count):
    assert ledger_of(*(NOTHING,) * count).lesions == ()


@pytest.mark.parametrize("seed", range(6))
def test_two_visits_are_a_comparison(seed):
    first, second = random_masks(seed, 2)
    seen = np.ones(SHAPE, bool)
    seen[:, :, 26:] = False
    analysis = compare(
        Masks(
            baseline=first,
            follow_up=second,
            baseline_probability=first * np.float32(0.9),
            follow_up_probability=second * np.float32(0.8),
            seen_in_both=seen,
            grid=grid_of(),
        )
    )
    ledger = ledger_of(first, second, seen=(seen, seen))

    found = sorted((c.status, *volumes(row), row.visits[0].components) for row in ledger.lesions for c in row.changes)
    assert found == sorted((c.status, c.baseline_mm3, c.follow_up_mm3, c.baseline_components) for c in analysis.changes)
    assert len(ledger.lesions) == len(analysis.changes)


def test_lesions_and_overlaps_are_found_once_and_serve_the_graph_and_every_pair(monkeypatch):
    masks, found, joined = random_masks(1, 4), [], []
    by_itself = {(a, b): ledger_of(masks[a], masks[b]).analyses[0, 1] for a, b in ((0, 1), (1, 2), (2, 3), (0, 3))}
    monkeypatch.setattr("model.ledger.find_lesions", noted(find_lesions, found))
    monkeypatch.setattr("model.ledger_graph.edges", noted(edges, joined))

    ledger = ledger_of(*masks)

    assert (len(found), len(joined)) == (4, 6)
    for (first, second), analysis in ledger.analyses.items():
        assert (analysis.baseline, analysis.follow_up) == (ledger.maps[first], ledger.maps[second])
        assert sizes(analysis) == sizes(by_itself[first, second])


def test_growth_is_seen_from_first_to_last_that_no_step_shows():
    masks = [boxes(((10, 10, 10), (4, 4, depth))) for depth in (4, 5, 6, 7)]
    (lesion,) = ledger_of(*masks).lesions
    assert volumes(lesion) == [64.0, 80.0, 96.0, 112.0]
    assert statuses(lesion) == {
        (0, 1): Status.STABLE,
        (1, 2): Status.STABLE,
        (2, 3): Status.STABLE,
        (0, 3): Status.ENLARGING,
    }


@pytest.mark.parametrize("factor", [1, 2, 3, 5])
def test_a_growth_factor_is_measured_exactly(factor):
    masks = [boxes(((4, 4, 4), (4, 4, 4))), boxes(((4, 4, 4), (4, 4, 4 * factor))), boxes(((4, 4, 4), (4, 4, 4)))]
    (lesion,) = ledger_of(*masks).lesions
    assert volumes(lesion) == [64.0, 64.0 * factor, 64.0]
    expected = (Status.STABLE,) * 2 if factor == 1 else (Status.ENLARGING, Status.SHRINKING)
    assert (statuses(lesion)[0, 1], statuses(lesion)[1, 2]) == expected
    assert statuses(lesion)[0, 2] is Status.STABLE


@pytest.mark.parametrize("present", [(1, 0, 1), (1, 0, 1, 0), (0, 1, 0, 1), (1, 0, 0, 1), (1, 0, 1, 1)])
def test_a_lesion_that_goes_and_returns_keeps_its_number(present):
    (lesion,) = ledger_of(*(CUBE if there else NOTHING for there in present)).lesions
    assert volumes(lesion) == [64.0 * there for there in present]
    kinds = [kind for kind, _ in events(lesion)]
    assert kinds.count(EventKind.GONE) == sum(a > b for a, b in pairwise(present))
    assert kinds.count(EventKind.RETURNED) == 1
    assert kinds.count(EventKind.APPEARED) == 1 - present[0]


def test_lesions_that_merge_and_split_are_one_row_that_says_so():
    apart = boxes(((5, 5, 5), (4, 4, 4)), ((5, 5, 14), (4, 4, 4)))
    merged = boxes(((5, 5, 5), (4, 4, 13)))
    (lesion,) = ledger_of(apart, merged, apart).lesions
    assert [visit.components for visit in lesion.visits] == [2, 1, 2]
    assert [event for event in events(lesion) if event[0] in {EventKind.MERGED, EventKind.SPLIT}] == [
        (EventKind.MERGED, 1),
        (EventKind.SPLIT, 2),
    ]


def test_a_new_lesion_that_later_becomes_one_with_its_neighbour_stays_counted_as_new():
    old, beside = ((5, 5, 5), (4, 4, 4)), ((5, 5, 14), (4, 4, 4))
    (lesion,) = ledger_of(boxes(old), boxes(old, beside), boxes(((5, 5, 5), (4, 4, 13)))).lesions
    first = next(change for change in lesion.changes if change.pair == (0, 1))
    assert sorted(part.status for part in first.parts) == [Status.NEW, Status.STABLE]
    assert first.status is Status.ENLARGING
    assert (EventKind.NEW_PART, 1) in events(lesion)
    assert (EventKind.MERGED, 2) in events(lesion)


def test_confluent_growth_is_told_with_its_new_part():
    (lesion,) = ledger_of(CUBE, boxes(((10, 10, 10), (4, 4, 10))), boxes(((10, 10, 10), (4, 4, 10)))).lesions
    (part,) = lesion.changes[0].parts
    assert part.new_part_mm3 == 4 * 4 * 5
    assert events(lesion) == [(EventKind.CONFLUENT_GROWTH, 1)]


def test_a_translation_moves_every_centroid_and_changes_no_number():
    masks = random_masks(3, 4)
    here, there = ledger_of(*masks), ledger_of(*masks, grid=grid_of(origin=(-12.5, 40.0, 3.25)))
    assert len(here.lesions) > 3
    for a, b in zip(here.lesions, there.lesions, strict=True):
        assert (a.id, volumes(a), statuses(a), a.events) == (b.id, volumes(b), statuses(b), b.events)
        for one, other in zip(a.visits, b.visits, strict=True):
            if one.centroid_mm is not None:
                assert np.subtract(other.centroid_mm, one.centroid_mm) == pytest.approx((-12.5, 40.0, 3.25))


def test_a_lesion_that_moves_with_the_patient_has_its_centroid_at_each_visit():
    masks = [boxes(((10 + n, 10, 10), (6, 6, 6))) for n in range(3)]
    (lesion,) = ledger_of(*masks).lesions
    steps = [np.subtract(b.centroid_mm, a.centroid_mm) for a, b in pairwise(lesion.visits)]
    for step in steps:
        assert step == pytest.approx(RAS_AXES[:, 0])


def random_masks(seed, count):
    rng = np.random.default_rng(seed)

    def some(number):
        return boxes(*((rng.integers(0, 24, 3), rng.integers(1, 6, 3)) for _ in range(number)))

    common = some(5)
    return [common | some(5) for _ in range(count)]


@pytest.mark.parametrize("seed", range(6))
def test_reversing_the_visits_mirrors_every_row(seed):
    masks = random_masks(seed, 4)
    seen = [np.ones(SHAPE, bool) for _ in masks]
    seen[1][:, :, 25:] = False
    grid = grid_of((0.7, 0.9, 2.5))

    def facts(ledger, *, turned):
        rows = []
        for lesion in ledger.lesions:
            changes = {}
            for change in lesion.changes:
                pair = tuple(3 - n for n in change.pair[::-1]) if turned else change.pair
                turn = OPPOSITE if turned else {s: s for s in Status}
                parts = sorted(turn[part.status] for part in change.parts)
                changes[pair] = (turn[change.status], *parts)
            along = lesion.visits[::-1] if turned else lesion.visits
            rows.append(([(v.volume_mm3, v.components, v.covered) for v in along], sorted(changes.items())))
        return sorted(rows)

    forward = ledger_of(*masks, grid=grid, seen=tuple(seen))
    backward = ledger_of(*masks[::-1], grid=grid, seen=tuple(seen[::-1]))
    assert facts(forward, turned=False) == facts(backward, turned=True)


@pytest.mark.parametrize("seed", range(4))
def test_a_further_visit_parts_nothing_and_keeps_the_order_of_the_numbers(seed):
    masks = random_masks(seed, 4)
    shorter, longer = ledger_of(*masks[:3]), ledger_of(*masks)
    before, after = (np.concatenate([ids[1:] for ids in one.graph.id_of[:3]]) for one in (shorter, longer))
    pairs = sorted(set(zip(before.tolist(), after.tolist(), strict=True)))
    assert [old for old, _ in pairs] == list(range(1, shorter.graph.count + 1))
    first_shown = dict.fromkeys(new for _, new in pairs)
    assert list(first_shown) == list(range(1, len(first_shown) + 1))


@pytest.mark.parametrize("seed", range(4))
def test_a_further_visit_that_joins_nothing_keeps_every_number(seed):
    masks = random_masks(seed, 3)
    shorter, longer = ledger_of(*masks), ledger_of(*masks, masks[-1])
    for before, after in zip(shorter.graph.id_of, longer.graph.id_of[:3], strict=True):
        np.testing.assert_array_equal(after, before)


def test_a_further_visit_that_joins_two_lesions_gives_them_the_number_of_the_first():
    apart = boxes(((4, 4, 4), (4, 4, 4)), ((4, 4, 12), (4, 4, 4)), ((20, 20, 20), (4, 4, 4)))
    shorter, longer = ledger_of(apart, apart), ledger_of(apart, apart, apart | boxes(((4, 4, 4), (4, 4, 12))))
    assert [ids.tolist() for ids in shorter.graph.id_of] == [[0, 1, 2, 3]] * 2
    assert [ids.tolist() for ids in longer.graph.id_of] == [[0, 1, 1, 2]] * 2 + [[0, 1, 2]]


def test_numbers_run_without_gaps_by_the_visit_that_first_shows_the_lesion():
    ledger = ledger_of(boxes(((20, 20, 20), (3, 3, 3))), boxes(((2, 2, 2), (3, 3, 3)), ((20, 20, 20), (3, 3, 3))))
    assert [(lesion.id, volumes(lesion)) for lesion in ledger.lesions] == [(1, [27.0, 27.0]), (2, [0.0, 27.0])]


@pytest.mark.parametrize("seed", range(3))
def test_parts_of_all_rows_are_the_rows_of_each_comparison_by_itself(seed):
    ledger = ledger_of(*random_masks(seed, 3))
    for pair, analysis in ledger.analyses.items():
        parts = [
            part for row in ledger.lesions for change in row.changes if change.pair == pair for part in change.parts
        ]
        assert sorted(part.id for part in parts) == [change.id for change in analysis.changes]


def test_a_lesion_outside_the_field_of_view_of_a_visit_is_neither_gone_nor_returned():
    everywhere, cut = np.ones(SHAPE, bool), np.ones(SHAPE, bool)
    cut[10:] = False
    (lesion,) = ledger_of(CUBE, NOTHING, CUBE, seen=(everywhere, cut, everywhere)).lesions
    assert [visit.covered for visit in lesion.visits] == [True, False, True]
    assert statuses(lesion) == {
        (0, 1): Status.INDETERMINATE,
        (1, 2): Status.INDETERMINATE,
        (0, 2): Status.STABLE,
    }
    assert lesion.events == ()


@pytest.mark.parametrize(("voxels", "counted"), [(13, False), (14, True)])
def test_a_lesion_counts_when_it_has_fourteen_cubic_millimetres_at_some_visit(voxels, counted):
    small, most = boxes(((5, 5, 5), (5, 1, 1))), boxes(((5, 5, 5), (voxels, 1, 1)))
    (lesion,) = ledger_of(small, most, small).lesions
    assert lesion.counted is counted


def test_each_visit_states_its_own_highest_probability():
    (lesion,) = ledger_of(CUBE, LARGE, NOTHING).lesions
    assert [visit.probability for visit in lesion.visits] == pytest.approx([0.9, 0.8, 0.0])
