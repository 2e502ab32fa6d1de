"""What file names say."""

import pytest

from service.contracts.nifti_names import kind_of, scans_by_sequence, sequence_of


@pytest.mark.parametrize(
    ("name", "sequence"),
    [
        ("T1.nii.gz", "t1"),
        ("t1.nii", "t1"),
        ("FLAIR.nii.gz", "flair"),
        ("patient01_study1_T1W.nii.gz", "t1"),
        ("patient01_study1_FLAIR.nii.gz", "flair"),
        ("sub-01_ses-1_T1w.nii.gz", "t1"),
        ("sub-01_ses-1_FLAIR.nii.gz", "flair"),
        ("sub-01_MPRAGE.nii.gz", "t1"),
        ("t2flair.nii.gz", "flair"),
        ("T2_FLAIR_3D.nii", "flair"),
        ("case_001_0000.nii.gz", "t1"),
        ("case_001_0001.nii.gz", "flair"),
        ("T1_to_FLAIR.nii.gz", "t1"),
        ("sub-01_space-FLAIR_T1w.nii.gz", "t1"),
        ("t1ce.nii.gz", "t1"),
        ("T2.nii.gz", None),
        ("brainmask.nii.gz", None),
        ("FLAIR_mask.nii.gz", None),
        ("flair_lesions.nii.gz", None),
        ("gt.nii.gz", None),
        ("T1_seg.nii.gz", None),
        ("t1.json", None),
        ("t1.dcm", None),
        ("scan.nii.gz", None),
        ("pat12.nii.gz", None),
        ("stt1x.nii.gz", None),
    ],
)
def test_a_name_says_its_sequence(name, sequence):
    assert sequence_of(name) == sequence


def test_a_native_t1_is_preferred_to_one_after_contrast():
    assert scans_by_sequence(["t1ce.nii.gz", "t1.nii.gz", "flair.nii.gz"])["t1"] == ["t1.nii.gz"]
    assert scans_by_sequence(["t1ce.nii.gz", "flair.nii.gz"])["t1"] == ["t1ce.nii.gz"]
    assert scans_by_sequence(["T1_Gd.nii.gz", "T1.nii.gz"])["t1"] == ["T1.nii.gz"]


def test_folders_do_not_speak_for_their_files():
    assert scans_by_sequence(["/data/flair_study_t1/T1.nii.gz"]) == {
        "t1": ["/data/flair_study_t1/T1.nii.gz"],
        "flair": [],
    }


def test_every_candidate_is_told():
    names = ["study1_FLAIR.nii.gz", "study2_FLAIR.nii.gz", "gt.nii.gz"]
    assert scans_by_sequence(names)["flair"] == names[:2]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("Jane_T1_Gd.nii.gz", "t1ce"), ("T1.nii", "t1"), ("x_FLAIR.nii", "flair"), ("gt.nii.gz", "other")],
)
def test_a_kind_used_as_a_name_says_the_same_again(name, kind):
    assert kind_of(name) == kind
    assert kind_of(f"{kind}_12.nii.gz") == kind
