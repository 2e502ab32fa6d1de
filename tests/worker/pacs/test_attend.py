"""From a study in a real Orthanc to one job: whole, once, beside the right earlier study."""

import hashlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from pydicom import dcmread

from service.contracts.arrivals import ArrivalState
from service.contracts.jobs import JobState
from service.contracts.site import Site
from tests.fixtures.arrival_bench import FIRST, SECOND, THIRD, Bench, made_bench, stored, study_uid
from tests.fixtures.orthanc import PASSWORD, USER, Orthanc
from tests.fixtures.pacs_studies import write_small_study
from worker.dicom_sequences import PHILIPS_FLAIR_3D, PHILIPS_T1_TFE
from worker.dicom_writer import Patient
from worker.pacs.attend import digest_of


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    server = Orthanc(tmp_path_factory.mktemp("orthanc"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def bench(tmp_path: Path, orthanc: Orthanc) -> Iterator[Bench]:
    with orthanc.client() as client:
        for study in client.get("/studies").json():
            client.delete(f"/studies/{study}").raise_for_status()
    (tmp_path / "password").write_text(PASSWORD)
    pacs = {"dicomweb": orthanc.dicomweb, "username": USER, "password_file": str(tmp_path / "password")}
    site = Site.model_validate({"pacs": {"main": {**pacs, "options": {"mirroring": True}}}})
    made = made_bench(tmp_path, site)
    yield made
    made.engine.dispose()


@pytest.mark.pacs
def test_a_study_becomes_a_job_once_its_images_have_stayed_the_same(
    bench: Bench, orthanc: Orthanc, tmp_path: Path
) -> None:
    study = stored(orthanc, tmp_path / "s", SECOND)
    bench.tell(study)
    bench.desk.attend()
    assert (bench.all_jobs(), bench.arrival().state) == ([], ArrivalState.WAITING)
    bench.clock.pass_s(61)
    bench.desk.attend()
    (job,) = bench.all_jobs()
    assert (job.state, job.baseline, bench.day_of(job.follow_up)) == (JobState.QUEUED, None, SECOND)
    assert job.options["mirroring"] is True
    assert bench.queue.sent == [job.id]
    assert len(list(bench.blobs.study_folder(job.follow_up).iterdir())) == 24
    assert (bench.arrival().state, bench.arrival().job_id) == (ArrivalState.TAKEN, job.id)


def test_only_a_baseline_that_is_pinned_adds_to_the_digest_of_a_study() -> None:
    images = frozenset({"1.2", "1.10"})
    assert digest_of(images) == hashlib.sha256(b"1.10\n1.2").hexdigest() != digest_of(images, pinned="1.3")


@pytest.mark.pacs
def test_a_study_told_of_three_times_makes_one_job(bench: Bench, orthanc: Orthanc, tmp_path: Path) -> None:
    study = stored(orthanc, tmp_path / "s", SECOND)
    for _ in range(3):
        bench.tell(study)
        bench.settle(3)
    assert len(bench.all_jobs()) == 1
    assert len(list((bench.blobs.root / "studies").iterdir())) == 1


@pytest.mark.pacs
def test_images_that_come_while_it_waits_are_part_of_the_job(bench: Bench, orthanc: Orthanc, tmp_path: Path) -> None:
    study = tmp_path / "s"
    files = write_small_study(study, day=SECOND)
    orthanc.store(*files[:20])
    bench.tell(study)
    bench.desk.attend()
    bench.clock.pass_s(30)
    orthanc.store(*files[20:])
    bench.clock.pass_s(31)
    bench.desk.attend()
    assert bench.all_jobs() == []
    bench.clock.pass_s(61)
    bench.desk.attend()
    (job,) = bench.all_jobs()
    assert len(list(bench.blobs.study_folder(job.follow_up).iterdir())) == 24


@pytest.mark.pacs
def test_late_images_supersede_the_job_that_still_waits(bench: Bench, orthanc: Orthanc, tmp_path: Path) -> None:
    study = tmp_path / "s"
    files = write_small_study(study, day=SECOND)
    orthanc.store(*files[:22])
    bench.tell(study)
    bench.settle()
    orthanc.store(*files[22:])
    bench.tell(study)
    bench.settle()
    new, old = bench.all_jobs()
    assert (old.state, new.state) == (JobState.CANCELLED, JobState.QUEUED)
    assert len(list(bench.blobs.study_folder(new.follow_up).iterdir())) == 24


@pytest.mark.pacs
def test_our_own_results_in_the_study_make_no_new_job(bench: Bench, orthanc: Orthanc, tmp_path: Path) -> None:
    study = stored(orthanc, tmp_path / "s", SECOND)
    bench.tell(study)
    bench.settle()
    result = dcmread(next(study.rglob("*.dcm")))
    result.Modality, result.SOPInstanceUID, result.SeriesInstanceUID = "OT", "1.2.3.4.5", "1.2.3.4"
    result.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4.5"
    result.save_as(tmp_path / "result.dcm")
    orthanc.store(tmp_path / "result.dcm")
    bench.tell(study)
    bench.settle()
    assert len(bench.all_jobs()) == 1


@pytest.mark.pacs
def test_results_in_the_study_of_the_baseline_make_no_job_of_it(bench: Bench, orthanc: Orthanc, tmp_path: Path) -> None:
    baseline = stored(orthanc, tmp_path / "1", FIRST)
    bench.tell(stored(orthanc, tmp_path / "2", SECOND))
    bench.settle()
    bench.tell(baseline)  # as the PACS does when our segmentation comes into it
    bench.settle()
    assert len(bench.all_jobs()) == 1


@pytest.mark.pacs
def test_the_newest_earlier_study_that_is_old_enough_is_the_baseline(
    bench: Bench, orthanc: Orthanc, tmp_path: Path
) -> None:
    stored(orthanc, tmp_path / "1", FIRST)
    stored(orthanc, tmp_path / "2", SECOND)
    bench.tell(stored(orthanc, tmp_path / "3", THIRD))
    bench.settle()
    (job,) = bench.all_jobs()
    assert (bench.day_of(job.baseline), bench.day_of(job.follow_up)) == (FIRST, THIRD)  # 14 days are too few


@pytest.mark.pacs
@pytest.mark.parametrize(
    "other",
    [
        {"patient": Patient(id="P-2")},
        {"patient": Patient(id="P-1", birth_date=date(1950, 1, 1))},
        {"sequences": ("t1",)},
    ],
    ids=["another person", "the same number, another birth date", "without FLAIR"],
)
def test_a_study_that_is_no_baseline_is_not_taken_for_one(
    bench: Bench, orthanc: Orthanc, tmp_path: Path, other: dict[str, object]
) -> None:
    stored(orthanc, tmp_path / "1", FIRST, **other)
    bench.tell(stored(orthanc, tmp_path / "2", SECOND))
    bench.settle()
    (job,) = bench.all_jobs()
    assert job.baseline is None


@pytest.mark.pacs
def test_an_older_study_of_the_same_protocol_is_preferred_to_a_newer_one_of_another(
    bench: Bench, orthanc: Orthanc, tmp_path: Path
) -> None:
    stored(orthanc, tmp_path / "1", FIRST)
    other = {"t1_sequence": PHILIPS_T1_TFE, "flair_sequence": PHILIPS_FLAIR_3D}
    stored(orthanc, tmp_path / "2", date(2023, 6, 1), study_key="2", **other)
    bench.tell(stored(orthanc, tmp_path / "3", SECOND))
    bench.settle()
    (job,) = bench.all_jobs()
    assert bench.day_of(job.baseline) == FIRST


@pytest.mark.pacs
def test_the_teller_may_pin_the_baseline(bench: Bench, orthanc: Orthanc, tmp_path: Path) -> None:
    pinned = stored(orthanc, tmp_path / "1", FIRST)
    stored(orthanc, tmp_path / "2", date(2023, 6, 1), study_key="2")
    bench.tell(stored(orthanc, tmp_path / "3", SECOND), baseline_uid=study_uid(pinned))
    bench.settle()
    (job,) = bench.all_jobs()
    assert bench.day_of(job.baseline) == FIRST


@pytest.mark.pacs
def test_a_study_without_flair_is_given_up_with_its_reason_and_makes_no_job(
    bench: Bench, orthanc: Orthanc, tmp_path: Path
) -> None:
    bench.tell(stored(orthanc, tmp_path / "s", SECOND, sequences=("t1",)))
    bench.settle()
    assert (bench.arrival().state, bench.arrival().error_code) == (ArrivalState.DEAD, "missing_flair")
    assert bench.all_jobs() == []
    assert list((bench.blobs.root / "incoming").iterdir()) == []


@pytest.mark.pacs
def test_a_pacs_that_is_away_is_asked_again_and_nothing_is_lost(tmp_path: Path) -> None:
    server = Orthanc(tmp_path / "orthanc").start()
    (tmp_path / "password").write_text(PASSWORD)
    pacs = {"dicomweb": server.dicomweb, "username": USER, "password_file": str(tmp_path / "password")}
    bench = made_bench(tmp_path, Site.model_validate({"pacs": {"main": pacs}}))
    study = stored(server, tmp_path / "s", SECOND)
    bench.tell(study)
    bench.desk.attend()
    server.stop()
    bench.clock.pass_s(61)
    bench.desk.attend()
    assert (bench.arrival().state, bench.arrival().error_code) == (ArrivalState.WAITING, "pacs_unavailable")
    server.start()
    bench.clock.pass_s(61)
    bench.desk.attend()
    server.stop()
    bench.engine.dispose()
    assert len(bench.all_jobs()) == 1


@pytest.mark.pacs
def test_wrong_credentials_are_named_and_end_the_looking(bench: Bench, orthanc: Orthanc, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("wrong")
    bench.tell(stored(orthanc, tmp_path / "s", SECOND))
    bench.desk.attend()
    assert (bench.arrival().state, bench.arrival().error_code) == (ArrivalState.DEAD, "pacs_refused")
