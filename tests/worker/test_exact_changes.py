"""The whole measurement on digital phantoms, whose masks are given and sure, by the rules as they are shipped."""

from functools import partial

import numpy as np
import pytest

from model.changes import Masks, compare
from model.flair_change import Image
from model.head_labels import Region
from model.lesion_measures import MeasuredOn, measure_lesions
from model.statuses import OPPOSITE, Status
from tests.fixtures.boxes import ras_grid
from worker.measurement_rules import packaged_measurement_rules

SHAPE = (60, 60, 60)
grid_of = partial(ras_grid, SHAPE)
RULES = packaged_measurement_rules().profile("default").rules


def lesion(voxels: int, centre=(30, 30, 30)) -> np.ndarray:
    """The `voxels` voxels nearest to a point: a ball of exactly that volume."""
    distance = np.linalg.norm(np.indices(SHAPE) - np.reshape(centre, (3, 1, 1, 1)) + 0.1, axis=0)
    mask = np.zeros(distance.size, bool)
    mask[np.argsort(distance, axis=None, kind="stable")[:voxels]] = True
    return mask.reshape(SHAPE)


def regions() -> np.ndarray:
    labels = np.full(SHAPE, Region.CORTEX, np.uint8)
    labels[5:-5, 5:-5, 5:-5] = Region.WHITE_MATTER
    labels[25:35, 5:15, 25:35] = Region.VENTRICLES
    labels[5:20, 5:-5, 5:-5] = Region.CEREBELLUM
    return labels


def flair(mask: np.ndarray, seed: int) -> Image:
    noise = np.random.default_rng(seed).standard_normal(SHAPE)
    return np.asarray(noise + 4.0 * mask, np.float32)


def analysed(before, after, *, grid=None):
    given = [mask.astype(np.float32) for mask in (before, after)]
    masks = Masks(
        baseline=before,
        follow_up=after,
        baseline_probability=given[0],
        follow_up_probability=given[1],
        seen_in_both=np.ones(SHAPE, bool),
        grid=grid or grid_of(),
        baseline_opinions=(given[0],),
        follow_up_opinions=(given[1],),
    )
    return compare(masks, RULES)


def measured(before, after, *, turned=False):
    """Rows of the table and their measures, with an image of each visit."""
    analysis = analysed(before, after)
    images = (flair(before, 1), flair(after, 2)) if not turned else (flair(before, 2), flair(after, 1))
    on = MeasuredOn(grid=grid_of(), maps=(regions(), regions()), flair=images, seen_in_both=np.ones(SHAPE, bool))
    found = measure_lesions(analysis, on, RULES)
    return [(change, found[change.id]) for change in analysis.changes]


@pytest.mark.parametrize("voxels", [30, 60, 200, 1000, 5000])
@pytest.mark.parametrize(
    ("factor", "status"),
    [(1.0, Status.STABLE), (1.2, Status.STABLE), (1.8, Status.ENLARGING), (3.0, Status.ENLARGING)],
)
def test_growth_by_a_known_factor_has_its_status_and_its_exact_volumes(voxels, factor, status):
    before, after = lesion(voxels), lesion(round(voxels * factor))
    (grown,), (shrunk,) = analysed(before, after).changes, analysed(after, before).changes
    assert (grown.status, shrunk.status) == (status, OPPOSITE[status])
    assert (grown.baseline_mm3, grown.follow_up_mm3) == (voxels, round(voxels * factor))
    assert grown.certainty == shrunk.certainty == 1.0


@pytest.mark.parametrize(
    ("voxels", "status"),
    [(30, Status.INDETERMINATE), (60, Status.INDETERMINATE), (200, Status.ENLARGING), (5000, Status.ENLARGING)],
)
def test_growth_past_the_ratio_counts_where_it_is_more_than_two_measurements_differ_by(voxels, status):
    before, after = lesion(voxels), lesion(round(voxels * 1.6))
    (grown,), (shrunk,) = analysed(before, after).changes, analysed(after, before).changes
    assert (grown.status, shrunk.status) == (status, OPPOSITE[status])


