"""The measurement rules, on lesions that are boxes of voxels."""

from functools import partial
from itertools import pairwise

import numpy as np
import pytest

from model.changes import Masks, compare
from model.grid import Grid
from model.rules import Rules
from model.statuses import LABELS, OPPOSITE, Status, status_of, status_with_unseen
from service.contracts.report import CHANGE_LABELS
from tests.fixtures.boxes import boxes_in, ras_grid

SHAPE = (30, 30, 30)
grid_of, boxes = partial(ras_grid, SHAPE), partial(boxes_in, SHAPE)
RULES = Rules()


def analyse(baseline, follow_up, *, grid=None, seen=None):
    return compare(
        Masks(
            baseline=baseline,
            follow_up=follow_up,
            baseline_probability=None if baseline is None else baseline * np.float32(0.9),
            follow_up_probability=follow_up * np.float32(0.7),
            seen_in_both=np.ones(SHAPE, bool) if seen is None else seen,
            grid=grid or grid_of(),
        )
    )


NOTHING = boxes()
CUBE = boxes(((10, 10, 10), (4, 4, 4)))
"""64 mm3."""


def test_empty_masks_give_an_empty_table():
    analysis = analyse(NOTHING, NOTHING)
    assert analysis.changes == ()
    assert not analysis.change_map.any()


@pytest.mark.parametrize(
    ("baseline", "follow_up", "status"),
    [
        (NOTHING, CUBE, Status.NEW),
        (CUBE, NOTHING, Status.RESOLVED),
        (CUBE, CUBE, Status.STABLE),
        (CUBE, boxes(((10, 10, 10), (4, 4, 6))), Status.ENLARGING),
        (boxes(((10, 10, 10), (4, 4, 6))), CUBE, Status.SHRINKING),
    ],
)
def test_each_kind_of_change_is_named_and_painted(baseline, follow_up, status):
    analysis = analyse(baseline, follow_up)
    (change,) = analysis.changes
    assert change.status is status
    assert (change.baseline_mm3, change.follow_up_mm3) == (baseline.sum(), follow_up.sum())
    assert np.array_equal(analysis.change_map, (baseline | follow_up) * np.uint8(LABELS[status]))


@pytest.mark.parametrize(
    ("baseline_mm3", "follow_up_mm3", "status"),
    [
        (100.0, 150.0, Status.ENLARGING),
        (100.0, 149.9, Status.STABLE),
        (150.0, 100.0, Status.SHRINKING),
        (28.0, 42.0, Status.ENLARGING),
        (27.0, 40.9, Status.STABLE),
        (10.0, 24.0, Status.ENLARGING),
        (10.0, 23.9, Status.STABLE),
        (24.0, 10.0, Status.SHRINKING),
        (100 * 0.3, 150 * 0.3, Status.ENLARGING),
    ],
)
def test_a_volume_on_the_limit_counts_as_changed(baseline_mm3, follow_up_mm3, status):
    assert status_of(baseline_mm3, follow_up_mm3, RULES) is status


@pytest.mark.parametrize(("voxels", "counted"), [(13, False), (14, True)])
def test_a_lesion_counts_from_fourteen_cubic_millimetres(voxels, counted):
    (change,) = analyse(NOTHING, boxes(((5, 5, 5), (voxels, 1, 1)))).changes
    assert change.counted is counted


def test_lesions_that_merge_are_one_group_and_say_so():
    apart = boxes(((5, 5, 5), (4, 4, 4)), ((5, 5, 14), (4, 4, 4)))
    merged = boxes(((5, 5, 5), (4, 4, 13)))
    (merge,) = analyse(apart, merged).changes
    (split,) = analyse(merged, apart).changes
    assert (merge.baseline_components, merge.follow_up_components) == (2, 1)
    assert (split.baseline_components, split.follow_up_components) == (1, 2)


def test_the_new_part_of_confluent_growth_is_what_lies_beyond_a_millimetre_of_the_old_lesion():
    (change,) = analyse(CUBE, boxes(((10, 10, 10), (4, 4, 10)))).changes
    assert change.status is Status.ENLARGING
    assert change.new_part_mm3 == 4 * 4 * 5


def test_only_growth_has_a_new_part():
    (change,) = analyse(CUBE, boxes(((12, 10, 10), (4, 4, 4)))).changes
    assert (change.status, change.new_part_mm3) == (Status.STABLE, 0.0)


def random_pair(seed):
    rng = np.random.default_rng(seed)

    def some():
        return boxes(*((rng.integers(0, 24, 3), rng.integers(1, 6, 3)) for _ in range(9)))

    common = some()
    return common | some(), common | some()


