"""Each patient is kept apart once, and never trained on then."""

import pytest

from model.kfold import split

NAMES = [f"patient{n:02d}" for n in range(11)]


@pytest.mark.parametrize("folds", [2, 3, 5, 11])
def test_each_patient_is_apart_in_exactly_one_fold(folds: int) -> None:
    splits = [split(NAMES, fold, folds) for fold in range(folds)]

    assert sorted(name for _, apart in splits for name in apart) == NAMES
    for training, apart in splits:
        assert not set(training) & set(apart)
        assert sorted(training + apart) == NAMES


def test_folds_differ_in_size_by_at_most_one() -> None:
    sizes = [len(split(NAMES, fold, 4)[1]) for fold in range(4)]

    assert sorted(sizes) == [2, 3, 3, 3]


def test_the_order_of_the_names_does_not_matter() -> None:
    assert set(split(NAMES, 1, 3)[1]) == set(split(NAMES[::-1], 1, 3)[1])


def test_neighbours_are_not_kept_apart_together() -> None:
    """Folders are numbered by site or by load: every third of them, or a third in a row, would be no fair fold."""
    apart = [NAMES.index(name) for name in split(NAMES, 0, 3)[1]]

    assert apart not in (list(range(4)), [0, 3, 6, 9])


@pytest.mark.parametrize(
    ("names", "fold", "folds", "message"),
    [
        (NAMES, 5, 5, "fold"),
        (NAMES, -1, 5, "fold"),
        (NAMES, 0, 1, "fold"),
        (NAMES[:2], 0, 3, "folds"),
        (["a", "a", "b"], 0, 2, "twice"),
    ],
)
def test_a_split_that_cannot_be_made_is_refused(names: list[str], fold: int, folds: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        split(names, fold, folds)
