"""Where a site allows it, a study without T1 is read, prepared and reported from FLAIR alone, and flagged."""

import shutil
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from model.preprocess import t1_without
from service.contracts.api_keys import Scope
from service.contracts.input_errors import InvalidOption, MissingFlair, MissingT1
from service.contracts.options import CompareOptions, check_allowed
from service.contracts.report import Flag
from service.contracts.settings import Settings
from tests.fixtures.api_service import Service, upload_pair
from tests.fixtures.report_case import PAIR, time_point
from tests.fixtures.series_headers import SIEMENS_MPRAGE, SPACE_FLAIR, T2
from tests.fixtures.small_studies import small_volume, write_dicom_study, write_nifti_study
from worker.case import IDENTITY_4X4, BrainMask, TimePoint
from worker.preprocessing import prepare_single
from worker.quality import assess_pair, assess_single, not_aligned
from worker.series_pairs import select_pair
from worker.series_selection import select
from worker.study_reader import HowToChoose, StudyFolder, read_pair, read_study

ALONE = HowToChoose(flair_only=True)
ASKED = CompareOptions(missing_t1="flair_only")


def without_t1(t: TimePoint) -> TimePoint:
    return replace(t, study=replace(t.study, t1=None), alignment=None)


@pytest.fixture(params=["dicom", "nifti"])
def pair(request, tmp_path):
    """Two studies, the second without its T1."""
    write = write_dicom_study if request.param == "dicom" else write_nifti_study
    first, second = (write(tmp_path / name) for name in ("first", "second"))
    if request.param == "dicom":
        shutil.rmtree(second / "t1")
    else:
        (second / "T1.nii.gz").unlink()
    return StudyFolder(folder=first), StudyFolder(folder=second)


def test_a_study_without_t1_is_refused_unless_flair_alone_is_asked_for(pair):
    with pytest.raises(MissingT1):
        read_study(pair[1].folder)
    found = read_study(pair[1].folder, choice=ALONE)
    assert found.t1 is None
    assert (found.flair.volume.array == small_volume(seed=1).array).all()
    assert read_study(pair[0].folder, choice=ALONE).t1 is not None


def test_of_a_pair_both_are_read_without_t1_when_one_has_none(pair):
    with pytest.raises(MissingT1):
        read_pair(*pair)
    for order in (pair, pair[::-1]):
        assert [study.t1 for study in read_pair(*order, choice=ALONE)] == [None, None]
    assert all(study.t1 is not None for study in read_pair(pair[0], pair[0], choice=ALONE))


def test_flair_alone_does_not_excuse_a_missing_flair():
    with pytest.raises(MissingFlair):
        select([SIEMENS_MPRAGE, T2], flair_only=True)
    with pytest.raises(MissingFlair, match="follow-up"):
        select_pair([SPACE_FLAIR], [SIEMENS_MPRAGE], flair_only=True)


def test_the_channel_of_the_t1_is_filled_the_same_for_every_scan():
    volume = small_volume(shape=(40, 40, 40), spacing=(2.0, 2.0, 2.0))
    inside = np.zeros((40, 40, 40), bool)
    inside[8:32, 8:32, 8:32] = True
    t = time_point()
    flair = replace(t.study.flair, volume=volume)
    brain = BrainMask(mask=volume.like(inside), skull_stripped=False, explained=0.9)
    whole = replace(t, study=replace(t.study, t1=flair, flair=flair), brain=brain)
    assert (whole.alignment.flair_from_t1 == IDENTITY_4X4).all()
    alone, both = prepare_single(without_t1(whole)), prepare_single(whole)
    assert alone.grid.shape == both.grid.shape
    np.testing.assert_array_equal(alone.follow_up[1], both.follow_up[1])
    np.testing.assert_array_equal(alone.follow_up[0], t1_without(alone.follow_up[1]))
    assert (alone.follow_up[0][~alone.brain] == 0).all()
    assert (alone.follow_up[0] != both.follow_up[0]).any()


@pytest.mark.parametrize(
    "assessment",
    [
        assess_single(without_t1(time_point())),
        assess_pair(without_t1(time_point(date(2023, 1, 1))), without_t1(time_point()), PAIR),
        not_aligned("failed", without_t1(time_point()), without_t1(time_point())),
    ],
    ids=["alone", "pair", "not aligned"],
)
def test_the_report_is_flagged(assessment):
    assert [reason.flag for reason in assessment.reasons if reason.code == "no_t1"] == [Flag.AMBER]


def test_a_site_has_to_allow_it(tmp_path):
    check_allowed(CompareOptions(), Settings(allow_flair_only=False))
    check_allowed(ASKED, Settings(allow_flair_only=True))
    with pytest.raises(InvalidOption, match="MSDELTA_ALLOW_FLAIR_ONLY"):
        check_allowed(ASKED, Settings(allow_flair_only=False))


@pytest.mark.parametrize(("allowed", "status"), [(False, 422), (True, 202)])
def test_the_api_asks_the_setting(tmp_path, allowed, status):
    service = Service(tmp_path, allow_flair_only=allowed)
    with service.client:
        key = service.key(Scope.SUBMIT, Scope.READ)
        body = {"follow_up": upload_pair(service, key), "options": {"missing_t1": "flair_only"}}
        answer = service.client.post("/v1/jobs", headers=key, json=body)
    service.engine.dispose()
    assert answer.status_code == status
    assert len(service.queue.sent) == int(allowed)
