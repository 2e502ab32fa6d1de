"""The overlay pictures: outlines that survive grey, numbers that hide nothing, a sentence where nothing is found."""

from dataclasses import replace

import numpy as np
import pytest

from model.volume import Volume
from service.contracts.report import LesionStatus
from tests.fixtures.dicom_case import lesion_report
from worker.reports.overlay import Scan, draw_slices, rgb, scale_of, statuses_of

SHAPE = (64, 48, 6)


def scan_with(ids: np.ndarray, spacing=(1.0, 1.0, 3.0)) -> Scan:
    """A grey that is the same everywhere, so that all structure is drawn."""
    flair = Volume(array=np.zeros(ids.shape, np.float32), affine=np.diag([*spacing, 1.0]))
    return Scan(flair=flair, brain=np.ones(ids.shape, bool), ids=ids)


def ids_with(*boxes) -> np.ndarray:
    ids = np.zeros(SHAPE, np.int32)
    for n, box in enumerate(boxes, start=1):
        ids[box] = n
    return ids


SQUARE = (slice(20, 32), slice(10, 22), slice(2, 4))


def drawn(scan: Scan, statuses: dict[int, LesionStatus]) -> list[np.ndarray]:
    return list(draw_slices(scan, lesion_report(statuses)))


def coloured(picture: np.ndarray, status: str) -> np.ndarray:
    return (picture == rgb(status)).all(axis=-1)


@pytest.mark.parametrize(
    ("shape", "spacing", "scale"),
    [
        ((256, 256, 5), (1.0, 1.0, 1.0), (2, 2)),
        ((192, 192, 5), (1.2, 1.2, 3.0), (3, 3)),
        ((512, 512, 5), (0.45, 0.45, 3.0), (1, 1)),
        ((640, 640, 5), (0.4, 0.4, 3.0), (1, 1)),
        ((160, 256, 5), (1.0, 1.0, 1.0), (2, 2)),
        ((128, 256, 5), (2.0, 1.0, 1.0), (4, 2)),  # pixels that are not square become square
    ],
)
def test_the_matrix_becomes_about_512_with_square_pixels(shape, spacing, scale) -> None:
    flair = Volume(array=np.zeros(shape, np.float32), affine=np.diag([*spacing, 1.0]))
    found = scale_of(flair)
    assert (found.columns, found.rows) == scale


def test_an_outline_is_one_pixel_wide_and_lies_inside_the_border() -> None:
    scan = scan_with(ids_with(SQUARE))
    scale = scale_of(scan.flair)

    line = coloured(drawn(scan, {1: LesionStatus.NEW})[2], "new")

    inside = np.zeros_like(line)
    inside[10 * scale.rows : 22 * scale.rows, 20 * scale.columns : 32 * scale.columns] = True
    border = inside & ~np.pad(inside, 1)[:-2, 1:-1] | inside & ~np.pad(inside, 1)[2:, 1:-1]
    border |= inside & ~np.pad(inside, 1)[1:-1, :-2] | inside & ~np.pad(inside, 1)[1:-1, 2:]
    np.testing.assert_array_equal(line, border)


def test_statuses_differ_in_the_length_of_line_and_gap_so_that_grey_tells_them() -> None:
    whole = coloured(drawn(scan_with(ids_with(SQUARE)), {1: LesionStatus.NEW})[2], "new").sum()
    parts = {}
    for status in LesionStatus:
        line = coloured(drawn(scan_with(ids_with(SQUARE)), {1: status})[2], status.value)
        parts[status.value] = line.sum() / whole
    assert parts["new"] == parts["enlarging"] == 1.0
    assert parts["stable"] == parts["shrinking"] == pytest.approx(5 / 8, abs=0.05)
    assert parts["resolved"] == parts["indeterminate"] == pytest.approx(2 / 5, abs=0.05)


