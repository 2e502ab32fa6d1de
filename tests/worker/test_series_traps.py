"""The series that are easily taken for a T1 or a FLAIR and are none, and those that hardly look like one and are."""

import itertools
from dataclasses import replace

import pytest

from tests.fixtures.series_headers import GE_BRAVO, GR, IR, PHILIPS_TFE, SE, SIEMENS_MPRAGE, SPACE_FLAIR, header
from worker.series_selection import exclusion, judge, score_flair, score_t1, select

ORIGINAL = ("ORIGINAL", "PRIMARY", "M", "ND")
MP2RAGE = header("mp2rage", text="mp2rage", scanning_sequence=("GR", "IR"), sequence_variant=("SK", "SP", "MP"),
    echo_time=2.98, repetition_time=5000.0, acquisition_type="3D", image_type=ORIGINAL)  # fmt: skip
INV1 = replace(MP2RAGE, key="inv1", text="mp2rage inv1", inversion_time=700.0)
INV2 = replace(MP2RAGE, key="inv2", text="mp2rage inv2", inversion_time=2500.0)
UNI = replace(MP2RAGE, key="uni", text="mp2rage uni images", image_type=("DERIVED", "PRIMARY", "M", "ND", "UNI"))
UNI_DEN = replace(UNI, key="uni den", text="mp2rage uni den")
T1_MAP = replace(MP2RAGE, key="map", text="mp2rage t1 images", image_type=("DERIVED", "PRIMARY", "T1 MAP", "ND"))
PD_ECHO = header("pd", text="pd t2 tse tra", scanning_sequence=SE, echo_time=11.0, repetition_time=4320.0)
T2_ECHO = replace(PD_ECHO, key="t2", echo_time=92.0, repeat=1)


def test_of_mp2rage_the_denoised_uniform_image_is_taken():
    parts = [INV1, INV2, UNI, UNI_DEN, T1_MAP, SPACE_FLAIR]
    for order in itertools.permutations(parts):
        assert select(order).t1.header == UNI_DEN
    assert select([INV1, INV2, UNI, T1_MAP, SPACE_FLAIR]).t1.header == UNI


def test_an_mprage_is_preferred_to_the_uniform_image():
    assert select([UNI, UNI_DEN, SIEMENS_MPRAGE, SPACE_FLAIR]).t1.header == SIEMENS_MPRAGE


@pytest.mark.parametrize("inversion_time", [700.0, 2500.0])
def test_the_uniform_image_is_a_t1_whichever_inversion_time_it_carries(inversion_time):
    assert score_t1(replace(UNI, inversion_time=inversion_time))


@pytest.mark.parametrize("part", [INV1, INV2, T1_MAP], ids=lambda part: part.key)
def test_the_other_parts_of_mp2rage_are_no_t1_and_no_flair(part):
    assert score_t1(part) is None
    assert score_flair(part) is None


@pytest.mark.parametrize("echo", [PD_ECHO, T2_ECHO], ids=lambda echo: echo.key)
def test_neither_echo_of_a_dual_echo_series_is_a_t1_or_a_flair(echo):
    assert score_t1(echo) is None
    assert score_flair(echo) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"text": "t1 mprage sub"},
        {"text": "t1 subtraktion"},
        {"text": "t1 soustraction"},
        {"text": "t1 sottrazione"},
        {"text": "t1 sustraccion"},
        {"text": "t1 subtracao"},
        {"text": "t1 aftrekking"},
        {"image_type": ("DERIVED", "PRIMARY", "M", "SUB", "NORM")},
        {"image_type": ("DERIVED", "SECONDARY", "SUBTRACTION")},
        {"text": "t1 mip tra"},
        {"image_type": ("DERIVED", "SECONDARY", "MIP")},
        {"image_type": ("DERIVED", "SECONDARY", "PROJECTION IMAGE")},
        {"image_type": ("ORIGINAL", "PRIMARY", "P", "ND")},
        {"image_type": ("ORIGINAL", "PRIMARY", "R_IR", "R", "IR")},
        {"image_type": ("DERIVED", "PRIMARY", "T1 MAP")},
        {"image_type": ("DERIVED", "SECONDARY", "SCREEN SAVE")},
        {"colour": True},
        {"angiography": True},
        {"time_points": 40.0},
        {"scanning_sequence": ("EP", "GR")},
        {"acquisition_contrast": "TOF"},
        {"acquisition_contrast": "DIFFUSION"},
        {"instances": 3},
    ],
    ids=str,
)
def test_what_is_made_of_a_t1_or_only_timed_like_one_is_left_out(changes):
    assert exclusion(replace(SIEMENS_MPRAGE, **changes)) is not None


