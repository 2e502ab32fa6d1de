"""The place of lesions in a round head of shells, ventricle to cortex, with a cerebellum below."""

import numpy as np
import pytest

from model.grid import network_grid
from model.group_masks import GroupLabels
from model.head_labels import Region
from model.lesion_regions import Place, landmarks, place_of
from model.rules import RegionRules

SIZE = 72
CENTRE = (SIZE - 1) / 2
GRID = network_grid((SIZE, SIZE, SIZE))
RULES = RegionRules()
VENTRICLE, WHITE, CORTEX = 7, 27, 30
"""Outer radius of each shell, mm."""


def head() -> np.ndarray:
    axes = np.indices(GRID.shape) - CENTRE
    radius = np.linalg.norm(axes, axis=0)
    labels = np.zeros(GRID.shape, np.uint8)
    for outer, region in ((CORTEX, Region.CORTEX), (WHITE, Region.WHITE_MATTER), (VENTRICLE, Region.VENTRICLES)):
        labels[radius < outer] = region
    below = (axes[0] < -16) & (radius < WHITE)
    labels[below] = Region.CEREBELLUM
    return labels


def lesion(distance_mm: float, direction=(0.0, 1.0, 0.0), radius: float = 1.5) -> np.ndarray:
    """A ball whose inner side lies so far from the head's centre."""
    axes = np.indices(GRID.shape) - CENTRE
    at = np.asarray(direction) * (distance_mm + radius)
    return np.linalg.norm(axes - at[:, None, None, None], axis=0) <= radius


def place_at(mask: np.ndarray, maps=None, before=None) -> Place | None:
    groups = GroupLabels(
        baseline=(np.zeros_like(mask) if before is None else before).astype(np.int32), follow_up=mask.astype(np.int32)
    )
    marks = landmarks(maps or [head()], groups.either > 0, GRID)
    return place_of(groups.masks(1)[0], marks, RULES)


@pytest.mark.parametrize(
    ("distance_mm", "place"),
    [
        (VENTRICLE, Place.PERIVENTRICULAR),
        (VENTRICLE + 2.0, Place.PERIVENTRICULAR),
        (VENTRICLE + 5.0, Place.DEEP_WHITE_MATTER),
        (WHITE - 7.0, Place.DEEP_WHITE_MATTER),
        (WHITE - 4.0, Place.JUXTACORTICAL),
        (WHITE - 1.0, Place.JUXTACORTICAL),
    ],
)
def test_a_lesion_lies_where_its_nearest_border_is(distance_mm, place):
    assert place_at(lesion(distance_mm)) is place


def test_below_it_is_infratentorial_wherever_else_it_is_near():
    assert place_at(lesion(18, (-1.0, 0.0, 0.0))) is Place.INFRATENTORIAL
    assert place_at(lesion(WHITE - 4, (-1.0, 0.0, 0.0))) is Place.INFRATENTORIAL


def test_one_that_reaches_from_ventricle_to_cortex_is_periventricular():
    assert place_at(lesion(VENTRICLE, radius=9.5)) is Place.PERIVENTRICULAR


def test_a_lesion_that_the_map_takes_for_cortex_or_ventricle_stays_in_white_matter():
    there = lesion(14, radius=2.5)
    for mistaken in (Region.CORTEX, Region.VENTRICLES):
        assert place_at(there, [np.where(there, np.uint8(mistaken), head())]) is Place.DEEP_WHITE_MATTER
        wider = np.where(lesion(13, radius=3.5), np.uint8(mistaken), head())
        assert place_at(there, [wider]) is Place.DEEP_WHITE_MATTER


def test_the_place_is_that_of_both_time_points_and_does_not_depend_on_their_order():
    inner, outer = lesion(VENTRICLE + 2.0), lesion(VENTRICLE + 5.0)
    wide = head()
    wide[np.linalg.norm(np.indices(GRID.shape) - CENTRE, axis=0) < VENTRICLE + 3] = Region.VENTRICLES
    for maps in ([head(), wide], [wide, head()]):
        assert place_at(outer, maps) is Place.PERIVENTRICULAR
    assert place_at(inner, before=outer) is place_at(outer, before=inner) is Place.PERIVENTRICULAR


def test_outside_the_brain_there_is_no_place():
    assert place_at(lesion(CORTEX + 3)) is None


def test_without_a_map_there_are_no_landmarks():
    with pytest.raises(ValueError, match="maps"):
        landmarks([], np.zeros(GRID.shape, bool), GRID)
