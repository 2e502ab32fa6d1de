"""Series chosen by physics, then text, then geometry; reasons free of scanner text."""

import itertools
from dataclasses import replace

import pytest

from service.contracts.input_errors import AmbiguousSeries, MissingFlair, MissingT1
from tests.fixtures.series_headers import (
    FLAIRS,
    OTHERS,
    PLAIN_SE_FLAIR,
    SCOUT,
    SIEMENS_MPRAGE,
    SPACE_FLAIR,
    T1S,
    T2,
    header,
)
from worker.dicom_index import index_folder
from worker.dicom_values import plain
from worker.series_selection import exclusion, score_flair, score_t1, select


def named(series):
    return series.key


@pytest.mark.parametrize("series", T1S, ids=named)
def test_t1_of_every_vendor_is_a_t1_and_no_flair(series):
    assert score_t1(series)
    assert score_flair(series) is None


@pytest.mark.parametrize("series", FLAIRS, ids=named)
def test_flair_of_every_vendor_is_a_flair_and_no_t1(series):
    assert score_flair(series)
    assert score_t1(series) is None


@pytest.mark.parametrize("series", OTHERS, ids=named)
def test_other_sequences_are_neither(series):
    assert score_t1(series) is None
    assert score_flair(series) is None


@pytest.mark.parametrize("series", [s for s in T1S + FLAIRS if s is not PLAIN_SE_FLAIR], ids=named)
def test_timing_alone_tells_without_text(series):
    silent = replace(series, text="")
    assert (score_t1 if series in T1S else score_flair)(silent)


@pytest.mark.parametrize(
    ("text", "score"),
    [("T1 MPRAGE sagittal", score_t1), ("3D T1 TFE", score_t1), ("Ax FLAIR", score_flair), ("t2_tirm", score_flair)],
)
def test_a_name_is_enough_where_the_timing_is_silent(text, score):
    assert score(header(text=text))
    assert score(header(text="axial brain")) is None


@pytest.mark.parametrize(
    "text",
    [
        "Localizer",
        "Übersicht",
        "3-Plane Scout",
        "Repérage",
        "Survey",
        "DWI b1000",
        "ADC map",
        "MIP t1",
        "t1 Subtraktion subtr",
    ],
)
def test_other_kinds_are_excluded_in_several_languages(text):
    assert exclusion(header(text=text)) == "named as another kind of series"


@pytest.mark.parametrize(
    "text", ["t1 mprage +Gd", "T1 post", "T1 KM", "T1 nach Kontrastmittel", "T1 con contraste", "T1 mdc", "T1 GADO"]
)
def test_a_native_t1_is_preferred_to_one_after_contrast(text):
    after = replace(SIEMENS_MPRAGE, key="after", text=plain(text), series_number=9)
    assert select([after, SIEMENS_MPRAGE, SPACE_FLAIR]).t1.header == SIEMENS_MPRAGE
    assert "after contrast agent: a native series is preferred" in select([after, SPACE_FLAIR]).t1.reasons


@pytest.mark.parametrize("text", ["T1 ohne KM", "T1 sans gado", "T1 senza mdc", "T1 pre Gd", "T1 nativ"])
def test_words_for_without_contrast_are_understood(text):
    assert score_t1(header(text=text)).reasons[0] == "named as a T1-weighted series"
    assert not any("contrast" in reason for reason in score_t1(header(text=text)).reasons)


@pytest.mark.parametrize(
    "worse",
    [
        replace(SIEMENS_MPRAGE, key="w", image_type=("DERIVED", "SECONDARY", "MPR")),
        replace(SIEMENS_MPRAGE, key="w", coverage=60.0),
        replace(SIEMENS_MPRAGE, key="w", slice_spacing=5.0),
        replace(SIEMENS_MPRAGE, key="w", acquisition_type="2D"),
        replace(SIEMENS_MPRAGE, key="w", contrast_agent=True),
        replace(SIEMENS_MPRAGE, key="w", text=plain("t1 tse cervical spine")),
        replace(SIEMENS_MPRAGE, key="w", instances=100),
    ],
)
def test_the_better_of_two_is_taken_in_any_order(worse):
    for order in itertools.permutations([worse, SIEMENS_MPRAGE, SPACE_FLAIR]):
        assert select(order).t1.header == SIEMENS_MPRAGE


def test_a_repeated_series_replaces_the_first():
    first, second = replace(SPACE_FLAIR, key="b", series_number=4), replace(SPACE_FLAIR, key="a", series_number=7)
    for order in itertools.permutations([first, second, SIEMENS_MPRAGE]):
        assert select(order).flair.header == second


def test_series_that_nothing_tells_apart_are_ambiguous():
    with pytest.raises(AmbiguousSeries, match="FLAIR"):
        select([SPACE_FLAIR, replace(SPACE_FLAIR, key="again"), SIEMENS_MPRAGE])


def test_a_missing_sequence_is_named():
    with pytest.raises(MissingFlair, match="saw 3 series"):
        select([SIEMENS_MPRAGE, T2, SCOUT])
    with pytest.raises(MissingT1, match="saw 2 series"):
        select([SPACE_FLAIR, T2])
    with pytest.raises(MissingFlair):
        select([])


def test_reasons_hold_numbers_and_no_scanner_text():
    canary = replace(SIEMENS_MPRAGE, text=plain("t1 mprage CANARY Jane"), image_type=("ORIGINAL", "PRIMARY", "CANARY"))
    choice = select([canary, SPACE_FLAIR]).t1
    assert choice.reasons[0] == "magnetisation-prepared gradient echo, echo time 3.0 ms"
    assert "canary" not in " ".join(choice.reasons).lower()
    assert "jane" not in " ".join(choice.reasons).lower()


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("stub", "score", "physics"),
    [
        ("siemens", score_flair, "inversion time 2200 ms, echo time 394 ms: fluid suppressed, T2-weighted"),
        ("philips", score_flair, "inversion time 1650 ms, echo time 387 ms: fluid suppressed, T2-weighted"),
        ("ge", score_t1, "magnetisation-prepared gradient echo, echo time 3.2 ms"),
        ("hitachi", None, None),  # proton density
    ],
)
def test_real_headers_of_vendors_tell_by_their_timing(shared_folder, stub, score, physics):
    (series,) = index_folder(shared_folder / "data/dicom/dicom2nifti_fragments" / stub).series
    real = replace(series.header, instances=160, coverage=160.0)  # the stubs hold four slices
    choices = {score_t1: score_t1(real), score_flair: score_flair(real)}
    assert [one for one, choice in choices.items() if choice] == ([score] if score else [])
    if score:
        assert choices[score].reasons[0] == physics