def test_an_original_is_preferred_to_its_reformatted_copy():
    copies = [
        replace(SPACE_FLAIR, key="mpr", series_number=9, image_type=("DERIVED", "SECONDARY", "MPR")),
        replace(SPACE_FLAIR, key="ge", series_number=9, image_type=("DERIVED", "SECONDARY", "REFORMATTED", "AVERAGE")),
    ]
    for order in itertools.permutations([SIEMENS_MPRAGE, SPACE_FLAIR, *copies]):
        assert select(order).flair.header == SPACE_FLAIR
    assert select([SIEMENS_MPRAGE, copies[0]]).flair.header == copies[0]  # better than none


@pytest.mark.parametrize(("repetition_time", "inversion_time"), [(7500.0, 3000.0), (5500.0, 2550.0), (7000.0, 2860.0)])
def test_double_inversion_is_found_by_its_timing_and_a_flair_is_not_taken_for_it(repetition_time, inversion_time):
    unnamed = replace(SPACE_FLAIR, text="", repetition_time=repetition_time, inversion_time=inversion_time)
    assert "double inversion?" in judge(unnamed, "FLAIR").against
    assert score_flair(replace(unnamed, text="t2 flair"))
    assert judge(replace(unnamed, text="3d dir"), "FLAIR").against == "named as another inversion contrast"


@pytest.mark.parametrize(
    ("repetition_time", "inversion_time"),
    [(4000.0, 1400.0), (4800.0, 1650.0), (5000.0, 1800.0), (6000.0, 2200.0), (9000.0, 2500.0), (11000.0, 2800.0)],
)
@pytest.mark.parametrize("echo_time", [90.0, 140.0, 394.0, 700.0])
def test_flair_timing_of_all_fields_and_vendors_is_a_flair_without_a_name(repetition_time, inversion_time, echo_time):
    unnamed = header(scanning_sequence=("SE",), echo_time=echo_time, repetition_time=repetition_time,
        inversion_time=inversion_time)  # fmt: skip
    assert score_flair(unnamed)
    assert score_t1(unnamed) is None


def test_a_flair_tagged_as_plain_spin_echo_without_inversion_time_is_known_by_its_name():
    plain_se = header(text="FLAIR tra", scanning_sequence=SE, echo_time=120.0, repetition_time=9000.0)
    assert score_flair(plain_se).reasons[0] == "named as a fluid-suppressed series"
    assert score_flair(replace(plain_se, text="t2 tra")) is None


@pytest.mark.parametrize("t1", [SIEMENS_MPRAGE, PHILIPS_TFE, GE_BRAVO], ids=lambda t1: t1.key)
def test_the_repetition_time_of_an_mprage_may_be_that_of_the_cycle_or_of_the_echoes(t1):
    for repetition_time in (5.9, 8.1, 9.9, 1800.0, 2300.0, 2530.0):
        assert score_t1(replace(t1, text="", repetition_time=repetition_time))


