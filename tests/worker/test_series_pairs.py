"""Series of two studies are chosen together: own score first, then the couple that is most alike."""

import itertools
from dataclasses import fields, replace

import pytest

from service.contracts.input_errors import AmbiguousSeries, MissingFlair, MissingT1
from tests.fixtures.series_headers import FLAIR_2D, GE_BRAVO, PHILIPS_FLAIR, SE_T1, SIEMENS_MPRAGE, SPACE_FLAIR
from worker.series_alikeness import alikeness
from worker.series_header import SeriesHeader
from worker.series_pairs import FITS_THE_OTHER, select_pair
from worker.series_rules_file import rules_from
from worker.series_selection import select

AXIAL, SAGITTAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
TROUBLE = "CANARY"
FULL = replace(SPACE_FLAIR, orientation=SAGITTAL, pixel_spacing=(1.0, 1.0), field_strength=3.0, flip_angle=120.0,
    manufacturer="siemens", model="prisma", device_serial="1234")  # fmt: skip
AXIAL_2D = replace(FLAIR_2D, acquisition_type="2D", orientation=AXIAL, pixel_spacing=(0.7, 0.7), field_strength=1.5)


def test_a_series_is_wholly_alike_to_itself():
    score, reasons = alikeness(FULL, replace(FULL, key="later", series_number=9))
    assert score == 1.0
    assert "same scanner" in reasons
    assert all(reason.startswith("same ") for reason in reasons)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"scanning_sequence": ("GR",)}, "another sequence family"),
        ({"acquisition_type": "2D"}, "another number of dimensions"),
        ({"orientation": AXIAL}, "another plane"),
        ({"contrast_agent": True}, "another contrast state"),
        ({"text": "flair km"}, "another contrast state"),
        ({"echo_time": 90.0}, "echo time 394 and 90 ms"),
        ({"repetition_time": 9000.0}, "repetition time 6000 and 9000 ms"),
        ({"inversion_time": 1650.0}, "inversion time 2200 and 1650 ms"),
        ({"flip_angle": 40.0}, "flip angle 120 and 40 degrees"),
        ({"slice_spacing": 3.0}, "slice spacing 1 and 3 mm"),
        ({"pixel_spacing": (0.5, 0.5)}, "pixel spacing 1 and 0.5 mm"),
        ({"device_serial": "99"}, "another scanner"),
        ({"model": "skyra"}, "another scanner model"),
        ({"field_strength": 1.5}, "3 T and 1.5 T"),
    ],
    ids=str,
)
def test_every_difference_makes_two_series_less_alike_and_is_said(changes, reason):
    other = replace(FULL, **changes)
    score, reasons = alikeness(FULL, other)
    assert score < 1.0
    assert reason in reasons
    assert alikeness(other, FULL)[0] == score


def test_small_differences_of_one_protocol_are_none():
    later = replace(FULL, echo_time=388.0, repetition_time=5800.0, inversion_time=2100.0, field_strength=2.89)
    assert alikeness(FULL, later)[0] == 1.0


def test_what_is_not_stated_speaks_neither_for_nor_against():
    silent = SeriesHeader(key="x", instances=160)
    score, reasons = alikeness(silent, FULL)
    assert reasons == ("same contrast state",)
    assert alikeness(replace(FULL, text="flair gd"), FULL)[0] < 1.0
    assert 0.5 < score < 0.7


def test_an_mprage_is_an_mprage_however_its_vendor_writes_it():
    for one, other in itertools.permutations([SIEMENS_MPRAGE, GE_BRAVO], 2):
        assert "same sequence family" in alikeness(one, other)[1]
    assert "another sequence family" in alikeness(SIEMENS_MPRAGE, SE_T1)[1]


def test_reasons_of_likeness_repeat_no_text_of_the_scanner():
    words = {field.name: TROUBLE for field in fields(SeriesHeader) if field.type is str or "str" in str(field.type)}
    listed = {"image_type", "scanning_sequence", "sequence_variant"}
    named = replace(FULL, **{name: (value,) if name in listed else value for name, value in words.items()})
    assert {"text", "manufacturer", "model", "device_serial"} <= set(words)
    for one, other in ((named, FULL), (FULL, named), (named, named)):
        assert TROUBLE not in " ".join(alikeness(one, other)[1])


