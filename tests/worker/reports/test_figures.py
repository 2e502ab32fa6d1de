"""Pictures: which lesions, which way round, in which colour."""

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from model.changes import Masks, compare
from model.statuses import Status
from tests.fixtures import report_case
from worker.reports.figures import changed, draw, overview, triple
from worker.reports.language import words
from worker.reports.status_marks import COLOURS

EN = words("en")


@pytest.fixture(scope="module")
def figures():
    return report_case.figures()


def pixels(picture):
    return imread(io.BytesIO(base64.b64decode(picture.uri.removeprefix("data:image/png;base64,"))))[..., :3]


def columns_of(image, colour):
    """Where, from 0 (left) to 1 (right), pixels of the colour lie."""
    near = np.abs(image - to_rgb(colour)).max(axis=-1) < 0.12
    return np.flatnonzero(near.any(axis=0)) / image.shape[1]


def test_changed_lesions_come_new_first_and_large_first(figures):
    assert [c.status for c in changed(figures.analysis)] == ["new", "new", "enlarging", "resolved", "shrinking"]
    first, second = changed(figures.analysis)[:2]
    assert first.largest_mm3 > second.largest_mm3


def test_lesions_that_count_come_before_those_that_do_not(figures):
    small = replace(figures.analysis.changes[2], id=99, status=Status.NEW, baseline_mm3=0.0, follow_up_mm3=9.0)
    with_small = replace(figures.analysis, changes=(small, *figures.analysis.changes))
    assert [c.id for c in changed(with_small)][-1] == 99


def test_no_more_triples_than_the_page_can_bear_and_the_rest_is_counted(figures, monkeypatch):
    monkeypatch.setattr("worker.reports.figures.MOST_FIGURES", 2)
    pictures = draw(figures)
    assert [one.lesion_id for one in pictures.triples] == [c.id for c in changed(figures.analysis)[:2]]
    assert pictures.not_shown == 3


def test_a_lesion_on_the_patients_right_is_drawn_on_the_left(figures):
    """The only enlarging lesion lies at 26 mm to the right of the midline: the left half of every slice."""
    single = replace(figures, baseline=None)
    tiles = np.array_split(pixels(overview(single, EN)), 6, axis=1)
    places = np.concatenate([columns_of(tile, COLOURS["enlarging"]) for tile in tiles])
    assert places.size > 0
    assert places.max() < 0.55
    left = np.concatenate([columns_of(tile, COLOURS["shrinking"]) for tile in tiles])
    assert left.min() > 0.5


def test_a_triple_outlines_its_lesion_in_the_colour_of_its_status(figures):
    for change, picture in zip(changed(figures.analysis), report_case.pictures().triples, strict=True):
        assert picture.lesion_id == change.id
        assert columns_of(pixels(picture), COLOURS[change.status.value]).size > 5


def test_a_brain_without_lesions_is_shown_too(figures):
    nothing = report_case.masks()[0] & False
    from_nothing = compare(
        Masks(
            baseline=nothing,
            follow_up=nothing,
            baseline_probability=nothing.astype(np.float32),
            follow_up_probability=nothing.astype(np.float32),
            seen_in_both=~nothing,
            grid=figures.grid,
        )
    )
    picture = overview(replace(figures, analysis=from_nothing), EN)
    assert pixels(picture).std() > 0.05


def test_outside_the_brain_and_beyond_the_image_all_is_black(figures):
    nothing = replace(figures, baseline=None, follow_up=np.zeros_like(figures.follow_up))
    for change in changed(nothing.analysis)[:2]:
        image = pixels(triple(nothing, change, EN))
        grey = np.ptp(image, axis=-1) < 0.02
        labels = 0.04  # part of the picture that the white letters, the arrow and the title may cover
        assert (image[grey].max(axis=-1) > 0.1).mean() < labels