def test_lesions_that_touch_keep_their_whole_outlines() -> None:
    left, right = (slice(10, 20), slice(10, 20), slice(1, 2)), (slice(20, 30), slice(10, 20), slice(1, 2))
    picture = drawn(scan_with(ids_with(left, right)), {1: LesionStatus.NEW, 2: LesionStatus.ENLARGING})[1]
    assert coloured(picture, "new").sum() == coloured(picture, "enlarging").sum() > 0


def test_the_number_stands_in_the_slice_where_the_lesion_is_largest_and_nowhere_else() -> None:
    ids = ids_with(SQUARE)
    ids[18:34, 8:24, 3] = 1
    with_it = drawn(scan_with(ids), {1: LesionStatus.NEW})
    without = drawn(scan_with(np.where(ids == 1, 2, 0)), {2: LesionStatus.NEW})  # another number, else the same

    assert [int((a != b).any()) for a, b in zip(with_it, without, strict=True)] == [0, 0, 0, 1, 0, 0]


def test_a_number_lies_in_the_picture_and_hides_no_lesion() -> None:
    corner = (slice(56, 64), slice(0, 6), slice(2, 3))
    ids = ids_with(corner)
    scan = scan_with(ids)
    scale = scale_of(scan.flair)
    picture = drawn(scan, {1: LesionStatus.NEW})[2]
    white = (picture > 200).all(axis=-1)
    lesion = white[: 6 * scale.rows, 56 * scale.columns :]
    assert white[: 20 * scale.rows, 40 * scale.columns :].sum() > 10
    assert not lesion.any()


def test_what_it_is_stands_on_every_slice_in_letters_that_can_be_read() -> None:
    for picture in drawn(scan_with(ids_with(SQUARE)), {1: LesionStatus.NEW}):
        white = (picture[-40:, :300] > 180).all(axis=-1)
        tall = np.flatnonzero(white.any(axis=1))
        assert white.sum() > 150
        assert np.ptp(tall) >= 7


def test_without_a_lesion_it_says_so() -> None:
    nothing = np.zeros(SHAPE, np.int32)
    quiet = drawn(scan_with(nothing), {})
    assert len(quiet) == SHAPE[2]
    for picture in quiet:
        assert all(not coloured(picture, status.value).any() for status in LesionStatus)
        lines = (picture[-45:-20, :300] > 180).all(axis=-1)
        assert lines.sum() > 80  # the sentence above the notice
    with_lesion = drawn(scan_with(ids_with(SQUARE)), {1: LesionStatus.NEW})
    assert (with_lesion[0] != quiet[0]).any()


def test_lesions_without_a_status_are_outlined_too_and_the_slices_say_that_no_change_is_given() -> None:
    scan = scan_with(ids_with(SQUARE))
    alone = lesion_report({}).model_copy(update={"comparable": False})
    assert statuses_of(scan, alone) == {1: "lesion"}
    picture = list(draw_slices(scan, alone))[2]
    assert coloured(picture, "lesion").sum() > 20
    said = list(draw_slices(scan, lesion_report({})))[2]
    assert (picture[-45:-20] != said[-45:-20]).any()


def test_pixel_centres_keep_their_place_when_the_matrix_grows() -> None:
    """A ramp stays a ramp: the value at a place does not change."""
    ramp = np.tile(np.arange(64, dtype=np.float32)[:, None, None], (1, 48, 2))
    scan = replace(
        scan_with(np.zeros((64, 48, 2), np.int32)), flair=Volume(array=ramp, affine=np.diag([1.0, 1.0, 1.0, 1.0]))
    )
    scale = scale_of(scan.flair)
    row = next(iter(draw_slices(scan, lesion_report({}))))[10, :, 0].astype(float)
    native = (np.arange(row.size) + 0.5) / scale.columns - 0.5
    middle = slice(20 * scale.columns, 40 * scale.columns)
    expected = 255 * ((native - ramp.mean()) / ramp.std() + 2.0) / 5.5
    np.testing.assert_allclose(row[middle], expected[middle], atol=1.01)
