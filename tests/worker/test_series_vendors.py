"""Studies made of real headers of five vendors: the choice is right, with their names and without any."""

import itertools
from dataclasses import replace

import pytest

from tests.fixtures.vendor_headers import FLAIR_SOURCES, T1_SOURCES, real_header, study, whole_head
from worker.series_alikeness import alikeness
from worker.series_pairs import select_pair
from worker.series_selection import score_flair, score_t1, select

pytestmark = pytest.mark.shared_data
STUDIES = list(itertools.product(T1_SOURCES, FLAIR_SOURCES))


@pytest.fixture(scope="module")
def dicom(shared_folder):
    return shared_folder / "data/dicom"


def keys(selection):
    return selection.t1.header.key, selection.flair.header.key


@pytest.mark.parametrize(("t1", "flair"), STUDIES)
def test_of_a_study_with_many_series_the_right_two_are_chosen(dicom, t1, flair):
    series = study(dicom, t1, flair)
    assert keys(select(series)) == ("T1", "FLAIR")
    assert keys(select(reversed(series))) == ("T1", "FLAIR")


@pytest.mark.parametrize(("t1", "flair"), STUDIES)
def test_the_physics_alone_is_enough(dicom, t1, flair):
    """A subtraction that no image type and no name tells cannot be told: it is left out here."""
    nameless = [replace(header, text="") for header in study(dicom, t1, flair) if "subtraction" not in header.key]
    assert keys(select(nameless)) == ("T1", "FLAIR")


@pytest.mark.parametrize("missing", ["T1", "FLAIR"])
@pytest.mark.parametrize(("t1", "flair"), STUDIES[:: len(FLAIR_SOURCES) + 1])
def test_without_the_right_series_a_lesser_one_of_the_same_sequence_is_chosen_and_no_other(dicom, t1, flair, missing):
    left = [header for header in study(dicom, t1, flair) if header.key != missing]
    chosen = select(left)
    found = chosen.t1 if missing == "T1" else chosen.flair
    assert found.header.key.startswith(missing.lower())
    of_sequence = [header for header in left if header.key.startswith(missing.lower())]
    assert {header.key for header in of_sequence if (score_t1 if missing == "T1" else score_flair)(header)} == {
        f"{missing.lower()} {kind}" for kind in ("mpr", "after", "stopped")
    }


@pytest.mark.parametrize(("first", "second"), list(itertools.permutations(STUDIES[::5], 2)))
def test_pairs_of_studies_of_different_vendors_are_right_too(dicom, first, second):
    pair = select_pair(study(dicom, *first), study(dicom, *second))
    assert keys(pair.baseline) == ("T1", "FLAIR")
    assert keys(pair.follow_up) == ("T1", "FLAIR")


def test_a_scan_is_most_alike_to_one_of_the_same_protocol(dicom):
    t1s = [whole_head(name, real_header(dicom, source), 3) for name, source in T1_SOURCES.items()]
    for one in t1s:
        assert alikeness(one, one)[0] == max(alikeness(one, other)[0] for other in t1s)
    by_key = {header.key: header for header in t1s}
    one, same = by_key["siemens_mprage"], by_key["siemens_mprage_enhanced"]
    others = [header for header in t1s if not header.key.startswith("siemens_mprage")]
    assert alikeness(one, same)[0] > max(alikeness(one, other)[0] for other in others)
