"""A changed lesion's three pictures: the right slice, the same window, a difference whose sign can be seen."""

import io

import numpy as np
import pytest
from matplotlib.image import imread

from model.grid import network_grid
from worker.reports.language import words
from worker.reports.triples import Triple, draw_triple, slice_of

SHAPE = (20, 80, 80)
PATCH = (slice(36, 44), slice(36, 44))


def case(*, before: float, after: float, changed_slice: int = 12) -> Triple:
    """A lesion in slices 4 to 13 at both times; in one slice it is of another brightness, and larger, later."""
    first, second = (np.full(SHAPE, 0.5, np.float32) for _ in range(2))
    masks = np.zeros((2, *SHAPE), bool)
    masks[:, 4:14, 38:42, 38:42] = True
    masks[1, changed_slice, *PATCH] = True
    first[changed_slice, *PATCH], second[changed_slice, *PATCH] = before, after
    return Triple(
        baseline=first,
        follow_up=second,
        groups=(masks.any(axis=0) * 7).astype(np.int32),
        masks=(masks[0], masks[1]),
        grid=network_grid(SHAPE),
        lesion=7,
        status="enlarging",
    )


def panels(wanted: Triple) -> list[np.ndarray]:
    image = imread(io.BytesIO(draw_triple(wanted, words("en"))))[..., :3]
    return np.array_split(image, 3, axis=1)


def centre(panel: np.ndarray) -> float:
    tall, wide = panel.shape[:2]
    return float(np.median(panel[tall // 2 - 6 : tall // 2 + 18, wide // 2 - 8 : wide // 2 + 8]))


def test_the_slice_is_that_in_which_most_has_changed():
    assert slice_of(case(before=0.5, after=3.0, changed_slice=6)) == 6


def test_a_lesion_whose_masks_are_the_same_is_shown_where_it_is_largest():
    wanted = case(before=0.5, after=3.0, changed_slice=9)
    same = Triple(
        **{name: getattr(wanted, name) for name in ("baseline", "follow_up", "groups", "grid", "lesion", "status")},
        masks=(wanted.masks[1], wanted.masks[1]),
    )
    assert slice_of(same) == 9


@pytest.mark.parametrize(("before", "after"), [(0.5, 3.0), (3.0, 0.5)])
def test_brighter_at_follow_up_is_bright_in_the_difference_and_darker_is_dark(before, after):
    first, second, difference = panels(case(before=before, after=after))
    assert (centre(second) > centre(first)) == (after > before)
    assert (centre(difference) > 0.8) == (after > before)
    assert (centre(difference) < 0.2) == (after < before)


def test_no_change_is_mid_grey_and_both_scans_have_one_window():
    first, second, difference = panels(case(before=1.5, after=1.5))
    assert centre(first) == pytest.approx(centre(second), abs=0.01)
    assert centre(difference) == pytest.approx(0.5, abs=0.02)
