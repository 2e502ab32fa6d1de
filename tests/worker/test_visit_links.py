"""Which visits are followed when gates are red, and on what grid; alignments are given, not computed."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from model.phantom_scan import rigid
from service.contracts.options import CompareOptions
from service.contracts.report import Flag
from tests.fixtures.report_case import PAIR, time_point
from worker.case import TimePoint
from worker.preprocessing import prepare_pair
from worker.quality import Assessment, assess_pair
from worker.registration import RegistrationSettings
from worker.series_drift import assess_drift
from worker.visit_case import Link
from worker.visit_links import Links, follow


def visits(count: int) -> list[TimePoint]:
    return [time_point(date(2020 + n, 1, 1), spacing=(2.0, 2.0, 2.0)) for n in range(count)]


def links(
    count: int,
    *,
    failed: set[tuple[int, int]] = frozenset(),
    shift_mm: float = 0.0,
    settings: RegistrationSettings = RegistrationSettings(),  # noqa: B008 (frozen)
) -> Links:
    """Every pair aligned, each visit moved by so much to the one before; `failed` are red."""
    points = visits(count)
    found = {}
    for first in range(count):
        for second in range(first + 1, count):
            moved = rigid((0.0, 0.0, 0.0), (shift_mm * (second - first), 0.0, 0.0))
            pair = replace(PAIR, baseline_from_follow_up=moved, overlap=0.3 if (first, second) in failed else 0.97)
            found[first, second] = Link(alignment=pair, assessment=assess_pair(points[first], points[second], pair))
    return Links(time_points=points, settings=settings, found=found)


def test_visits_that_are_all_comparable_are_followed_with_first_to_last():
    followed = follow(links(4), CompareOptions())
    assert followed.chain == (0, 1, 2, 3)
    assert followed.pairs == ((0, 1), (1, 2), (2, 3), (0, 3))
    assert len(followed.prepared.scans) == 4


def test_a_broken_visit_is_passed_over():
    followed = follow(links(4, failed={(0, 1), (1, 2), (1, 3)}), CompareOptions())
    assert followed.chain == (0, 2, 3)
    assert [followed.visits_of(pair) for pair in followed.pairs] == [(0, 2), (2, 3), (0, 3)]


def test_alignments_over_a_broken_visit_tell_their_progress(monkeypatch):
    known = links(4, failed={(0, 1), (1, 2), (1, 3)})
    look = {id(point): number for number, point in enumerate(known.time_points)}

    def stand_in(first, second, _):
        link = known.found[look[id(first)], look[id(second)]]
        return link.alignment, link.assessment

    monkeypatch.setattr("worker.visit_links.align", stand_in)
    begun = Links(
        time_points=known.time_points,
        settings=known.settings,
        found={pair: known.found[pair] for pair in ((0, 1), (1, 2), (2, 3))},
    )
    told, told_again = [], []

    chain = begun.chain(told.append)
    follow(begun, CompareOptions(), told_again.append)

    assert chain == (0, 2, 3)
    assert set(begun.found) == set(known.found)
    assert told == [0.25, 0.5, 1.0]
    assert told_again == []


def test_visits_that_go_after_another_leave_the_progress_growing(monkeypatch):
    far = links(4)
    shifted = replace(PAIR, baseline_from_follow_up=rigid((0.0, 0.0, 0.0), (16.0, 0.0, 0.0)))
    for pair in ((0, 1), (1, 2)):
        far.found[pair] = replace(far.found[pair], alignment=shifted)
    bridged = {pair: far.found.pop(pair) for pair in ((0, 2), (1, 3))}
    monkeypatch.setattr("worker.visit_links.align", lambda *_: (PAIR, bridged[0, 2].assessment))
    told = []

    followed = follow(far, CompareOptions(), told.append)

    assert followed.chain == (0, 2, 3)
    assert len(told) > 0
    assert told == sorted(told)
    assert told[-1] < 1.0


def test_where_first_and_last_cannot_be_compared_their_change_alone_is_left_out():
    followed = follow(links(3, failed={(0, 2)}), CompareOptions())
    assert followed.chain == (0, 1, 2)
    assert followed.pairs == ((0, 1), (1, 2))


def test_nothing_is_followed_where_nothing_is_comparable():
    assert follow(links(3, failed={(0, 1), (1, 2), (0, 2)}), CompareOptions()) is None


def test_a_pair_without_an_alignment_is_not_comparable():
    assert not Link(alignment=None, assessment=Assessment()).comparable


def test_every_visit_is_moved_from_the_middle_of_all():
    followed = follow(links(3, shift_mm=3.0), CompareOptions())
    assert [one[0, 3] for one in followed.from_common] == pytest.approx([3.0, 0.0, -3.0])


def test_a_visit_outside_the_others_field_of_view_ends_the_chain_by_its_coverage():
    far = links(3)
    shifted = replace(PAIR, baseline_from_follow_up=rigid((0.0, 0.0, 0.0), (16.0, 0.0, 0.0)))
    for pair in ((1, 2), (0, 2)):
        far.found[pair] = replace(far.found[pair], alignment=shifted)

    followed = follow(far, CompareOptions())

    assert followed.chain == (0, 1)
    assert "common_coverage" in {reason.code for reason in far.found[1, 2].assessment.reasons}
    assert not far.found[1, 2].comparable


def test_a_visit_that_its_coverage_ends_does_not_take_first_to_last_with_it():
    far = links(3)
    for pair, way_mm in (((0, 1), 16.0), ((1, 2), -12.0)):  # over the visit that goes, the way would drift by 4 mm
        shifted = replace(PAIR, baseline_from_follow_up=rigid((0.0, 0.0, 0.0), (way_mm, 0.0, 0.0)))
        far.found[pair] = replace(far.found[pair], alignment=shifted)

    followed = follow(far, CompareOptions())

    assert followed.chain == (0, 2)
    assert followed.pairs == ((0, 1),)
    assert "drift" not in {check.name for check in far.found[0, 2].assessment.checks}


def test_a_gate_that_is_judged_again_is_stated_once():
    link = links(2).found[0, 1].judged(assess_drift(5.0)).judged(assess_drift(0.2))
    assert [(c.value, c.flag) for c in link.assessment.checks if c.name == "drift"] == [(0.2, Flag.GREEN)]
    assert link.comparable


@pytest.mark.parametrize(
    ("extra_mm", "flag", "pairs"),
    [(0.5, Flag.GREEN, 3), (1.5, Flag.AMBER, 3), (2.5, Flag.RED, 2)],
)
def test_a_way_over_all_visits_that_ends_elsewhere_is_flagged_and_ends_first_to_last(extra_mm, flag, pairs):
    drifting = links(3, shift_mm=1.0)
    direct = rigid((0.0, 0.0, 0.0), (2.0 + extra_mm, 0.0, 0.0))
    alignment = replace(drifting.found[0, 2].alignment, baseline_from_follow_up=direct)
    drifting.found[0, 2] = replace(drifting.found[0, 2], alignment=alignment)

    followed = follow(drifting, CompareOptions())

    (check,) = (check for check in drifting.found[0, 2].assessment.checks if check.name == "drift")
    assert (check.value, check.flag) == (pytest.approx(extra_mm), flag)
    assert (followed.chain, len(followed.pairs)) == ((0, 1, 2), pairs)


def test_a_pair_of_the_followed_visits_is_what_a_comparison_sees():
    followed = follow(links(3, shift_mm=1.0), CompareOptions())
    found = followed.network_input((0, 2))
    assert found.baseline is followed.prepared.scans[0]
    assert found.follow_up is followed.prepared.scans[2]
    apart = found.baseline_from_grid @ np.linalg.inv(found.follow_up_from_grid)
    np.testing.assert_allclose(apart, rigid((0.0, 0.0, 0.0), (2.0, 0.0, 0.0)), atol=1e-9)
    np.testing.assert_array_equal(found.seen_in_both, followed.prepared.seen[0] & followed.prepared.seen[2])


def test_in_the_space_of_the_first_visit_it_is_not_moved():
    followed = follow(links(3, shift_mm=3.0, settings=RegistrationSettings(common_space="baseline")), CompareOptions())
    assert [one[0, 3] for one in followed.from_common] == pytest.approx([0.0, -3.0, -6.0])


@pytest.mark.parametrize("space", ["half-way", "baseline"])
def test_two_visits_are_prepared_as_a_comparison_prepares_them(space):
    two = links(2, shift_mm=1.5, settings=RegistrationSettings(common_space=space))
    expected = prepare_pair(*two.time_points, replace(two.found[0, 1].alignment, common_space=space))

    found = follow(two, CompareOptions()).network_input((0, 1))

    for name in ("baseline", "follow_up", "brain", "seen_in_both", "baseline_from_grid", "follow_up_from_grid"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    np.testing.assert_array_equal(found.grid.affine, expected.grid.affine)