@pytest.mark.parametrize("voxels", [30, 60, 200, 1000])
def test_a_lesion_that_comes_or_goes_has_its_status_its_volume_and_every_certainty(voxels):
    nothing = np.zeros(SHAPE, bool)
    (new,), (resolved,) = analysed(nothing, lesion(voxels)).changes, analysed(lesion(voxels), nothing).changes
    assert (new.status, new.baseline_mm3, new.follow_up_mm3, new.certainty) == (Status.NEW, 0, voxels, 1.0)
    assert (resolved.status, resolved.baseline_mm3, resolved.follow_up_mm3) == (Status.RESOLVED, voxels, 0)


def test_a_split_and_a_merge_are_one_row_each_with_their_parts():
    apart = lesion(60, (20, 20, 20)) | lesion(60, (20, 20, 28))
    bridge = np.zeros(SHAPE, bool)
    bridge[20, 20, 20:28] = True
    (merged,), (split,) = analysed(apart, apart | bridge).changes, analysed(apart | bridge, apart).changes
    assert (merged.baseline_components, merged.follow_up_components) == (2, 1)
    assert (split.baseline_components, split.follow_up_components) == (1, 2)
    assert merged.baseline_mm3 == split.follow_up_mm3 == 120
    assert merged.status is split.status is Status.STABLE


def test_when_the_patient_moves_every_centroid_moves_along_and_nothing_else_does():
    before = lesion(200, (20, 20, 20)) | lesion(90, (40, 40, 20))
    after = lesion(500, (20, 20, 20)) | lesion(60, (20, 45, 45))
    here, there = analysed(before, after), analysed(before, after, grid=grid_of(origin=(12.5, -7.25, 60.0)))
    for a, b in zip(here.changes, there.changes, strict=True):
        assert np.subtract(b.centroid_mm, a.centroid_mm) == pytest.approx((12.5, -7.25, 60.0))
        assert (a.status, a.baseline_mm3, a.follow_up_mm3) == (b.status, b.baseline_mm3, b.follow_up_mm3)


def test_a_follow_up_that_is_the_baseline_changes_nothing():
    mask = lesion(400, (20, 20, 20)) | lesion(31, (45, 45, 45)) | lesion(14, (45, 20, 45))
    assert {(c.status, c.certainty) for c in analysed(mask, mask).changes} == {(Status.STABLE, 1.0)}


def random_pair(seed):
    rng = np.random.default_rng(seed)

    def some():
        return np.logical_or.reduce([lesion(int(rng.integers(5, 400)), rng.integers(8, 52, 3)) for _ in range(5)])

    common = some()
    return common | some(), common | some()


@pytest.mark.parametrize("seed", range(3))
def test_swapping_the_visits_mirrors_the_whole_table(seed):
    before, after = random_pair(seed)

    def mirror(rows, *, turn):
        return sorted(
            (
                OPPOSITE[c.status] if turn else c.status,
                (c.baseline_mm3, c.follow_up_mm3)[:: -1 if turn else 1],
                (c.baseline_components, c.follow_up_components)[:: -1 if turn else 1],
                c.certainty,
                m.place,
                m.surface_mm2,
                m.long_axis_mm,
                -m.flair_change_sd if turn else m.flair_change_sd,
            )
            for c, m in rows
        )

    there, back = measured(before, after), measured(after, before, turned=True)
    assert len({c.status for c, _ in there}) > 2
    assert mirror(there, turn=False) == mirror(back, turn=True)


def test_the_measures_of_a_lesion_are_those_of_its_larger_time_point():
    ((grown, of_grown),) = measured(lesion(100, (40, 40, 40)), lesion(800, (40, 40, 40)))
    ((same, of_same),) = measured(lesion(800, (40, 40, 40)), lesion(800, (40, 40, 40)))
    assert grown.status is Status.ENLARGING
    assert same.status is Status.STABLE
    assert (of_grown.surface_mm2, of_grown.long_axis_mm) == (of_same.surface_mm2, of_same.long_axis_mm)
    assert of_grown.flair_change_sd == pytest.approx(4.0 * 700 / 800, abs=0.3)


def test_each_lesion_lies_in_its_region():
    mask = lesion(40, (40, 40, 30)) | lesion(40, (30, 18, 30)) | lesion(40, (52, 30, 30)) | lesion(40, (12, 40, 30))
    places = {m.place.value for _, m in measured(mask, mask)}
    assert places == {"deep_white_matter", "periventricular", "juxtacortical", "infratentorial"}
