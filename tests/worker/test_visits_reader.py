"""Several visits of one person, read in order; refusals name the visit."""

import shutil
from dataclasses import replace
from datetime import date

import pytest

from service.contracts.input_errors import DifferentPatients, EmptyStudy, MissingT1, VisitsOutOfOrder
from tests.fixtures.small_studies import T1_HEADER, edit, small_volume, write_dicom_study, write_nifti_study
from worker.dicom_sequences import PHILIPS_FLAIR_3D, SIEMENS_FLAIR_2D
from worker.dicom_writer import write_mr_series
from worker.study_reader import HowToChoose, StudyFolder, read_pair, read_study
from worker.visits_reader import read_visits


@pytest.fixture
def dicom(tmp_path):
    """Three visits, a year apart."""
    found = []
    for year in (2021, 2022, 2023):
        folder = write_dicom_study(tmp_path / str(year))
        for path in folder.glob("*/*.dcm"):
            edit(path, StudyDate=f"{year}0409", AcquisitionDate=None)
        found.append(StudyFolder(folder=folder))
    return found


def nifti(tmp_path, *days):
    return [
        StudyFolder(folder=write_nifti_study(tmp_path / str(number)), acquired=day) for number, day in enumerate(days)
    ]


def test_visits_are_read_in_the_order_given_with_their_dates(dicom):
    studies = read_visits(dicom)
    assert [study.acquired.year for study in studies] == [2021, 2022, 2023]
    assert all(study.t1 is not None for study in studies)


def test_two_visits_are_read_as_a_pair_is(dicom):
    for one, other in zip(read_visits(dicom[:2]), read_pair(*dicom[:2]), strict=True):
        assert (one.flair.reasons, one.t1.reasons) == (other.flair.reasons, other.t1.reasons)
        assert (one.flair.volume.array == other.flair.volume.array).all()


@pytest.mark.parametrize("order", [(1, 0, 2), (0, 2, 1)])
def test_visits_out_of_order_are_refused_without_their_dates(dicom, order):
    with pytest.raises(VisitsOutOfOrder, match=r"visit \d was acquired before visit \d") as refused:
        read_visits([dicom[n] for n in order])
    assert "202" not in refused.value.message


THICK, THIN = (1.25, 1.5, 5.0), (1.25, 1.5, 1.25)
"""Voxels of the FLAIR in slices and of the one of another scanner, mm."""


def visit_with(folder, year, *sequences):
    """A visit with a T1 and FLAIR series of these sequences and voxels."""
    header = replace(T1_HEADER, study_date=date(year, 4, 9))
    write_mr_series(small_volume(shape=(140, 120, 32), spacing=THICK), folder / "t1", header=header)
    for number, (sequence, spacing) in enumerate(sequences, start=3):
        volume = small_volume(shape=(140, 120, round(160 / spacing[2])), spacing=spacing, seed=number)
        named = replace(header, sequence=sequence, series_number=number)
        write_mr_series(volume, folder / f"flair{number}", header=named)
    return StudyFolder(folder=folder)


def test_of_two_flairs_a_later_visit_takes_the_one_that_fits_the_visit_before(tmp_path):
    slices, whole = (SIEMENS_FLAIR_2D, THICK), (PHILIPS_FLAIR_3D, THIN)
    visits = [
        visit_with(tmp_path / "1", 2021, slices),
        visit_with(tmp_path / "2", 2022, slices, whole),
        visit_with(tmp_path / "3", 2023, slices, whole),
    ]

    together, alone = read_visits(visits), read_study(visits[2].folder)

    assert alone.flair.volume.spacing == pytest.approx(THIN)
    assert [study.flair.volume.spacing for study in together] == [pytest.approx(THICK)] * 3


def test_visits_without_dates_are_taken_as_they_are_given(tmp_path):
    assert [study.acquired for study in read_visits(nifti(tmp_path, None, None))] == [None, None]


def test_a_visit_without_a_date_is_passed_over_in_the_order(tmp_path):
    with pytest.raises(VisitsOutOfOrder, match="visit 3 was acquired before visit 1"):
        read_visits(nifti(tmp_path, date(2022, 1, 1), None, date(2021, 1, 1)))


def test_two_visits_of_one_day_are_in_order(tmp_path):
    assert len(read_visits(nifti(tmp_path, date(2022, 1, 1), date(2022, 1, 1)))) == 2


def test_a_refusal_names_the_visit(tmp_path, dicom):
    (tmp_path / "empty").mkdir()
    with pytest.raises(EmptyStudy, match=r"^visit 2: "):
        read_visits([dicom[0], StudyFolder(folder=tmp_path / "empty"), dicom[1]])


def test_a_visit_of_another_person_is_refused(dicom):
    for path in dicom[2].folder.glob("*/*.dcm"):
        edit(path, PatientID="another", PatientBirthDate="19010101", PatientName="Other^One")
    with pytest.raises(DifferentPatients, match=r"^visits 1 and 3: "):
        read_visits(dicom)


@pytest.mark.parametrize("without", range(3))
def test_one_visit_without_t1_takes_it_from_all_where_flair_alone_is_allowed(dicom, without):
    shutil.rmtree(dicom[without].folder / "t1")
    with pytest.raises(MissingT1, match=r"^visit"):
        read_visits(dicom)
    assert [study.t1 for study in read_visits(dicom, choice=HowToChoose(flair_only=True))] == [None] * 3