@pytest.mark.parametrize("seed", range(8))
def test_swapping_the_time_points_mirrors_the_table_exactly(seed):
    first, second = random_pair(seed)
    seen = np.ones(SHAPE, bool)
    seen[:, :, 26:] = False
    grid = grid_of((0.7, 0.9, 2.5))

    def facts(analysis, turn):
        order = slice(None, None, 1 if turn is SAME else -1)
        return sorted(
            (
                turn[c.status],
                *(c.baseline_mm3, c.follow_up_mm3)[order],
                *(c.baseline_components, c.follow_up_components)[order],
                *(c.baseline_centroid_mm, c.centroid_mm)[order],
            )
            for c in analysis.changes
        )

    forward = analyse(first, second, grid=grid, seen=seen)
    backward = analyse(second, first, grid=grid, seen=seen)
    assert len({c.status for c in forward.changes}) > 1
    assert facts(forward, SAME) == facts(backward, OPPOSITE)


SAME = {status: status for status in Status}


def test_a_translation_moves_every_centroid_by_the_same_millimetres_and_nothing_else():
    first, second = random_pair(3)
    here = analyse(first, second)
    there = analyse(first, second, grid=grid_of(origin=(-12.5, 40.0, 3.25)))
    assert here.changes
    for a, b in zip(here.changes, there.changes, strict=True):
        assert np.subtract(b.centroid_mm, a.centroid_mm) == pytest.approx((-12.5, 40.0, 3.25))
        assert (a.status, a.baseline_mm3, a.follow_up_mm3) == (b.status, b.baseline_mm3, b.follow_up_mm3)


def test_volumes_do_not_depend_on_the_direction_of_the_axes():
    mirrored = Grid(shape=SHAPE, affine=np.diag([-1.0, 2.0, -1.5, 1.0]))
    (change,) = analyse(NOTHING, CUBE, grid=mirrored).changes
    assert change.follow_up_mm3 == pytest.approx(64 * 3.0)


def test_a_centroid_lies_where_the_lesion_lies_in_the_world():
    grid = grid_of((1.0, 1.0, 2.0), origin=(5.0, 6.0, 7.0))
    (change,) = analyse(NOTHING, CUBE, grid=grid).changes
    assert change.centroid_mm == pytest.approx(tuple((grid.affine @ [11.5, 11.5, 11.5, 1.0])[:3]))


def test_groups_are_numbered_without_gaps_and_painted_with_their_number():
    analysis = analyse(*random_pair(1))
    ids = [c.id for c in analysis.changes]
    assert ids[0] == 1
    assert all(b == a + 1 for a, b in pairwise(ids))
    for change in analysis.changes:
        assert ((analysis.groups == change.id) & analysis.follow_up.mask).sum() == change.follow_up_mm3


def test_a_group_carries_the_highest_probability_of_either_time_point():
    (change,) = analyse(CUBE, CUBE).changes
    assert change.probability == pytest.approx(0.9)


def test_a_single_time_point_has_lesions_and_no_status():
    analysis = analyse(None, CUBE)
    (change,) = analysis.changes
    assert (change.status, change.baseline_mm3, change.follow_up_mm3) == (None, None, 64.0)
    assert analysis.change_map is None


def unseen_from(first_slice):
    seen = np.ones(SHAPE, bool)
    seen[first_slice:] = False
    return seen


@pytest.mark.parametrize(("first_slice", "status"), [(10, Status.INDETERMINATE), (14, Status.NEW)])
def test_a_lesion_that_one_study_could_not_show_is_not_called_new(first_slice, status):
    (change,) = analyse(NOTHING, CUBE, seen=unseen_from(first_slice)).changes
    assert change.status is status


@pytest.mark.parametrize(
    ("volumes", "unseen", "status"),
    [
        ((0.0, 1000.0), (0.0, 20.0, 20.0), Status.NEW),
        ((0.0, 1000.0), (0.0, 600.0, 600.0), Status.INDETERMINATE),
        ((1000.0, 0.0), (20.0, 0.0, 20.0), Status.RESOLVED),
        ((100.0, 100.0), (20.0, 20.0, 20.0), Status.STABLE),
        ((100.0, 100.0), (40.0, 40.0, 40.0), Status.INDETERMINATE),
        ((100.0, 155.0), (0.0, 10.0, 10.0), Status.INDETERMINATE),
        ((100.0, 300.0), (0.0, 10.0, 10.0), Status.ENLARGING),
    ],
)
def test_unseen_tissue_matters_only_where_the_direction_depends_on_it(volumes, unseen, status):
    assert status_with_unseen(*volumes, unseen, RULES) is status
    turned = (unseen[1], unseen[0], unseen[2])
    assert status_with_unseen(*volumes[::-1], turned, RULES) is OPPOSITE[status]


def test_labels_are_those_of_the_report():
    assert {s.value: n for s, n in LABELS.items()} == {s.value: n for s, n in CHANGE_LABELS.items()}
