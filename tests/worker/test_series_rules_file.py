"""A site's file states what differs from the packaged rules; what is wrong in it is named by its key."""

from dataclasses import replace

import pytest

from service.contracts.input_errors import InvalidOption
from tests.fixtures.series_headers import SIEMENS_MPRAGE, SPACE_FLAIR, header
from worker.series_rules_file import load_rules, packaged_rules, rules_from
from worker.series_selection import score_flair, score_t1, select


@pytest.fixture
def site_file(tmp_path):
    def write(text):
        path = tmp_path / "site.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_without_a_file_the_packaged_rules_hold():
    assert load_rules() is packaged_rules()


def test_a_file_may_state_only_what_differs(site_file):
    rules = load_rules(site_file("flair: {evidence: {timing: {when: {inversion_time: {from: 900}}}}}"))
    assert rules.flair.evidence["timing"].when.inversion_time.low == 900
    assert rules.flair.evidence["timing"].when.inversion_time.high == 3300
    assert rules.t1 == packaged_rules().t1
    assert rules.digest != packaged_rules().digest
    assert len(rules.digest) == 12


def test_the_digest_is_that_of_the_rules_and_not_of_their_text(site_file):
    assert load_rules(site_file("# a comment\n")).digest == packaged_rules().digest


def test_a_site_adds_words_without_repeating_the_list(site_file):
    local = header(text="Kopfprotokoll Nr 7")
    rules = load_rules(site_file('more_words: {flair: ["kopfprotokoll nr 7"]}'))
    assert score_flair(local) is None
    assert score_flair(local, rules)
    assert score_flair(SPACE_FLAIR, rules) == score_flair(SPACE_FLAIR)


def test_null_removes_a_rule(site_file):
    rules = load_rules(site_file("t1: {preferences: {after_contrast: null}}"))
    after = replace(SIEMENS_MPRAGE, contrast_agent=True)
    assert score_t1(after, rules).score == score_t1(SIEMENS_MPRAGE).score
    assert score_t1(after).score == score_t1(SIEMENS_MPRAGE).score - 2


def test_points_of_a_site_change_the_choice():
    old = replace(SPACE_FLAIR, key="2d", acquisition_type="2D", slice_spacing=3.0)
    assert select([SIEMENS_MPRAGE, SPACE_FLAIR, old]).flair.header == SPACE_FLAIR
    rules = rules_from({"geometry": {"volume": {"points": -5}}})
    assert select([replace(SIEMENS_MPRAGE, acquisition_type="2D"), SPACE_FLAIR, old], rules).flair.header == old


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("thresholds: {least: 2}", r"thresholds\.least: unknown key"),
        ("flairs: {}", r"flairs: unknown key"),
        ("flair: {evidence: {timing: {points: many}}}", r"flair\.evidence\.timing\.points: .*number"),
        (
            "flair: {evidence: {timing: {when: {inversion_time: {form: 1}}}}}",
            r"timing\.when\.inversion_time\.form: unk",
        ),
        (
            "flair: {evidence: {timing: {when: {inversion_time: {from: 9000}}}}}",
            r"`from` is above `to`",
        ),
        ("flair: {evidence: {timing: {when: {echo_time: sometimes}}}}", r"timing\.when\.echo_time"),
        ("t1: {evidence: {name: {reason: 'named {text}'}}}", r"t1\.evidence\.name: .*number in braces"),
        ("t1: {evidence: {name: {reason: '{echo_time:.0f} ms'}}}", r"t1\.evidence\.name: .*range the rule asks for"),
        ("t1: {evidence: {prepared: {reason: '{echo_time:q} ms'}}}", r"t1\.evidence\.prepared: .*format"),
        ("words: {flair: ['Flüssig']}", r"words\.flair\.0: .*pattern"),
        ("more_words: {flare: [flare]}", r"no word list 'flare'"),
        ("words: {native: null}", r"no word list 'native'"),
        ("geometry: {none_such: null}", r"geometry\.none_such: there is nothing of this name to remove"),
        ("alikeness: {echo_time: {within: 0.5}}", r"alikeness\.echo_time\.within"),
        ("thresholds: null", r"thresholds: .*required"),
        ("- a\n- b", "expected keys at the top"),
        ("a: [1", r"not YAML in line \d"),
    ],
)
def test_what_is_wrong_is_named_by_its_key(site_file, text, message):
    with pytest.raises(InvalidOption, match=message):
        load_rules(site_file(text))


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path):
    with pytest.raises(InvalidOption, match="cannot be read"):
        load_rules(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidOption, match="cannot be read"):
        load_rules(tmp_path / "binary.yaml")
    (tmp_path / "huge.yaml").write_bytes(b"#" * (1 << 20) + b"#\n")
    with pytest.raises(InvalidOption, match="larger"):
        load_rules(tmp_path / "huge.yaml")