def test_the_couple_that_is_most_alike_is_chosen_among_good_ones():
    first = [AXIAL_2D, SIEMENS_MPRAGE]
    second = [replace(AXIAL_2D, series_number=5), FULL, SIEMENS_MPRAGE]
    assert select(second).flair.header == FULL
    pair = select_pair(first, second)
    assert pair.baseline.flair.header == AXIAL_2D
    assert pair.follow_up.flair.header == second[0]
    assert pair.flair.score > 0.9
    assert FITS_THE_OTHER in pair.follow_up.flair.reasons
    assert FITS_THE_OTHER not in pair.baseline.flair.reasons


def test_a_2d_flair_is_compared_with_the_2d_flair_of_the_same_scanner():
    names = ("manufacturer", "model", "device_serial", "field_strength", "pixel_spacing")
    whole = replace(FULL, **{name: getattr(AXIAL_2D, name) for name in names})
    second = [replace(AXIAL_2D, key="again"), whole, SIEMENS_MPRAGE]
    assert select(second).flair.header == whole
    assert select_pair([AXIAL_2D, SIEMENS_MPRAGE], second).follow_up.flair.header == second[0]
    both = select_pair(second, second)
    assert (both.baseline.flair.header, both.follow_up.flair.header) == (whole, whole)


def test_likeness_never_makes_a_bad_series_good():
    poor = replace(AXIAL_2D, coverage=60.0)
    pair = select_pair([poor, SIEMENS_MPRAGE], [replace(poor, key="poor"), FULL, SIEMENS_MPRAGE])
    assert pair.follow_up.flair.header == FULL
    wide = rules_from({"thresholds": {"plausible_within": 10, "alikeness_points": 10}})
    assert select_pair([poor, SIEMENS_MPRAGE], [poor, FULL, SIEMENS_MPRAGE], wide).follow_up.flair.header == poor


def test_native_goes_before_likeness():
    after = replace(SIEMENS_MPRAGE, key="after", contrast_agent=True)
    pair = select_pair([after, SPACE_FLAIR], [after, SIEMENS_MPRAGE, SPACE_FLAIR])
    assert pair.follow_up.t1.header == SIEMENS_MPRAGE
    assert "another contrast state" in pair.t1.reasons


def test_of_repeats_the_later_is_chosen_in_both_studies_and_in_any_order():
    first = [replace(SPACE_FLAIR, key=str(n), series_number=n) for n in (4, 7)]
    second = [replace(PHILIPS_FLAIR, key=str(n), series_number=n) for n in (14, 17)]
    for one, other in itertools.product(itertools.permutations(first), itertools.permutations(second)):
        pair = select_pair([*one, SIEMENS_MPRAGE], [SIEMENS_MPRAGE, *other])
        assert (pair.baseline.flair.header.series_number, pair.follow_up.flair.header.series_number) == (7, 17)


def test_the_other_study_can_tell_two_series_apart_that_their_own_cannot():
    axial, sagittal = (replace(FULL, key=str(o), orientation=o) for o in (AXIAL, SAGITTAL))
    with pytest.raises(AmbiguousSeries, match="FLAIR"):
        select([axial, sagittal, SIEMENS_MPRAGE])
    assert select_pair([axial, sagittal, SIEMENS_MPRAGE], [sagittal, SIEMENS_MPRAGE]).baseline.flair.header == sagittal
    with pytest.raises(AmbiguousSeries, match="FLAIR"):
        select_pair([axial, sagittal, SIEMENS_MPRAGE], [axial, sagittal, SIEMENS_MPRAGE])


def test_what_a_study_lacks_is_named():
    with pytest.raises(MissingFlair, match="baseline: saw 1 series"):
        select_pair([SIEMENS_MPRAGE], [SPACE_FLAIR, SIEMENS_MPRAGE])
    with pytest.raises(MissingT1, match="follow-up: saw 1 series"):
        select_pair([SPACE_FLAIR, SIEMENS_MPRAGE], [SPACE_FLAIR])
