"""The packaged rule set, what a site's file may change, and how a report prints it."""

import pytest

from model.rules import Rules
from service.contracts.input_errors import InvalidOption
from service.contracts.report import MEASUREMENT_RULES_VERSION
from worker.measurement_rules import load_measurement_rules, measurement_rules, packaged_measurement_rules


def default():
    return packaged_measurement_rules().profile("default")


def test_the_packaged_rules_are_those_of_the_code_but_for_what_is_known_of_noise():
    packaged = default().rules
    assert packaged.model_copy(update={"noise": Rules().noise, "least_certainty": 0.0}) == Rules()
    assert packaged.noise.change_log_sd


def test_the_version_is_that_of_the_contract():
    assert default().version == MEASUREMENT_RULES_VERSION


def test_larger_lesions_repeat_at_least_as_well_as_smaller_ones():
    noise = default().rules.noise
    for table in (noise.volume_log_sd, noise.change_log_sd, noise.unsettled_change_log_sd):
        deviations = [table[volume] for volume in sorted(table)]
        assert deviations == sorted(deviations, reverse=True)


def test_the_profile_of_a_fifth_differs_in_growth_alone():
    fifth = packaged_measurement_rules().profile("growth_20_percent").rules
    assert (fifth.growth_factor, fifth.growth_mm3, fifth.local_growth_mm3) == (1.2, 28.0, 0.0)
    usual = {"growth_factor": 1.5, "growth_mm3": 14.0, "local_growth_mm3": 34.0}
    assert fifth.model_copy(update=usual) == default().rules


def test_every_number_is_printed_by_its_name():
    printed = default().printed()
    assert (printed.set, printed.profile) == ("msdelta", "default")
    assert printed.numbers["growth_factor"] == 1.5
    assert printed.numbers["noise.change_log_sd.at_129_mm3"] == default().rules.noise.change_log_sd[129]
    assert printed.numbers["seen_change.ring_to_voxels"] == 4
    assert printed.sources["noise"]


def test_the_digest_is_that_of_the_numbers():
    mine = measurement_rules({"set": "mine"})
    other = measurement_rules({"set": "mine", "rules": {"growth_factor": 1.4}})
    assert mine.profile("default").printed().digest == default().printed().digest
    assert other.profile("default").printed().digest != default().printed().digest


def test_masks_that_are_not_settled_have_more_noise():
    settled, kept = default().of_masks("settle").noise, default().of_masks("keep").noise
    assert kept.change_log_sd[1820] > settled.change_log_sd[1820]
    assert kept.total_change_log_sd >= settled.total_change_log_sd
    assert kept.volume_log_sd == settled.volume_log_sd


def test_a_site_states_what_differs_in_a_file_with_a_name_of_its_own(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text(
        "set: our trial\nversion: '3.0'\nprofiles: {ours: {growth_factor: 1.25, noise: {change_log_sd: {}}}}"
    )
    ours = load_measurement_rules(path).profile("ours")
    assert (ours.set, ours.version, ours.rules.growth_factor) == ("our trial", "3.0", 1.25)
    assert ours.rules.counted_mm3 == 14.0


def test_without_a_file_the_packaged_set_holds():
    assert load_measurement_rules() is packaged_measurement_rules()


@pytest.mark.parametrize(
    ("site", "message"),
    [
        ({"rules": {"growth_factor": 1.4}}, "set: expected a name of your own"),
        ({"set": "msdelta"}, "set: expected a name of your own"),
        ({"set": "a", "rules": {"growth": 2}}, "profiles.default: growth: unknown key"),
        ({"set": "a", "profiles": {"b": {"growth_factor": 0.5}}}, "profiles.b: growth_factor: .*greater than 1"),
        ({"set": "a", "rules": {"counted_mm3": 1}}, "counted_mm3 is below smallest_mm3"),
        ({"set": "a", "rules": {"seen_change": {"ring_to_voxels": 1}}}, "seen_change"),
        ({"set": "a", "rules": {"noise": {"volume_log_sd": {-3: 0.1}}}}, "volumes above 0"),
        ({"set": "a", "profiles": {"default": None}}, "profiles.default: expected a profile"),
        ({"set": "a", "version": "new"}, "version"),
        ({"set": "a", "thresholds": {}}, "thresholds: unknown key"),
    ],
)
def test_what_is_wrong_is_named_by_its_key(site, message):
    with pytest.raises(InvalidOption, match=message):
        measurement_rules(site)


def test_a_profile_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(InvalidOption, match="saw 'trial', expected one of default, growth_20_percent"):
        packaged_measurement_rules().profile("trial")
