"""Which visits are followed when some cannot be compared; visits are numbered from 0."""

import pytest

from model.visit_chain import bridges, followed_pairs, longest_chain, neighbours


@pytest.mark.parametrize(
    ("count", "comparable", "chain"),
    [
        (4, [(0, 1), (1, 2), (2, 3)], (0, 1, 2, 3)),
        (3, [(0, 2)], (0, 2)),
        (4, [(0, 1), (2, 3)], (2, 3)),
        (5, [(0, 1), (1, 2), (3, 4)], (0, 1, 2)),
        (5, [(0, 1), (1, 2), (2, 4), (3, 4)], (0, 1, 2, 4)),
        (4, [(0, 1), (0, 2), (1, 3), (2, 3)], (0, 2, 3)),
        (3, [], (2,)),
        (1, [], (0,)),
    ],
)
def test_the_longest_chain_of_comparable_visits_is_followed_and_of_equal_ones_the_latest(count, comparable, chain):
    assert longest_chain(count, comparable) == chain


@pytest.mark.parametrize(
    ("failed", "tried"),
    [((), ()), ([(0, 1)], ((0, 2),)), ([(1, 2)], ((0, 2), (1, 3))), ([(0, 1), (1, 2)], ((0, 2), (1, 3)))],
)
def test_a_broken_link_is_bridged_over_either_of_its_visits(failed, tried):
    assert bridges(4, failed) == tried


def test_neighbours_and_first_to_last_are_compared():
    assert followed_pairs((0, 2, 3)) == ((0, 2), (2, 3), (0, 3))
    assert followed_pairs((1, 2)) == ((1, 2),)
    assert followed_pairs((1,)) == ()
    assert neighbours(3) == ((0, 1), (1, 2))