@pytest.mark.parametrize(
    "other",
    [
        header("psir", text="psir", scanning_sequence=IR, echo_time=10.0, repetition_time=4000.0, inversion_time=400.0),
        header("stir", text="stir", scanning_sequence=IR, echo_time=35.0, repetition_time=4000.0, inversion_time=180.0),
        header("stir", text="", scanning_sequence=IR, echo_time=60.0, repetition_time=4000.0, inversion_time=220.0),
        header("adc", text="adc", echo_time=90.0, repetition_time=6000.0),
        header("swi", text="", scanning_sequence=GR, echo_time=20.0, repetition_time=28.0),
        header("t2*", text="t2 fl2d hemo", scanning_sequence=GR, echo_time=20.0, repetition_time=800.0),
        header("ciss", text="", scanning_sequence=GR, sequence_variant=("SS",), echo_time=2.5, repetition_time=5.5),
        header("scout", text="", scanning_sequence=GR, sequence_variant=("SP",), echo_time=1.4, repetition_time=3.2),
        header("dce", text="t1 twist", scanning_sequence=GR, sequence_variant=("SP",), echo_time=1.0,
            repetition_time=3.0),
        header("t1 flair", text="t1 flair"),
        header("t2", text="T2 MPR tra"),
    ],
    ids=lambda other: other.key,
)  # fmt: skip
def test_neighbours_in_timing_are_neither(other):
    assert score_t1(other) is None
    assert score_flair(other) is None


@pytest.mark.parametrize(
    ("contrast", "flair", "t1"),
    [
        ("FLUID_ATTENUATED", True, False),
        ("T1", False, True),
        ("T2", False, False),
        ("PROTON_DENSITY", False, False),
        ("STIR", False, False),
        ("UNKNOWN", False, False),
    ],
)
def test_the_contrast_that_an_enhanced_header_states_counts(contrast, flair, t1):
    stated = header(acquisition_contrast=contrast)
    assert (score_flair(stated) is not None, score_t1(stated) is not None) == (flair, t1)


def test_a_synthetic_flair_is_the_last_resort():
    synthetic = replace(SPACE_FLAIR, key="synthetic", text="synt2 flair", series_number=40)
    assert select([SIEMENS_MPRAGE, synthetic, SPACE_FLAIR]).flair.header == SPACE_FLAIR
    assert "synthetic: computed from a quantitative scan" in select([SIEMENS_MPRAGE, synthetic]).flair.reasons


@pytest.mark.parametrize("text", ["MPRAGE KM", "T1 nach KM", "T1 apres injection", "T1 con gadolinio", "T1 con mdc",
    "T1 com contraste", "T1 met contrast", "T1 na contrast", "3D T1 TFE +C", "T1 TSE C+", "T1 dopo mdc"])  # fmt: skip
def test_words_for_after_contrast_in_six_languages(text):
    after = header("after", text=text, scanning_sequence=GR, sequence_variant=("MP",), echo_time=3.0)
    assert "after contrast agent: a native series is preferred" in score_t1(after).reasons


@pytest.mark.parametrize("text", ["T1 ohne Kontrastmittel", "T1 vor KM", "T1 sans injection", "T1 avant injection",
    "T1 sin contraste", "T1 senza mdc", "T1 sem contraste", "T1 zonder contrast", "T1 nativo",
    "T1 blanco", "T1 w/o contrast", "T1 PRE GAD", "T1 C-"])  # fmt: skip
def test_words_for_native_in_seven_languages(text):
    native = header("native", text=text, scanning_sequence=GR, sequence_variant=("MP",), echo_time=3.0)
    assert not any("after contrast" in reason for reason in score_t1(native).reasons)


@pytest.mark.parametrize("text", ["Lokalizer", "Localisateur", "Repérage", "Localizador", "Localizzatore",
    "Posizionamento", "Localizer 3 plan", "Overzicht", "Planung", "Difusión", "Difusão", "Diffusione", "Diffusie",
    "Perfusione T1", "Suszeptibilität", "Spektroskopie", "Espectroscopia"])  # fmt: skip
def test_words_for_other_kinds_in_seven_languages(text):
    assert exclusion(header(text=text)) == "named as another kind of series"


@pytest.mark.parametrize("text", ["T1 Wirbelsäule", "T1 rachis cervical", "T1 columna", "T1 coluna lombar",
    "T1 colonna", "T1 wervelkolom", "T1 HWS", "T1 orbites", "T1 ipofisi"])  # fmt: skip
def test_words_for_other_parts_of_the_body_in_seven_languages(text):
    assert "named as another part of the body" in score_t1(header(text=text)).reasons
